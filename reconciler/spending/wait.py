"""Wait until accepted calls have shown in their tables and the tables are idle; then count the calls' cells.

An idle table proves nothing about a recently accepted call, because a run may show late. Neither does a running table,
because another call may run first. So a call is *awaited* until one of its own cells has moved, or until the quiet
period has passed since its acceptance.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from reconciler.model.attempt import CallResult, Settlement
from reconciler.model.compact import RowIndex
from reconciler.model.history import Block, CallState, PastCall, TableHistory
from reconciler.model.manifest import Mode
from reconciler.model.observed import CellState, TableSnapshot, TableStatus
from reconciler.model.plan import Call
from reconciler.spending import evidence
from reconciler.spending.made_from import inputs_of
from reconciler.spending.yields import yields_of

FIRST_POLL_SECONDS = 0.2
LONGEST_POLL_SECONDS = 10.0
MOST_POLLS_PER_SECOND = 50.0
"""Tables polled per second, on average: the API cannot return several at once."""

FIRST_LOOK_SECONDS = 1.0
"""Between two reads of a table's cells while its header shows nothing new; doubled each time."""


@dataclass(frozen=True, slots=True)
class WaitTiming:
    """How long to wait, and the clock to use."""

    clock: Callable[[], float]
    """Monotonic seconds."""
    sleep: Callable[[float], None]
    timeout_seconds: float | None
    """None to wait as long as it takes."""
    stopped: Callable[[], bool]
    """Returns True once a person has asked to stop waiting."""


class Tables(Protocol):
    """Live tables, as far as waiting needs them. Both methods leave out tables that cannot be read."""

    def statuses(self, tables: Collection[str]) -> Mapping[str, TableStatus]:
        """Return the headers of `tables`."""

    def snapshots(self, calls: Mapping[str, Sequence[Call]]) -> Mapping[str, TableSnapshot]:
        """Return the tables of `calls` with those calls' rows, and the digests that show whether they moved."""


@dataclass(frozen=True, slots=True)
class Waited:
    """The result of waiting."""

    snapshots: Mapping[str, TableSnapshot]
    """Tables whose accepted calls have all shown or rested, as read when they were idle."""
    running: tuple[str, ...] = ()
    """Ids of tables that were not seen idle, or could not be read."""
    awaited: tuple[str, ...] = ()
    """Ids of accepted calls that an idle table did not show yet."""


@dataclass(slots=True)
class _Table:
    """A table to wait for."""

    unseen: list[Call]
    """Its accepted calls that have not shown yet."""
    calls: Sequence[Call]
    rests_in: float
    """Seconds from the beginning until all its calls have rested."""
    status: TableStatus | None = None
    """As of the last read of its cells."""
    interval: float = FIRST_LOOK_SECONDS
    look_at: float = 0.0
    found: TableSnapshot | None = None
    is_done: bool = False
    latest: TableStatus | None = field(default=None)

    def wants_look(self, now: float, has_rested: bool) -> bool:
        """Return True if reading its cells now could show more than the last time."""
        assert self.latest is not None
        if not self.unseen or has_rested:
            return bool(self.calls) and self.latest.is_finished
        if self.latest.is_finished:
            return self.latest != self.status or now >= self.look_at
        # Cells that were empty before a run end as done or failed and stay so; others may show it only while it runs.
        return now >= self.look_at and any(call.mode is not Mode.NEW for call in self.unseen)

    def look(self, snapshot: TableSnapshot, now: float, has_rested: bool) -> None:
        """Take in a read of its cells; the table is done once it is idle and all its calls have shown or rested."""
        index = RowIndex(snapshot.row_ids)
        self.unseen = [call for call in self.unseen if not evidence.sign_of_landing(call, snapshot, index)]
        self.status, self.look_at, self.interval = self.latest, now + self.interval, 2 * self.interval
        if snapshot.is_finished and (has_rested or not self.unseen):
            self.found, self.is_done = snapshot, True


