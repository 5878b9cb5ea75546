"""Drift as a noun: cells of a run that are not as its manifest wants them, and how much that needs a person."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from reconciler.model.manifest import Refresh
from reconciler.model.plan import Reason, SkipReason


class Severity(StrEnum):
    """How much a cause of drift needs a person."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class DriftKind(StrEnum):
    """The fate of cells that drifted, at the next apply: a value for programs and its severity."""

    def __new__(cls, value: str, severity: Severity) -> "DriftKind":
        """Keep the severity beside the value."""
        kind = str.__new__(cls, value)
        kind._value_, kind.severity = value, severity
        return kind

    severity: Severity

    DUE = "due", Severity.INFO
    """The next apply buys them."""
    DEAD_END = "dead_end", Severity.WARNING
    """No apply buys them until a person changes something."""
    OUTSIDE = "outside", Severity.WARNING
    """They were run, or credits were spent, outside the ledger."""
    IN_DOUBT = "in_doubt", Severity.ERROR
    """A call that covers them may have been paid for."""


FAILS_ON = (DriftKind.DUE, DriftKind.IN_DOUBT)
"""The kinds that count as drift by default."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One reason why cells of one run are not as it wants them; of a call in doubt, that call."""

    address: str
    """Empty for credits of the balance."""
    table_id: str
    reason: Reason | SkipReason | DriftKind
    """OUTSIDE has no other reason."""
    revision: str | None
    cells: int
    credits: Decimal | None
    """The cost to an apply, so 0 for a dead end; of a call in doubt, what it may have cost. None if unknown."""
    table_name: str = ""
    """As `Call.table_name`."""
    refresh: Refresh | None = None
    stale_before: datetime | None = None
    """As in `PlannedRun`."""
    kind: DriftKind = DriftKind.DUE
    reruns: bool = False
    """True if the cells were run outside since the last apply, and the ledger holds them already."""
    call: str = ""
    """The id of the call in doubt."""
    age_seconds: float | None = None
    """Of the call in doubt, since its last attempt began."""
    max_attempts: int = 0
    """Of the run whose attempts are used up."""
