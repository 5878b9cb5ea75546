"""What the ledger remembers: calls made before, as far as planning and recovery need them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from reconciler.model.manifest import Mode


class CallState(StrEnum):
    """How far a call came. What may follow what is in `ledger/call_states.py`; no way leads out of ACCEPTED."""

    INTENT = "intent"
    """Recorded before the POST; found later without an ending it is as good as in doubt."""
    ACCEPTED = "accepted"
    """Paid for."""
    REFUSED = "refused"
    """The API said no; not paid for."""
    NOT_SENT = "not_sent"
    """Nothing left the machine, or evidence shows it did not land; not paid for."""
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
        """How many cells it holds."""
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
    """From 1; grows when the same call is tried again after it was proven not sent."""
    settled: bool
    """True once the table was seen idle after the call, and its cells were read."""
    covered: tuple[Block, ...]
    """Exactly the due cells of the call; a column stands in one block only."""
    configs: Mapping[str, str]
    """Column id → `config_digest` at the time of the call."""
    before: Mapping[str, Sequence[str]]
    """Column id → what each row of its block showed when the intent was written (`evidence.mark`)."""
    age_seconds: float
    """Since the last attempt began, by the store's clock."""
    address: str = ""
    """`manifest/run` at the time; for people, never for matching."""
    credits: Decimal | None = None
    """What it was planned to cost; None where a price was unknown."""
    actor: str = ""
    """Who applied it."""
    plan_id: str = ""
    """The plan that approved it; empty where that does not matter, as in a snapshot."""
    has_shown: bool = False
    """Set by a snapshot, which leaves `before` out: its table shows that the call has begun."""

    @property
    def cells(self) -> int:
        """How many cells were due in it."""
        return sum(block.cells for block in self.covered)

    @property
    def is_begun(self) -> bool:
        """An intent without an ending: its process is at work, or is gone."""
        return self.state is CallState.INTENT

    @property
    def is_open(self) -> bool:
        """Nobody knows whether it was paid for."""
        return self.state in (CallState.INTENT, CallState.IN_DOUBT)


@dataclass(frozen=True, slots=True)
class TableHistory:
    """Everything the ledger holds for one table, and the version that a new intent must find unchanged."""

    table_id: str
    version: int = 0
    """Grows with every attempt begun for the table; an intent is a compare-and-set on it."""
    calls: tuple[PastCall, ...] = ()
    """Open and accepted calls, oldest first; refused and unsent ones bought nothing and are left out."""
    recalled_at: float = field(default=0.0, compare=False)
    """When: seconds since the epoch by the store's clock. The ages of calls count back from it."""
    ledger_id: str = field(default="", compare=False)
    """The ledger's own; empty where there is none yet."""

    def accepted(self) -> Iterable[PastCall]:
        """Yield the calls that were paid for, and what was adopted in their place at no cost."""
        return (call for call in self.calls if call.state is CallState.ACCEPTED)
