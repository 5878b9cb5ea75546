"""The result of a rollout's first portion, which decides whether the rest may follow."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """The result so far of the first portion of a run with a `rollout`."""

    first: int
    """Rows in the portion, for each column."""
    max_failed: Decimal
    """The share of its cells that may fail, 0 to 1."""
    cells: int
    """Cells of complete portions: those of each column that was tried on `first` rows."""
    failed: int
    """Those that are failed now."""

    @property
    def is_breached(self) -> bool:
        """True if too many failed: the rest of the run is held back."""
        return self.failed > self.max_failed * self.cells
