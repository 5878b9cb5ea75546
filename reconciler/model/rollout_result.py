"""The result of a rollout's first portion, which decides whether the rest may follow."""

from dataclasses import dataclass
from decimal import Decimal

from reconciler.model.expectation import Judgement


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """The result so far of the first portion of a run with a `rollout`."""

    first: int
    """Rows in the portion, for each column."""
    max_failed: Decimal | None
    """The share of its cells that may fail, 0 to 1; None if any may."""
    cells: int
    """Cells of complete portions: those of each column that was tried on `first` rows."""
    failed: int
    """Those that are failed now."""
    judgements: tuple[Judgement, ...] = ()
    """With an `expect`: what the answers of these cells are like."""
    is_judged: bool = True
    """False if that is unknown: a snapshot was taken for other manifests."""

    @property
    def has_failed(self) -> bool:
        """True if too many cells failed."""
        return self.max_failed is not None and self.failed > self.max_failed * self.cells

    @property
    def is_breached(self) -> bool:
        """True if too many failed, or the answers are not as expected: the rest of the run is held back."""
        return self.has_failed or bool(self.breached)

    @property
    def breached(self) -> tuple[Judgement, ...]:
        """The tests that too many answers met."""
        return tuple(each for each in self.judgements if each.is_breached)
