"""Progress while tables are read or waited for: a bar on a terminal, elsewhere a plain line now and then."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

import click

from reconciler.cli.console import Console
from reconciler.model.observed import TableStatus
from reconciler.model.reading import ReadProgress
from reconciler.text.numbers import counted, duration

LINE_EVERY_SECONDS = 10.0
BAR_AFTER_SECONDS = 1.0
"""A short read needs no bar."""
BAR_EVERY_SECONDS = 0.2
BAR_WIDTH = 24


class Waiting:
    """Shows how many of the bought cells have ended. Fed with every poll."""

    def __init__(self, console: Console, cells: int) -> None:
        self._console = console
        self._cells = cells
        self._bar = ExitStack()
        self._advance: Callable[[int], None] | None = None
        self._through = 0
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal and self._cells and not self._console.flags["quiet"]:
            bar = click.progressbar(length=self._cells, label="Waiting", file=sys.stderr)
            with suppress(OSError, ValueError):
                self._bar.enter_context(bar)
                self._advance = bar.update
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError, ValueError):
            self._bar.close()

    def poll(self, statuses: Mapping[str, TableStatus]) -> None:
        """Take the tables' latest status."""
        open_cells = sum(status.cells_in_progress for status in statuses.values())
        running = sum(not status.is_finished for status in statuses.values())
        through = self._cells if not running else max(self._through, self._cells - open_cells)
        if self._advance is not None:
            with suppress(OSError, ValueError):  # a closed terminal must not end the waiting
                self._advance(through - self._through)
        elif running and time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            text = f"Waiting: {counted(open_cells, 'cell')} in progress in {counted(running, 'table')}."
            self._console.info(text, cells_in_progress=open_cells, tables_running=running)
        self._through = through


class Reading:
    """Shows the progress of a long read. Fed with every answer."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._has_bar = console.is_terminal and not console.flags["quiet"] and console.flags["log_format"] == "text"
        self._began: float | None = None
        self._next = 0.0
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw("")

    def take(self, progress: ReadProgress) -> None:
        """Take the progress of the read."""
        now = self._clock()
        if self._began is None:
            self._began = now
            self._next = now + (BAR_AFTER_SECONDS if self._has_bar else LINE_EVERY_SECONDS)
        if progress.tables_done == progress.tables:
            self._draw("")
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
            full = int(share * BAR_WIDTH)
            self._draw(f"Reading [{'#' * full}{'-' * (BAR_WIDTH - full)}] {said}")
        else:
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

    def _draw(self, line: str) -> None:
        """Replace the last line."""
        if self._width or line:
            self._console.say("\r" + line.ljust(self._width) + ("" if line else "\r"), newline=False)
        self._width = len(line)


def _share(progress: ReadProgress) -> float:
    """Return how much of the work is done, 0 to 1: by rows, counting tables of unknown size as average."""
    if not progress.rows_known:
        return progress.tables_done / progress.tables
    expected = progress.rows_known * progress.tables / progress.tables_known
    return min(1.0, progress.rows / expected)
