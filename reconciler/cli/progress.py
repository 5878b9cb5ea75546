"""Progress while tables are read or waited for: a bar on a terminal, elsewhere a plain line now and then."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from reconciler.cli.console import Console
from reconciler.model.observed import TableStatus
from reconciler.model.reading import ReadProgress
from reconciler.text.numbers import counted, duration

LINE_EVERY_SECONDS = 10.0
BAR_AFTER_SECONDS = 1.0
"""A short read needs no bar."""
BAR_EVERY_SECONDS = 0.2
BAR_WIDTH = 24


class _Drawn:
    """A bar that is gone at the end, however that comes."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._has_bar = console.has_bar

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._console.draw("")

    def _draw(self, name: str, share: float, said: str) -> None:
        full = int(share * BAR_WIDTH)
        self._console.draw(f"{name} [{'#' * full}{'-' * (BAR_WIDTH - full)}] {said}")


class Waiting(_Drawn):
    """Shows how many of the bought cells have ended. Fed with every poll."""

    def __init__(self, console: Console, cells: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console, clock)
        self._cells = cells
        self._through = 0
        self._began = self._last_line = clock()

    def poll(self, statuses: Mapping[str, TableStatus]) -> None:
        """Take the tables' latest status."""
        now = self._clock()
        open_cells = sum(status.cells_in_progress for status in statuses.values())
        running = sum(not status.is_finished for status in statuses.values())
        self._through = self._cells if not running else max(self._through, self._cells - open_cells)
        if self._has_bar:
            of = f"{self._through:,} of {counted(self._cells, 'cell')}" if self._cells else "for accepted calls to show"
            tables = f", {counted(running, 'table')} running" if running else ""
            share = self._through / self._cells if self._cells else 0.0
            self._draw("Waiting", share, f"{of}{tables}, {duration(now - self._began)}")
        elif running and now - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = now
            text = f"Waiting: {counted(open_cells, 'cell')} in progress in {counted(running, 'table')}."
            self._console.info(text, cells_in_progress=open_cells, tables_running=running)


class Reading(_Drawn):
    """Shows the progress of a long read. Fed with every answer."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console, clock)
        self._began: float | None = None
        self._next = 0.0

    def take(self, progress: ReadProgress) -> None:
        """Take the progress of the read."""
        now = self._clock()
        if self._began is None:
            self._began = now
            self._next = now + (BAR_AFTER_SECONDS if self._has_bar else LINE_EVERY_SECONDS)
        if progress.tables_done == progress.tables:
            self._console.draw("")
            self._began = None
        elif now >= self._next:
            self._next = now + (BAR_EVERY_SECONDS if self._has_bar else LINE_EVERY_SECONDS)
            self._tell(progress, now - self._began)

    def _tell(self, progress: ReadProgress, seconds: float) -> None:
        share = _share(progress)
        rate = progress.requests / seconds
        left = seconds / share - seconds if share else None
        said = f"{progress.tables_done:,} of {counted(progress.tables, 'table')}, {counted(progress.rows, 'row')}, "
        said += f"{rate:,.0f} requests/s" + ("" if left is None else f", about {duration(left)} left")
        if self._has_bar:
            self._draw("Reading", share, said)
            return
        self._console.info(
            f"Reading: {said}.",
            event="reading",
            tables_done=progress.tables_done,
            tables=progress.tables,
            rows=progress.rows,
            requests=progress.requests,
            requests_per_second=round(rate, 1),
            seconds_left=None if left is None else round(left, 1),
        )


def _share(progress: ReadProgress) -> float:
    """Return how much of the work is done, 0 to 1: by rows, counting tables of unknown size as average."""
    if not progress.rows_known:
        return progress.tables_done / progress.tables
    expected = progress.rows_known * progress.tables / progress.tables_known
    return min(1.0, progress.rows / expected)
