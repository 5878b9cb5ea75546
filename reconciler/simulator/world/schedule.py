"""The passing of time in one table: cells are queued, wait for the columns they read, start, and end done or failed.

Events depend on when runs were requested and on the seed, never on how often the table is read.
"""

import heapq
from array import array
from collections import deque
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from reconciler.simulator.world.chance import share
from reconciler.simulator.world.table import IN_FLIGHT, Column, State, Table

_SHIFT = 32
_SLOT = (1 << _SHIFT) - 1


def cell_number(column: Column, slot: int) -> int:
    """Return one number for a cell of a table."""
    return column.serial << _SHIFT | slot


def cell_of(table: Table, number: int) -> tuple[Column, int]:
    """Return the column and the slot of a cell's number."""
    return table.born[number >> _SHIFT], number & _SLOT


class Pace(Struct, frozen=True, forbid_unknown_fields=True):
    """How long things take, in simulated seconds."""

    delay: Annotated[float, Meta(ge=0)] = 1.0
    """From the run call to its first cell."""
    fastest: Annotated[float, Meta(ge=0)] = 2.0
    """The quickest cell."""
    slowest: Annotated[float, Meta(ge=0)] = 10.0
    """The slowest cell."""
    parallel: Annotated[int, Meta(ge=1)] = 100
    """Cells of one table that run at the same time."""
    shows_after: Annotated[float, Meta(ge=0)] = 0.0
    """From an accepted run to the first sign of it: until then its table is idle and its cells are unchanged."""
    stalls_for: Annotated[float, Meta(ge=0)] = 1800.0
    """How long a cell that stalls hangs: half an hour [V]."""


