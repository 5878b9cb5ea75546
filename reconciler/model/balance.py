"""The balance at moments in time, and the credits that went in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class TableCounts:
    """The cells of a table at one moment, of the columns that a run without `columns` includes."""

    table_id: str
    done: int
    failed: int
    unbought: int
    """Done cells that the ledger never bought."""
    awaited: int
    """Cells of calls in the ledger that are not done yet, and may become so."""


@dataclass(frozen=True, slots=True)
class BalanceRecord:
    """The credits that the account had at one moment."""

    at: float
    """Seconds since the epoch, by the ledger's clock."""
    available: Decimal | None
    """None if they are unlimited, or the API did not say."""
    organization: str = ""
    """Its id; empty if unknown."""
    plan_id: str = ""
    """Of the apply that found it; empty if none did."""
    tables: tuple[TableCounts, ...] = ()
    """Those that the apply read whole, by id."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The way of the balance between two moments, in credits."""

    since: BalanceRecord
    until: BalanceRecord
    ours: Decimal
    """Of the accepted calls in the ledger, as planned."""
    unpriced_cells: int
    """Their cells whose price was unknown."""
    in_doubt: Decimal
    """Of the calls in doubt, not part of `ours`."""

    @property
    def outside(self) -> Decimal:
        """Credits that are gone and that no accepted call in the ledger spent; 0 or more."""
        return max(Decimal(0), self._gone - self.ours)

    @property
    def refunded(self) -> Decimal:
        """Credits that are still there, or there again, although calls spent them: given back, or bought; 0 or more."""
        return max(Decimal(0), self.ours - self._gone)

    @property
    def _gone(self) -> Decimal:
        return (self.since.available or Decimal(0)) - (self.until.available or Decimal(0))


@dataclass(frozen=True, slots=True)
class Move:
    """Cells of a table that were run outside the ledger between two moments."""

    since: float
    """Seconds since the epoch."""
    until: float
    cells: int
    """At least so many: a cell that was done before, and run again, looks the same."""
    lasts: bool = False
    """True if `until` is now: no apply has been there since."""


@dataclass(frozen=True, slots=True)
class MovedTable:
    """A table with cells that are done and that the ledger never bought, or that moved without it."""

    table_id: str
    name: str
    """Text from the API."""
    manifests: tuple[str, ...]
    cells: int
    """Those that are done now and that the ledger never bought; adopted ones are not among them."""
    moves: tuple[Move, ...] = ()
    """In time's order."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The ledger against the balance, and against the tables."""

    intervals: tuple[Interval, ...]
    """Between one known balance of an organization and the next, in time's order."""
    tables: tuple[MovedTable, ...] = ()
    """Those that moved without us, by id; empty also if they were not asked for."""

    @property
    def ours(self) -> Decimal:
        """Credits of the ledger's accepted calls."""
        return sum((each.ours for each in self.intervals), Decimal(0))

    @property
    def outside(self) -> Decimal:
        """Credits that someone else spent."""
        return sum((each.outside for each in self.intervals), Decimal(0))

    @property
    def refunded(self) -> Decimal:
        """Credits that were given back, or bought."""
        return sum((each.refunded for each in self.intervals), Decimal(0))

    @property
    def in_doubt(self) -> Decimal:
        """Credits of calls in doubt."""
        return sum((each.in_doubt for each in self.intervals), Decimal(0))

    @property
    def unpriced_cells(self) -> int:
        """Cells of accepted calls whose price was unknown: they are among `outside`."""
        return sum(each.unpriced_cells for each in self.intervals)


def ends(of: Sequence[Interval]) -> tuple[BalanceRecord, BalanceRecord] | None:
    """Return the first and the last balance; None if there are no two to compare."""
    return (of[0].since, of[-1].until) if of else None
