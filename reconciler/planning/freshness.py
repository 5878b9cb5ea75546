"""How old a cell may get: a run's `refresh` laid over the ledger's last accepted call for each cell.

Only what the ledger knows has an age. A cell that shows something and that no accepted call covered may be as fresh as
today or years old: spending on that guess is not this tool's business, so it is told apart and left alone.
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
    """A `refresh` at the moment at which the ledger was recalled."""

    def __init__(self, refresh: Refresh, recalled_at: float, dates: Mapping[Calendar, CalendarDates]) -> None:
        """Take that moment in seconds since the epoch, by the store's clock, and where the calendars stand at it."""
        self._refresh = refresh
        self._recalled_at = recalled_at
        self._dates = dates[refresh] if isinstance(refresh, Calendar) else None

    @property
    def stale_before(self) -> datetime | None:
        """The calendar's last date."""
        return None if self._dates is None else self._dates.last

    def fresh(self, memory: LedgerView, column: Column) -> RowSet:
        """Return the rows in which the column's cell was bought as lately as the `refresh` asks."""
        return RowSet.of_flags(self._is_fresh(memory.ages(column)))

    def next_due(self, memory: LedgerView, columns: Iterable[Column], rows: RowSet) -> datetime | None:
        """Return when the first of the cells that are fresh now falls due; None where none is, or nobody can tell."""
        flags = rows.flags()
        oldest = -inf
        for column in columns:
            ages = memory.ages(column)
            fresh = compress(compress(ages, flags), compress(self._is_fresh(ages), flags))
            oldest = max(oldest, max(fresh, default=-inf))
        if oldest == -inf:
            return None
        if isinstance(self._refresh, MaxAge):
            # A call's beginning, and so its end of being fresh, is the same however late one looks.
            return datetime.fromtimestamp(ceil(self._recalled_at - oldest + self._refresh.seconds), UTC)
        assert self._dates is not None
        return None if self._dates.next is None else self._dates.next.astimezone(UTC)

    def _is_fresh(self, ages: Iterable[float]) -> bytes:
        """Return a flag an age: not yet as old as the `refresh` says; exactly at a calendar's date is fresh."""
        if isinstance(self._refresh, MaxAge):
            too_old = self._refresh.seconds
            return bytes(age < too_old for age in ages)
        last = self.stale_before
        oldest = inf if last is None else self._recalled_at - last.timestamp()
        return bytes(age <= oldest and age != inf for age in ages)