class Schedule:
    """The coming events of one table's cells, with their times."""

    def __init__(
        self,
        table: Table,
        pace: Pace,
        seed: int,
        delivered: Callable[[Table, Column, int, float], None],
        *,
        stalled_run: bool = False,
    ) -> None:
        self._table = table
        self._pace = pace
        self._seed = seed
        self._delivered = delivered
        self._stalled_run = stalled_run
        """Whether a stalled cell shows as in progress rather than as pending."""
        self._runs: deque[tuple[array[int], list[int]]] = deque()
        """Cells of each run that has begun, with the index of the next one; runs take turns."""
        self._ready: deque[int] = deque()
        """Cells that waited for an upstream cell that has ended."""
        self._parked: dict[int, list[int]] = {}
        """Upstream cell → cells that wait for it."""
        self._events: list[tuple[float, int, int, array[int] | None]] = []
        """Time, number of the event, the cell that ends, or the cells of a run that begins."""
        self._late: list[tuple[float, int, str, array[int]]] = []
        """Runs that do not show yet: time, number of the event, mode, cells."""
        self._stalling: dict[int, float] = {}
        """Queued cells that will stall, and for how long."""
        self._hanging: dict[int, float] = {}
        """Cells that hang as pending, and when they are released."""
        self._loose: list[tuple[float, int]] = []
        """The same by time; entries that disagree with `_hanging` are out of date."""
        self._made = 0
        self._at_work = 0

    def begin(self, cells: "array[int]", now: float, delay: float | None = None) -> None:
        """Queue cells that are already in state QUEUED, upstream columns before those that read them."""
        self._push(now + (self._pace.delay if delay is None else delay), -1, cells)

    def show_later(self, cells: "array[int]", mode: str, at: float) -> None:
        """Make a run show only at a later moment, when its cells are queued."""
        self._made += 1
        heapq.heappush(self._late, (at, self._made, mode, cells))

    def stall(self, number: int, seconds: float) -> None:
        """Make a queued cell hang for a time once its turn comes."""
        self._stalling[number] = seconds

    def hang(self, number: int, until: float) -> None:
        """Make a cell hang: `pending`, with nothing waiting for it, until it is released by itself."""
        column, slot = cell_of(self._table, number)
        column.move(slot, State.STUCK)
        self._hanging[number] = until
        heapq.heappush(self._loose, (until, number))

    def settle(self, now: float) -> None:
        """Process every event that is due by `now`."""
        while (at := self._next(with_hanging=True)) is not None and at <= now:
            self._happen(at)
            self._start(at)

    def next_event(self) -> float | None:
        """Return the time of the next event, or None; cells that hang as pending do not count."""
        return self._next(with_hanging=False)

    @property
    def is_still(self) -> bool:
        """Return whether no events are left."""
        return self._next(with_hanging=True) is None

    def _next(self, *, with_hanging: bool) -> float | None:
        times = [queue[0][0] for queue in (self._events, self._late) if queue]
        while self._loose and self._hanging.get(self._loose[0][1]) != self._loose[0][0]:
            heapq.heappop(self._loose)
        if with_hanging and self._loose:
            times.append(self._loose[0][0])
        return min(times, default=None)

    def _happen(self, at: float) -> None:
        """Process one event."""
        if self._late and self._late[0][0] <= at:
            _, _, mode, cells = heapq.heappop(self._late)
            self._show(cells, mode, at)
        elif self._events and self._events[0][0] <= at:
            _, _, number, run = heapq.heappop(self._events)
            if run is not None:
                self._runs.append((run, [0]))
            else:
                self._end(number, at)
        else:
            _, number = heapq.heappop(self._loose)
            del self._hanging[number]
            column, slot = cell_of(self._table, number)
            # It may have been bought again or deleted while it hung.
            if column.states[slot] == State.STUCK and self._is_there(column, slot):
                column.move(slot, State.RUNNING)
                self._work(number, at)

    def _show(self, cells: "array[int]", mode: str, at: float) -> None:
        """Queue the cells of a run that was accepted earlier, except those that another run has taken."""
        queued = array("Q")
        for number in cells:
            column, slot = cell_of(self._table, number)
            state = column.states[slot]
            has_value = state == State.DONE and column.values.get(slot, 0) is not None
            if state in IN_FLIGHT or not self._is_there(column, slot) or (mode != "all" and has_value):
                continue
            column.forget(slot)
            column.move(slot, State.QUEUED)
            queued.append(number)
        self.begin(queued, at)

    def _push(self, at: float, number: int, cells: "array[int] | None") -> None:
        self._made += 1
        heapq.heappush(self._events, (at, self._made, number, cells))

    def _take(self) -> int | None:
        if self._ready:
            return self._ready.popleft()
        while self._runs:
            cells, cursor = self._runs[0]
            if cursor[0] < len(cells):
                cursor[0] += 1
                self._runs.rotate(-1)
                return cells[cursor[0] - 1]
            self._runs.popleft()
        return None

    def _start(self, at: float) -> None:
        while self._at_work < self._pace.parallel:
            number = self._take()
            if number is None:
                return
            column, slot = cell_of(self._table, number)
            if column.states[slot] != State.QUEUED or not self._is_there(column, slot):
                self._release(number)
            elif self._may_start(number):
                seconds = self._stalling.pop(number, None)
                if seconds is None and self.unlucky(column, slot):
                    seconds = self._pace.stalls_for
                if seconds is not None and not self._stalled_run:
                    self.hang(number, at + seconds)
                    self._release(number)
                    continue
                column.move(slot, State.RUNNING)
                self._work(number, at + (seconds or 0.0))

    def unlucky(self, column: Column, slot: int) -> bool:
        """Return whether a cell stalls this time; drawn again each time the cell is paid for."""
        stalls, row_id = column.outcome.stalls, self._table.row_ids[slot]
        return stalls > 0 and share(self._seed, "stalls", column.id, row_id, column.paid[slot]) < stalls

    def _work(self, number: int, at: float) -> None:
        """Schedule the end of a cell in progress."""
        column, slot = cell_of(self._table, number)
        self._hanging.pop(number, None)
        self._at_work += 1
        luck = share(self._seed, "lasts", column.id, self._table.row_ids[slot], column.tries[slot])
        lasts = self._pace.fastest + (self._pace.slowest - self._pace.fastest) * luck
        self._push(at + lasts, number, None)

    def _may_start(self, number: int) -> bool:
        """Return whether everything that the cell reads is done; otherwise make it wait, or give it up."""
        column, slot = cell_of(self._table, number)
        for upstream in column.upstream:
            state = upstream.states[slot]
            if state == State.DONE:
                continue
            if state in IN_FLIGHT:
                self._parked.setdefault(cell_number(upstream, slot), []).append(number)
                return False
            column.move(slot, State.STUCK)
            self._release(number)
            return False
        return True

    def _end(self, number: int, at: float) -> None:
        self._at_work -= 1
        column, slot = cell_of(self._table, number)
        if column.states[slot] == State.RUNNING and self._is_there(column, slot):
            row_id, attempt = self._table.row_ids[slot], column.tries[slot] + 1
            unlucky = share(self._seed, "ends", column.id, row_id, attempt) < column.outcome.fails
            failed = unlucky or attempt <= column.outcome.fail_first
            column.finish(slot, State.FAILED if failed else State.DONE)
            if not failed:
                self._delivered(self._table, column, slot, at)
        self._release(number)

    def _release(self, number: int) -> None:
        """Check the cells that waited for this one again."""
        self._ready.extend(self._parked.pop(number, ()))

    def _is_there(self, column: Column, slot: int) -> bool:
        return column in self._table.columns and self._table.is_live(slot)
