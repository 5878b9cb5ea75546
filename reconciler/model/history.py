"""The ledger's past calls, reduced to what planning and recovery need."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from reconciler.model.checkpoint import Checkpoint
from reconciler.model.input_cells import WIDTH
from reconciler.model.manifest import Mode


class CallState(StrEnum):
    """The state of a call. `ledger/call_states.py` has the allowed transitions; ACCEPTED is final."""

    INTENT = "intent"
    """Recorded before the POST; if found later without an ending, it counts as in doubt."""
    ACCEPTED = "accepted"
    """Paid for."""
    REFUSED = "refused"
    """Rejected by the API; not paid for."""
    NOT_SENT = "not_sent"
    """Nothing left the machine, or evidence shows that it did not land; not paid for."""
    IN_DOUBT = "in_doubt"
    """May have been paid for; never sent again until evidence or a person decides."""


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of cells."""

    columns: tuple[str, ...]
    """Column ids."""
    rows: tuple[str, ...]
    """Row ids."""

    @property
    def cells(self) -> int:
        """The number of its cells."""
        return len(self.columns) * len(self.rows)


@dataclass(frozen=True, slots=True)
class PastCall:
    """One call in the ledger."""

    id: str
    table_id: str
    mode: Mode
    revision: str | None
    state: CallState
    attempt: int
    """From 1; increases when a call that was proven not sent is tried again."""
    settled: bool
    """True once the table was seen idle after the call and its cells were counted."""
    covered: tuple[Block, ...]
    """Exactly the due cells of the call; each column is in one block only."""
    configs: Mapping[str, str]
    """Column id → `config_digest` at the time of the call."""
    before: Mapping[str, Sequence[str]]
    """Column id → marks of what each row of its block showed when the intent was written (`evidence.mark`)."""
    age_seconds: float
    """Since the last attempt began, by the store's clock."""
    address: str = ""
    """`manifest/run` at the time; for people, never for matching."""
    credits: Decimal | None = None
    """Its planned cost; None if a price was unknown."""
    actor: str = ""
    """The person or CI job that applied it."""
    plan_id: str = ""
    """The plan that approved it; empty if that does not matter, as in a snapshot."""
    version: int = field(default=0, compare=False)
    """The table's version after the last attempt's intent: it orders a table's calls."""
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    """As `Settlement.inputs`; empty until it is settled."""
    has_shown: bool = False
    """True in a snapshot, which leaves `before` out, if the table shows that the call has begun."""

    @property
    def cells(self) -> int:
        """The number of cells that were due in it."""
        return sum(block.cells for block in self.covered)

    def inputs_of(self, column: str, rows: int) -> bytes:
        """Return the digests of a column's inputs, which has so many rows in its block; UNKNOWN without any."""
        found = self.inputs.get(column, b"")
        return found if len(found) == WIDTH * rows else bytes(WIDTH * rows)

    @property
    def is_begun(self) -> bool:
        """True for an intent without an ending: its process is still working, or is gone."""
        return self.state is CallState.INTENT

    @property
    def is_open(self) -> bool:
        """True if it is not known whether it was paid for."""
        return self.state in (CallState.INTENT, CallState.IN_DOUBT)


@dataclass(frozen=True, slots=True)
class TableHistory:
    """Everything the ledger has on one table, and the version that a new intent must find unchanged."""

    table_id: str
    version: int = 0
    """Increases with every attempt begun for the table; an intent is a compare-and-set on it."""
    calls: tuple[PastCall, ...] = ()
    """Open and accepted calls, oldest first; refused and unsent calls bought nothing and are left out.

    Nor do those appear that `checkpoint` holds."""
    recalled_at: float = field(default=0.0, compare=False)
    """When it was read: seconds since the epoch by the store's clock. The ages of calls are relative to it."""
    ledger_id: str = field(default="", compare=False)
    """The ledger's own id; empty if there is no ledger yet."""

    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    """The sum of the calls that are settled and folded."""
    folded: tuple[PastCall, ...] = ()
    """Those of them that were sent under the plan that was asked for: which cells, and at what price."""

    def accepted(self) -> Iterable[PastCall]:
        """Yield the calls that were paid for, and adoptions, which take their place at no cost; not those folded."""
        return (call for call in self.calls if call.state is CallState.ACCEPTED)

    def under(self, plan_id: str) -> Iterator[PastCall]:
        """Yield the calls that were sent under a plan, also those folded since."""
        return (call for call in (*self.folded, *self.calls) if call.plan_id == plan_id)
