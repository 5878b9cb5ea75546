"""An apply that workers carry out, and the units that it is split into: what the ledger keeps of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from reconciler.model.attempt import Actor, Stop

FORMAT = 1
"""How an apply and its units are written. A worker that is older leaves a higher one to others."""


WORKSPACE = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
"""A workspace's name: also the queue's, the label of a figure, and a part of lines in logs."""


class Phase(StrEnum):
    """How far a unit is."""

    QUEUED = "queued"
    """Due for a worker, or in the hands of one."""
    WAITING = "waiting"
    """Its calls run, its tables are running, or a doubt is too young: to be looked at again."""
    SETTLED = "settled"
    """Nothing of it is left to do."""
    IN_DOUBT = "in_doubt"
    """A call may have been paid for, and the quiet period has shown nothing."""
    GIVEN_UP = "given_up"
    """Something of it was not sent; `tail` says why."""

    @property
    def is_over(self) -> bool:
        """True if no worker will look at it again."""
        return self not in (Phase.QUEUED, Phase.WAITING)


@dataclass(frozen=True, slots=True)
class SubmittedApply:
    """An apply as it was submitted."""

    id: str
    plan_id: str
    workspace: str
    """Only its workers have the token."""
    content: bytes
    """The limits and settings that it was submitted with (`fleet/written.py`)."""
    cells: int
    """Of the plan."""
    credits: Decimal | None
    """None if a price is unknown."""
    actor: Actor
    created_at: float = 0.0
    """Seconds since the epoch by the ledger's clock."""
    age_seconds: float = 0.0
    """Since it was submitted, by the ledger's clock; 0 in a list."""
    stop: Stop | None = None
    """Set once nothing of it may be sent any more."""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Unit:
    """Tables that depend on each other, mostly a single one: what a worker takes as a whole."""

    apply_id: str
    number: int
    table_ids: tuple[str, ...]
    content: bytes
    """The manifests and the part of the plan (`fleet/written.py`)."""
    phase: Phase = Phase.QUEUED
    tries: int = 0
    """Looks in a row that changed nothing."""
    tail: str = ""
    """The rest that the last look left, as JSON of a report; empty before the first."""
    is_abandoned: bool = False
    """True if the worker that had it has gone silent."""
    size: int = 0
    """Size of the content in bytes, if the content itself was left out."""


@dataclass(frozen=True, slots=True)
class UnitOutcome:
    """How far a look brought a unit."""

    number: int
    phase: Phase
    look_in_seconds: float = 0.0
    tries: int = 0
    tail: str | None = None
    """None to keep the last one."""


@dataclass(frozen=True, slots=True)
class ApplyProgress:
    """How far an apply is."""

    apply: SubmittedApply
    units: Mapping[Phase, int]
    attended: int = 0
    """Units that a worker is at work on, or that wait and are not overdue."""

    @property
    def is_over(self) -> bool:
        """True once no worker will look at any of its units again."""
        return not any(count for phase, count in self.units.items() if not phase.is_over)

    @property
    def is_unattended(self) -> bool:
        """True if no worker is at work on what is left of it: there is none, or all are busy with others."""
        return not self.is_over and not self.attended
