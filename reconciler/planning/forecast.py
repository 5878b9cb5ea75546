"""Cells by age → the days on which schedules buy them, by arithmetic: no cell is followed through the days.

Each cell is taken to be bought as soon as it falls due, to keep its row and inputs, and to cost what it costs now. An
apply that comes later buys less with `every`, and the same with a calendar as long as it comes before the next date.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from math import ceil, inf
from typing import TypeAlias

from reconciler.model.forecast import Forecast, ForecastLine, Refreshes, ScheduledCells
from reconciler.model.manifest import Calendar, MaxAge

Dates: TypeAlias = Callable[[Calendar, datetime, datetime], Iterable[float]]
"""The dates of a calendar after one moment and before another, in seconds since the epoch."""


def forecast(cells: Iterable[ScheduledCells], start: datetime, days: int, dates: Dates) -> Forecast:
    """Return what falls due from `start`, in UTC, within `days` times 24 hours; cells that are due now on its first."""
    stop = start + timedelta(days=days)
    window = _Window(start, stop, dates)
    lines = []
    left_out: Counter[str] = Counter()
    for each in cells:
        left_out.update(each.left_out)
        lines.append(ForecastLine(each.manifest, each.labels, each.column, each.price, window.falling_due(each.ages)))
    return Forecast(start, stop, tuple(lines), left_out)


class _Window:
    """The time of a forecast, in seconds from its start."""

    def __init__(self, start: datetime, stop: datetime, dates: Dates) -> None:
        self._start, self._stop, self._dates = start, stop, dates
        self._until = (stop - start).total_seconds()
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
        first = 86_400.0 - (start - midnight).total_seconds()
        whole = range(ceil((self._until - first) / 86_400))
        self._ends = [*(first + 86_400 * day for day in whole), self._until]
        """When each day in UTC ends."""
        self._after_dates = cache(self._from_first_date)

    def falling_due(self, ages: Mapping[Refreshes, Mapping[float, int]]) -> tuple[int, ...]:
        """Return how many cells fall due on each day."""
        found = [0] * len(self._ends)
        for refreshes, cells in ages.items():
            every = min((each.seconds for each in refreshes if isinstance(each, MaxAge)), default=None)
            first_date, later = self._after_dates(every, frozenset(e for e in refreshes if isinstance(e, Calendar)))
            number = sum(cells.values())
            found = [count + number * times for count, times in zip(found, later, strict=True)]
            for age, count in cells.items():
                first = 0.0 if age == inf else inf if every is None else every - age
                self._add(found, first, every, first_date, count)
        return tuple(found)

    def _from_first_date(self, every: int | None, calendars: frozenset[Calendar]) -> tuple[float, Sequence[int]]:
        """Return the first date of the calendars, and how often a cell falls due on each day from then on.

        From there it no longer matters how old the cell was. Without a date: the end of the window, and never.
        """
        start, found = self._start.timestamp(), [0] * len(self._ends)
        moments = {date - start for each in calendars for date in self._dates(each, self._start, self._stop)}
        dates = [*sorted(moments), self._until]
        for date, following in pairwise(dates):
            self._add(found, date, every, following, 1)
        return dates[0], found

    def _add(self, days: list[int], first: float, every: int | None, until: float, cells: int) -> None:
        """Add cells that fall due at `first`, and again after each `every`, up to before `until`."""
        if first >= until:
            return
        day = bisect_right(self._ends, first)
        if every is None:
            days[day] += cells
            return
        before = 0
        for place in range(day, len(days)):
            end = min(until, self._ends[place])
            times = ceil((end - first) / every)
            days[place] += (times - before) * cells
            before = times
            if end == until:
                break
