"""A table counted for `ledger reconcile`, which finds from it the cells that were run outside the ledger."""

from collections.abc import Mapping

from reconciler.model.balance import TableCounts
from reconciler.model.compact import RowIndex
from reconciler.model.history import TableHistory
from reconciler.model.observed import CellState, TableSnapshot
from reconciler.model.row_set import RowSet
from reconciler.planning.cell_decision import DONE_STATES
from reconciler.planning.ledger_view import LedgerView


def count_tables(
    snapshots: Mapping[str, TableSnapshot], histories: Mapping[str, TableHistory]
) -> tuple[TableCounts, ...]:
    """Count the tables that were read whole, by id."""
    whole = [snapshot for _, snapshot in sorted(snapshots.items()) if not snapshot.unread_rows]
    return tuple(count_table(snapshot, histories[snapshot.id]) for snapshot in whole)


def count_table(snapshot: TableSnapshot, history: TableHistory) -> TableCounts:
    """Count the cells of a table; those that the service fills by itself are not among them."""
    ledger = LedgerView(history, snapshot, RowIndex(snapshot.row_ids), shows_within_seconds=0.0)
    done = failed = unbought = awaited = 0
    for column in snapshot.columns:
        if not column.is_meant_by_silence:
            continue
        states = snapshot.states[column.id]
        are_done, open_rows = RowSet.of_flags(states.translate(DONE_STATES)), ledger.in_doubt(column)
        done += len(are_done)
        failed += states.count(CellState.FAILED)
        unbought += len(are_done - ledger.bought(column) - open_rows)
        awaited += len((ledger.unsettled(column) | open_rows) - are_done)
    return TableCounts(snapshot.id, done, failed, unbought, awaited)
