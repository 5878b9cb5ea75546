"""Wait until tables that were run are idle, then say what became of each accepted call's cells."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.history import CallState
from reconciler.observed import SHOWS_WITHIN_SECONDS, CellState, TableSnapshot, TableStatus
from reconciler.outcome import CallResult, Settlement
from reconciler.packed import RowIndex

FIRST_POLL_SECONDS = 0.2
LONGEST_POLL_SECONDS = 10.0
MOST_POLLS_PER_SECOND = 50.0
"""Tables asked for in a second, on average: the API has no way to ask for many at once."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and by which clock."""

    clock: Callable[[], float]
    """Monotonic seconds."""
    sleep: Callable[[float], None]
    timeout_seconds: float | None
    """None: as long as it takes."""
    stopped: Callable[[], bool]
    """True once a person wants no more waiting."""


def wait_until_idle(
    tables: Collection[str],
    statuses: Callable[[Collection[str]], Mapping[str, TableStatus]],
    patience: Patience,
    on_poll: Callable[[Mapping[str, TableStatus]], None],
) -> tuple[str, ...]:
    """Poll until every table is finished, and return the ids of those that were not when the time ran out.

    `statuses` is asked for all tables that are still waited for at once. It leaves out those that cannot be read: such
    a table counts as not finished and is not asked again.
    """
    began = patience.clock()
    pending = set(tables)
    unreadable: set[str] = set()
    seen_running: set[str] = set()
    latest: dict[str, TableStatus] = {}
    interval = FIRST_POLL_SECONDS
    while pending and not patience.stopped():
        answers = statuses(sorted(pending))
        unreadable |= pending - answers.keys()
        pending -= unreadable
        latest.update(answers)
        seen_running |= {table for table in pending if not latest[table].is_finished}
        elapsed = patience.clock() - began
        # A table that was never seen running may not have started yet.
        pending = {
            table
            for table in pending
            if not latest[table].is_finished or (table not in seen_running and elapsed < SHOWS_WITHIN_SECONDS)
        }
        on_poll(latest)
        if not pending:
            break
        left = None if patience.timeout_seconds is None else patience.timeout_seconds - elapsed
        if left is not None and left <= 0:
            break
        pause = max(interval, len(pending) / MOST_POLLS_PER_SECOND)
        patience.sleep(pause if left is None else min(pause, left))
        interval = min(interval * 1.5, LONGEST_POLL_SECONDS)
    return tuple(sorted(pending | unreadable))


def settle(results: Sequence[CallResult], snapshots: Mapping[str, TableSnapshot]) -> tuple[CallResult, ...]:
    """Count the cells of each accepted call in its table as it is now; a table that was not read changes nothing."""
    return tuple(_settle(result, snapshots.get(result.call.table_id)) for result in results)


def _settle(result: CallResult, snapshot: TableSnapshot | None) -> CallResult:
    if snapshot is None or result.ending is None or result.ending.state is not CallState.ACCEPTED:
        return result
    index = RowIndex(snapshot.row_ids)
    counts = dict.fromkeys(CellState, 0)
    total = 0
    for block in result.call.covered:
        rows = [index[row] for row in block.rows if row in index]
        total += block.cells
        for column in block.columns:
            states = snapshot.states.get(column, b"")
            for row in rows if states else ():
                counts[CellState(states[row])] += 1
    done = counts[CellState.DONE] + counts[CellState.DONE_WITHOUT_VALUE]
    failed = counts[CellState.FAILED]
    return replace(result, settlement=Settlement(done, failed, total - done - failed))
