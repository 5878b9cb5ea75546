"""What a person sees while an apply waits: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import click

from reconciler.amounts import counted
from reconciler.cli.console import Console
from reconciler.observed import TableStatus

LINE_EVERY_SECONDS = 10.0


class Waiting:
    """Shows how many of the bought cells are through. Fed with every poll."""

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
            self._bar.enter_context(bar)
            self._advance = bar.update
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def poll(self, statuses: Mapping[str, TableStatus]) -> None:
        """Take the tables' latest status."""
        open_cells = sum(status.cells_in_progress for status in statuses.values())
        running = sum(not status.is_finished for status in statuses.values())
        through = self._cells if not running else max(self._through, self._cells - open_cells)
        if self._advance is not None:
            self._advance(through - self._through)
        elif running and time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            text = f"Waiting: {counted(open_cells, 'cell')} in progress in {counted(running, 'table')}."
            self._console.info(text, cells_in_progress=open_cells, tables_running=running)
        self._through = through
