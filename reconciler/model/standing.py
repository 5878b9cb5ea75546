"""The standing of all the work of many machines, as the ledger has it: the same from whichever worker it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.budget import BudgetUse
from reconciler.model.submitted import Phase


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that waits, is in doubt or is held, and how much of each budget is used."""

    calls_in_doubt: int = 0
    oldest_doubt_seconds: float = 0.0
    """How long ago the oldest call in doubt was sent; 0 if there is none."""
    units: Mapping[Phase, int] = field(default_factory=dict)
    """How many units of applies that have not ended, by how far they are."""
    held: Mapping[str, bool] = field(default_factory=dict)
    """Workspace → True while no request is sent for it, because the API asked to wait."""
    budgets: tuple[BudgetUse, ...] = ()
    """Of all tables together, or of a label."""
    at: float = 0.0
    """When it was read, in seconds since the epoch by the ledger's clock."""
