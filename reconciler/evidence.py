"""What a cell showed before a call, and whether the table has moved since: the only proof that a call landed."""

from collections.abc import Mapping

from reconciler.history import Block, PastCall
from reconciler.observed import CellState, TableSnapshot


def marks(snapshot: TableSnapshot, column: str, rows: list[int]) -> tuple[str, ...]:
    """Return a mark a row of what `column` shows: `state`, or `state:digest` where the value's digest was read."""
    states = snapshot.states[column]
    digests = snapshot.digests.get(column)
    if digests is None:
        return tuple(str(states[row]) for row in rows)
    return tuple(f"{states[row]}:{digests[row]}" for row in rows)


def movement(call: PastCall, snapshot: TableSnapshot, row_index: Mapping[str, int]) -> str:
    """Say how the table shows that `call` landed, in words for the ledger; empty where nothing shows.

    Any cell of the call that is in progress, or holds another status or value than the intent recorded, is a sign.
    Cells whose row or column has gone since say nothing.
    """
    for block in call.covered:
        for column in block.columns:
            states = snapshot.states.get(column)
            if states is None:
                continue
            found = _column_movement(call, block, column, snapshot, row_index)
            if found:
                return found
    return ""


def _column_movement(
    call: PastCall, block: Block, column: str, snapshot: TableSnapshot, row_index: Mapping[str, int]
) -> str:
    states = snapshot.states[column]
    digests = snapshot.digests.get(column)
    for row, before in zip(block.rows, call.before.get(column, ()), strict=False):
        index = row_index.get(row)
        if index is None:
            continue
        state, _, value = before.partition(":")
        now = states[index]
        if now == CellState.IN_PROGRESS:
            return f"cell {column}/{row} is in progress"
        if str(now) != state:
            return f"cell {column}/{row} was {CellState(int(state)).name.lower()}, is {CellState(now).name.lower()}"
        if value and digests is not None and digests[index] != value:
            return f"cell {column}/{row} holds another value"
    return ""
