"""The ledger's records as people and `apply` see them: plain values, without database rows or library types."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, overload

from reconciler.model.attempt import Actor, Settlement, Yield
from reconciler.model.credits import Credits
from reconciler.model.history import CallState
from reconciler.model.manifest import Mode
from reconciler.model.plan import Reason

Grouping = Literal["table", "manifest", "run", "label", "month", "label-month", "mode", "actor", "plan", "column"]
"""The grouping of the spend report: one line per value; of `label-month`, one per label and month."""

SETTLED = "settled"
"""An accepted call whose cells were counted once its table was idle; people see it as a state of its own."""
ADOPTED = "adopted"
"""Cells that were done before the ledger knew them, taken over as if an accepted call had bought them."""


class EventKind(StrEnum):
    """Events of a call or of a table's lease. The first five are the states an attempt passes through."""

    INTENT = "intent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    IN_DOUBT = "in_doubt"
    SETTLED = "settled"
    """The table was seen idle after the call; the detail has the counts of its cells."""
    RESOLVED = "resolved"
    """Evidence or a person decided a call in doubt; the detail says which way, why and by whom."""
    ADOPTED = "adopted"
    """Cells that were already done were recorded as satisfied at a revision; nothing was sent or paid for."""
    LEASE_RELEASED = "lease_released"
    """A person released a table's lease on behalf of its holder."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to begin calls for one table until it expires by the store's clock."""

    table_id: str
    owner: str
    """Unique to one apply."""
    actor: Actor
    acquired_at: float
    """Seconds since the epoch, by the store's clock."""
    expires_at: float
    """Seconds since the epoch, by the store's clock."""
    fence: int
    """Increases with every lease of the table; a write under an older lease is refused."""
    table_version: int
    """The table's version when the lease was taken, renewed or listed."""
    remaining_seconds: float
    """Until it expires, as of when it was taken, renewed or listed; 0 or less if it has expired."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call in the ledger; `Ledger.past` has the exact cells that it covered."""

    id: str
    table_id: str
    address: str
    """`manifest/run`."""
    mode: Mode
    revision: str | None
    columns: tuple[str, ...]
    """Column ids."""
    column_keys: tuple[str, ...]
    """The keys of `columns`, in the same order."""
    row_count: int
    cells: int
    """Planned."""
    credits: Decimal | None
    """Planned; None if a price was unknown."""
    reason: Reason
    wave: int
    plan_id: str
    labels: Mapping[str, str]
    actor: Actor
    """The person or CI job that began the last attempt."""
    state: CallState
    attempt: int
    """The number of the last attempt, from 1."""
    payments: int
    """How many of its attempts were accepted; the protocol exists to keep this at 1 or less."""
    begun_at: float
    """When the last attempt began: seconds since the epoch by the store's clock, like every time here."""
    ended_at: float | None
    """When its outcome was recorded; None while it is open."""
    run_id: str | None
    """By the API's receipt; None if it did not say."""
    requested_cells: int | None
    """The number of cells by the API's receipt; None if it did not say."""
    settled_at: float | None
    """When its table showed how its cells ended; None until then."""
    settlement: Settlement | None
    """How its cells ended; None until then."""
    age_seconds: float
    """Since the last attempt began, as of when the record was read."""
    column_cells: tuple[int, ...] = ()
    """The planned cells of each of `columns`; empty if that was not asked for."""

    @property
    def manifest(self) -> str:
        """The manifest's name."""
        return self.address.partition("/")[0]

    @property
    def shown_state(self) -> str:
        """The state as people see it, and filter by it."""
        if self.is_adopted:
            return ADOPTED
        return SETTLED if self.settled_at is not None else self.state.value

    @property
    def is_adopted(self) -> bool:
        """True for an adoption: not a call, but cells done before the ledger knew them, counted as bought."""
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
    settled: bool | None = None
    """Only calls whose cells were counted, or only the others."""
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
    """One entry of the audit trail; never changed or removed."""

    table_id: str
    seq: int
    """From 1, without gaps, in the order in which the store recorded the table's events."""
    call_id: str | None
    """None for an event of the table itself."""
    attempt: int | None
    kind: EventKind
    at: float
    """Seconds since the epoch, by the store's clock."""
    detail: Mapping[str, Any]
    """Status, text, run id, reason, evidence, actor: those that its kind has."""


@dataclass(frozen=True, slots=True)
class ColumnYield:
    """The answers that running a column's cells again changed, as far as they were waited for or seen later."""

    total: Yield
    refreshes: int
    """Applies that ran its cells again."""
    between_seconds: float | None
    """From one of them to the next, on average; None if there is only one."""

    @property
    def half_changed_seconds(self) -> float | None:
        """The time in which half of the answers would change at this rate, by the rule of three.

        None if unknown, as after runs within a minute, of which no rate follows.
        """
        if self.between_seconds is None or self.between_seconds < 60 or not self.total.changed:
            return None
        return self.between_seconds * self.total.answers / (2 * self.total.changed)


@dataclass(frozen=True, slots=True)
class SpendLine:
    """The cost of one table, manifest, label, month, etc. Unknown credits are counted apart, never taken as 0."""

    key: str
    """Empty for calls without the requested label."""
    calls: int
    """Accepted."""
    cells: int
    """By the API's receipt if it said, else as planned."""
    cost: Credits
    """The planned credits of the accepted calls."""
    in_doubt_calls: int
    """Calls that may have been paid for; not included in the figures above."""
    in_doubt_cells: int
    in_doubt_cost: Credits
    done: int | None = 0
    """Cells that were done once the accepted calls were settled; None by column, which the ledger does not say."""
    failed: int | None = 0
    """Likewise, failed; the rest did not start, or its call is not settled yet."""
    name: str = ""
    """A table's manifest, or a column's key, of the newest call; else empty."""
    changed: ColumnYield | None = None
    """Of a column whose answers were given again."""


@dataclass(frozen=True, slots=True)
class SpendReport(Sequence[SpendLine]):
    """The sums of what was spent: a line per group."""

    lines: tuple[SpendLine, ...]
    """By their keys."""
    total: SpendLine
    """Each call once, also if its labels put it into several lines; its key is empty."""

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> SpendLine: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[SpendLine]: ...
    def __getitem__(self, index: int | slice) -> SpendLine | Sequence[SpendLine]:
        return self.lines[index]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The records that an import added; those the ledger already had are not counted."""

    tables: int
    calls: int
    events: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """The result of compacting a ledger."""

    calls: int
    """Settled calls that were folded."""
    tables: int
    """Of how many tables."""
    left_alone: tuple[str, ...]
    """The holders of tables that an apply holds, one line each."""
