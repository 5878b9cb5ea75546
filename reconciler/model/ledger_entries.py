"""What the ledger tells people and `apply`: plain values, no row and no library type among them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from reconciler.model.attempt import Actor, Settlement
from reconciler.model.history import CallState
from reconciler.model.manifest import Mode
from reconciler.model.plan import Reason

Grouping = Literal["table", "manifest", "run", "label", "month", "mode", "actor", "plan"]
"""What a line of the spend report adds up over."""


class EventKind(StrEnum):
    """What happened to a call, or to a table's lease. The first five are the states an attempt passes through."""

    INTENT = "intent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    IN_DOUBT = "in_doubt"
    SETTLED = "settled"
    """The table was seen idle after the call; the detail counts its cells."""
    RESOLVED = "resolved"
    """Evidence or a person ended a doubt; the detail says which way, why and who."""
    ADOPTED = "adopted"
    """Cells that were done already were recorded as satisfied at a revision; nothing was sent or paid for."""
    LEASE_RELEASED = "lease_released"
    """A person took a table's lease away from its holder."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to begin calls for one table, until it expires by the store's clock."""

    table_id: str
    owner: str
    """Unique to one apply."""
    actor: Actor
    acquired_at: float
    """Seconds since the epoch, by the store's clock."""
    expires_at: float
    """Seconds since the epoch, by the store's clock."""
    fence: int
    """Grows with every lease of the table; a write under an older one is refused."""
    table_version: int
    """The table's version when the lease was taken, renewed or listed."""
    remaining_seconds: float
    """Until it expires, when it was taken, renewed or listed; at most 0 when it has expired."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call as the ledger holds it; which cells exactly it covered is left to `Ledger.past`."""

    id: str
    table_id: str
    address: str
    mode: Mode
    revision: str | None
    columns: tuple[str, ...]
    """Column ids."""
    column_keys: tuple[str, ...]
    row_count: int
    cells: int
    """Planned."""
    credits: Decimal | None
    """Planned; None where a price was unknown."""
    reason: Reason
    wave: int
    plan_id: str
    labels: Mapping[str, str]
    actor: Actor
    """Who began the last attempt."""
    state: CallState
    attempt: int
    payments: int
    """How many of its attempts were accepted; more than 1 is what the protocol exists to prevent."""
    begun_at: float
    """When the last attempt began: seconds since the epoch by the store's clock, like every time here."""
    ended_at: float | None
    run_id: str | None
    requested_cells: int | None
    """What the API said it was asked for; None where it did not say."""
    settled_at: float | None
    settlement: Settlement | None
    age_seconds: float
    """Since the last attempt began, when the record was read."""

    @property
    def manifest(self) -> str:
        """The manifest's name."""
        return self.address.partition("/")[0]

    @property
    def is_adopted(self) -> bool:
        """No call at all: cells that were done before the ledger knew them, taken as bought at the revision."""
        return self.reason is Reason.ADOPTED


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls of the ledger are asked for: those that meet all that is given."""

    table_id: str | None = None
    address: str | None = None
    """A manifest's name, or `manifest/run`."""
    states: Collection[CallState] | None = None
    adopted: bool | None = None
    """Only cells that were taken over, or only what was called."""
    label: str | None = None
    """`key`, or `key=value`."""
    plan_id: str | None = None
    since: float | None = None
    """The last attempt began then or later: seconds since the epoch."""
    until: float | None = None
    """Exclusive."""
    limit: int | None = None
    """The newest calls only."""


EVERY_CALL = CallFilter()


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One line of the audit trail; never changed, never removed."""

    table_id: str
    seq: int
    """From 1, without gaps, in the order in which the store took the events of the table."""
    call_id: str | None
    """None for an event of the table itself."""
    attempt: int | None
    kind: EventKind
    at: float
    """Seconds since the epoch, by the store's clock."""
    detail: Mapping[str, Any]
    """Status, text, run id, reason, evidence, who: as far as the kind has them."""


@dataclass(frozen=True, slots=True)
class SpendLine:
    """What one table, manifest, label, month … cost. Unknown credits are counted, never taken for 0."""

    key: str
    """Empty for calls that lack the label asked for."""
    calls: int
    """Accepted."""
    cells: int
    """What the API said it was asked for, where it said so; else what was planned."""
    credits: Decimal
    """The planned credits of the accepted calls whose price is known."""
    unpriced_calls: int
    """Accepted calls whose credits are unknown."""
    unpriced_cells: int
    in_doubt_calls: int
    """Calls that may have been paid for; in none of the figures above."""
    in_doubt_cells: int
    in_doubt_credits: Decimal
    in_doubt_unpriced_calls: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an import added; what the ledger held already is not counted."""

    tables: int
    calls: int
    events: int
