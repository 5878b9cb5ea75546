"""Cells that are done and that no call in the ledger bought: a table that moved without us."""

from reconciler.model.compact import RowIndex
from reconciler.model.history import TableHistory
from reconciler.model.observed import TableSnapshot
from reconciler.model.row_set import RowSet
from reconciler.planning.cell_decision import DONE_STATES
from reconciler.planning.ledger_view import LedgerView


def unbought_cells(snapshot: TableSnapshot, history: TableHistory) -> int:
    """Return how many there are; those that the service fills by itself, and those in doubt, are not among them."""
    ledger = LedgerView(history, snapshot, RowIndex(snapshot.row_ids), shows_within_seconds=0.0)
    return sum(
        len(
            (RowSet.of_flags(snapshot.states[column.id].translate(DONE_STATES)) & ledger.never_bought(column))
            - ledger.in_doubt(column)
        )
        for column in snapshot.columns
        if column.is_meant_by_silence
    )
