"""How old a cell may get: a run's `refresh` compared with the ledger's last accepted call for each cell.

Only cells that the ledger knows have an age. A cell with a value that no accepted call covered may be from today or
years old. Guessing would spend credits, so such cells are counted separately and left alone.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import compress
from math import ceil, inf

from reconciler.model.manifest import Calendar, CalendarDates, MaxAge, Refresh
from reconciler.model.observed import Column
from reconciler.model.row_set import RowSet
from reconciler.planning.ledger_view import LedgerView


class Freshness:
    """A `refresh`, as of the moment the ledger was read."""

    def __init__(self, refresh: Refresh, recalled_at: float, dates: Mapping[Calendar, CalendarDates]) -> None:
        """`recalled_at` is that moment in seconds since the epoch, by the store's clock; `dates` are as of then."""
        self._refresh = refresh
        self._recalled_at = recalled_at
        self._dates = dates[refresh] if isinstance(refresh, Calendar) else None

    @property
    def stale_before(self) -> datetime | None:
        """The calendar's last date."""
        return None if self._dates is None else self._dates.last

    def fresh(self, ledger: LedgerView, column: Column) -> RowSet:
        """Return the rows in which the column's cell was bought as recently as the `refresh` requires."""
        return RowSet.of_flags(self._are_fresh(ledger.ages(column)))

    def is_fresh(self, age: float) -> bool:
        """Tell whether a cell bought that many seconds ago was bought as recently as the `refresh` requires."""
        return bool(self._are_fresh([age])[0])

    def next_due(self, ledger: LedgerView, columns: Iterable[Column], rows: RowSet) -> datetime | None:
        """Return when the first cell that is fresh now falls due; None if none is fresh, or that is unknown."""
        flags = rows.flags()
        oldest = -inf
        for column in columns:
            ages = ledger.ages(column)
            fresh = compress(compress(ages, flags), compress(self._are_fresh(ages), flags))
            oldest = max(oldest, max(fresh, default=-inf))
        if oldest == -inf:
            return None
        if isinstance(self._refresh, MaxAge):
            # Computed from the call's beginning, so it does not depend on when this is asked.
            return datetime.fromtimestamp(ceil(self._recalled_at - oldest + self._refresh.seconds), UTC)
        assert self._dates is not None
        return None if self._dates.next is None else self._dates.next.astimezone(UTC)

    def _are_fresh(self, ages: Iterable[float]) -> bytes:
        """Return one flag per age: younger than the `refresh` says; a call exactly at a calendar's date is fresh."""
        if isinstance(self._refresh, MaxAge):
            too_old = self._refresh.seconds
            return bytes(age < too_old for age in ages)
        last = self.stale_before
        oldest = inf if last is None else self._recalled_at - last.timestamp()
        return bytes(age <= oldest and age != inf for age in ages)
