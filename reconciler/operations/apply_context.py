"""The parts that an apply and a wait work with, put together once and handed to each of their steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.client import Reader
from reconciler.ledger import Ledger
from reconciler.model.attempt import Actor, GrowthBound
from reconciler.operations.apply_events import Interrupt
from reconciler.operations.profile import Profile
from reconciler.operations.rescue import Witness
from reconciler.settings.settings import Settings
from reconciler.spending.protocol import Runner


class Pace(Protocol):
    """The rate of requests that all machines with one token share."""

    def admit(self, before_long: Callable[[], object]) -> None:
        """Wait until a request may be sent; before a long wait, call `before_long`. Raises LedgerError."""

    def hold(self, seconds: float) -> None:
        """Let no machine send a request for so long, and wait that long. Raises LedgerError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitContext:
    """The resources of waiting, which sends nothing."""

    settings: Settings
    reader: Reader
    ledger: Ledger
    actor: Actor
    watcher: Witness
    interrupt: Interrupt
    profile: Profile = field(default_factory=Profile)
    rests_at: dict[str, float] = field(default_factory=dict)
    """When the quiet periods of calls end that were accepted before, by id, on the clock of `elapsed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyContext(WaitContext):
    """The resources of an apply."""

    runner: Runner
    lease_timeout_seconds: float = 0.0
    apply_id: str = ""
    """Of an apply that several machines carry out; empty if this one does."""
    growth: Mapping[str, GrowthBound] = field(default_factory=dict)
    """By manifest, what must be kept although others may send for it, too."""
    pace: Pace | None = None
    """The rate that machines share; None if there is none."""
