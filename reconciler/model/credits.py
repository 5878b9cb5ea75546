"""The cost of cells together: the one sum that never takes an unknown price for 0."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


class Priced(Protocol):
    """Cells with what they cost together: a call, or something that is counted like one."""

    @property
    def credits(self) -> Decimal | None:
        """None where a price is unknown."""

    @property
    def cells(self) -> int:
        """How many cells."""


@dataclass(frozen=True, slots=True)
class Credits:
    """A sum of credits that knows how many cells it leaves out, because their price is unknown."""

    known: Decimal = Decimal(0)
    """Of the cells whose price is known."""
    unpriced_cells: int = 0

    @classmethod
    def of(cls, priced: Iterable[Priced]) -> "Credits":
        """Add up what calls cost."""
        return cls.sum((each.credits, each.cells) for each in priced)

    @classmethod
    def at(cls, prices: Iterable[tuple[Decimal | None, int]]) -> "Credits":
        """Add up cells, given by the price of one (None: unknown) and how many have it."""
        return cls.sum((None if price is None else price * cells, cells) for price, cells in prices)

    @classmethod
    def sum(cls, amounts: Iterable[tuple[Decimal | None, int]]) -> "Credits":
        """Add up amounts (None: unknown), each with the number of cells that it is for."""
        known, unpriced = Decimal(0), 0
        for amount, cells in amounts:
            if amount is None:
                unpriced += cells
            else:
                known += amount
        return cls(known, unpriced)

    def __add__(self, other: "Credits") -> "Credits":
        return Credits(self.known + other.known, self.unpriced_cells + other.unpriced_cells)

    @property
    def total(self) -> Decimal | None:
        """The sum; None where the price of any cell is unknown, so that it is never too low."""
        return None if self.unpriced_cells else self.known
