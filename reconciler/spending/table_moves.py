"""Counts of tables × calls → the cells that were run outside the ledger, between one moment and the next.

Two signs tell of them, and neither sees all: more cells are done that the ledger never bought, or more cells have
become done, or have run at all, than its calls explain. The larger number counts, so it is never too high; a person
who runs cells again that are done already leaves no sign.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from math import inf

from reconciler.model.balance import BalanceRecord, Move, TableCounts
from reconciler.model.ledger_entries import CallRecord


def moves(moments: Sequence[BalanceRecord], calls: Iterable[CallRecord]) -> Mapping[str, tuple[Move, ...]]:
    """Return the moves of each table that has any; `moments` in time's order, `calls` that may have been paid for.

    A moment that no apply found is that of now: it is taken to be after every call.
    """
    counted: dict[str, list[tuple[BalanceRecord, TableCounts]]] = {}
    for moment in moments:
        for table in moment.tables:
            counted.setdefault(table.table_id, []).append((moment, table))
    begun = {table: [0] * len(counts) for table, counts in counted.items()}
    starts = {table: [_start(moment) for moment, _ in counts] for table, counts in counted.items()}
    for call in calls:
        place = bisect_right(starts.get(call.table_id, ()), call.begun_at) - 1
        if place >= 0 and not call.is_adopted:
            begun[call.table_id][place] += call.cells
    return {
        table: found
        for table, counts in counted.items()
        if (
            found := tuple(
                Move(since.at, until.at, cells, lasts=not until.plan_id)
                for (since, before), (until, after), ours in zip(counts, counts[1:], begun[table], strict=False)
                if (cells := _outside(before, after, ours + before.awaited)) > 0
            )
        )
    }


def _start(moment: BalanceRecord) -> float:
    return moment.at if moment.plan_id else inf


def _outside(before: TableCounts, after: TableCounts, ours: int) -> int:
    unbought = after.unbought - before.unbought
    done = after.done - before.done
    ran = done + after.failed - before.failed
    return max(unbought, done - ours, ran - ours)