def wait_until_settled(
    calls: Iterable[Call],
    others: Collection[str],
    tables: Tables,
    timing: WaitTiming,
    rests_in: Callable[[Call], float],
    on_poll: Callable[[Mapping[str, TableStatus]], None],
) -> Waited:
    """Wait until the accepted `calls` have shown and their tables are idle, and until the tables `others` are idle.

    The calls must already be accepted; `rests_in` returns how many seconds from here the quiet period of one ends. A
    table that cannot be read counts as running and is not polled again.
    """
    by_table: dict[str, list[Call]] = {table: [] for table in others}
    for call in calls:
        by_table.setdefault(call.table_id, []).append(call)
    waiting = {
        table: _Table(list(of_table), of_table, max(map(rests_in, of_table), default=0.0))
        for table, of_table in by_table.items()
    }
    unreadable: set[str] = set()
    latest: dict[str, TableStatus] = {}
    began = timing.clock()
    interval = FIRST_POLL_SECONDS
    while (pending := waiting.keys() - unreadable - {id_ for id_ in waiting if waiting[id_].is_done}) and (
        not timing.stopped()
    ):
        answers = tables.statuses(sorted(pending))
        unreadable |= pending - answers.keys()
        latest.update(answers)
        elapsed = timing.clock() - began
        has_rested = {id_ for id_, table in waiting.items() if elapsed >= table.rests_in}
        for id_, status in answers.items():
            waiting[id_].latest = status
            waiting[id_].is_done = status.is_finished and not waiting[id_].calls
        looked = {id_ for id_ in answers if waiting[id_].wants_look(timing.clock(), id_ in has_rested)}
        if looked:
            snapshots = tables.snapshots({id_: waiting[id_].calls for id_ in sorted(looked)})
            unreadable |= looked - snapshots.keys()
            for id_, snapshot in snapshots.items():
                waiting[id_].look(snapshot, timing.clock(), id_ in has_rested)
        on_poll(latest)
        pending = {id_ for id_ in pending - unreadable if not waiting[id_].is_done}
        elapsed = timing.clock() - began
        left = None if timing.timeout_seconds is None else timing.timeout_seconds - elapsed
        if not pending or (left is not None and left <= 0):
            break
        pause = max(interval, len(pending) / MOST_POLLS_PER_SECOND)
        rests = [left_ for id_ in pending if (left_ := waiting[id_].rests_in - elapsed) > 0]
        pause = min([pause, *rests])
        timing.sleep(pause if left is None else min(pause, left))
        interval = min(interval * 1.5, LONGEST_POLL_SECONDS)
    unfinished = {id_: table for id_, table in waiting.items() if not table.is_done}
    idle = {id_ for id_, table in unfinished.items() if table.latest is not None and table.latest.is_finished}
    idle -= unreadable
    return Waited(
        snapshots={id_: table.found for id_, table in waiting.items() if table.found is not None},
        running=tuple(sorted(unfinished.keys() - idle)),
        awaited=tuple(sorted(call.id for id_ in idle for call in unfinished[id_].unseen)),
    )


def count_cells(results: Sequence[CallResult], snapshots: Mapping[str, TableSnapshot]) -> tuple[CallResult, ...]:
    """Count the cells of each accepted call in its current table; a result whose table was not read is unchanged."""
    return tuple(_settle(result, snapshots.get(result.call.table_id)) for result in results)


def shown_calls(
    history: TableHistory, snapshot: TableSnapshot, shows_within_seconds: float
) -> Iterator[tuple[PastCall, Settlement]]:
    """Yield the accepted calls whose cells can be counted although no apply waited for them, and their counts.

    Those are the calls of an idle table of which a cell has moved, or that began so long ago that none will.
    """
    if not snapshot.is_finished:
        return
    index = RowIndex(snapshot.row_ids)
    for call in history.accepted():
        if call.settled or (snapshot.unread_rows and not _was_read(call, index)):
            continue
        if call.age_seconds >= shows_within_seconds or evidence.sign_of_landing(call, snapshot, index):
            yield call, _settlement(call, snapshot, index)[0]


def _was_read(call: PastCall, index: RowIndex) -> bool:
    return all(-1 not in index.positions_of(block.rows) for block in call.covered)


def _settle(result: CallResult, snapshot: TableSnapshot | None) -> CallResult:
    if snapshot is None or result.ending is None or result.ending.state is not CallState.ACCEPTED:
        return result
    index = RowIndex(snapshot.row_ids)
    settlement, not_started = _settlement(result.call, snapshot, index)
    return replace(result, settlement=settlement, not_started=not_started)


def _settlement(
    call: Call | PastCall, snapshot: TableSnapshot, index: RowIndex
) -> tuple[Settlement, tuple[Block, ...]]:
    counts, not_started = _count(call.covered, snapshot, index)
    yields, inputs = yields_of(call, snapshot, index), inputs_of(call.covered, snapshot, index)
    return replace(counts, yields=yields, inputs=inputs), not_started


def _count(covered: Iterable[Block], snapshot: TableSnapshot, index: RowIndex) -> tuple[Settlement, tuple[Block, ...]]:
    """Count cells by what they show; return the blocks of those that are neither done nor failed, too."""
    done = failed = total = 0
    not_started: list[Block] = []
    for block in covered:
        total += block.cells
        for column in block.columns:
            states = snapshot.states.get(column, b"")
            shown = [states[index[row]] if states and row in index else CellState.EMPTY for row in block.rows]
            done += sum(state in (CellState.DONE, CellState.DONE_WITHOUT_VALUE) for state in shown)
            failed += shown.count(CellState.FAILED)
            ended = (CellState.DONE, CellState.DONE_WITHOUT_VALUE, CellState.FAILED)
            rows = tuple(row for row, state in zip(block.rows, shown, strict=True) if state not in ended)
            if rows:
                not_started.append(Block((column,), rows))
    return Settlement(done, failed, total - done - failed), tuple(not_started)
