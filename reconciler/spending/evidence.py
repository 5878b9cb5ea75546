"""Cell marks from before a call, and whether the table has moved since: the only proof that a call landed."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from reconciler.model.compact import CellMarks, picked
from reconciler.model.history import Block
from reconciler.model.observed import CellState, TableSnapshot

_NEVER_RUN_STATES = bytes([CellState.EMPTY, CellState.PENDING_IDLE])
_NEVER_RUN = tuple(map(str, _NEVER_RUN_STATES))


def cell_marks(snapshot: TableSnapshot, column: str, rows: Sequence[int]) -> CellMarks:
    """Return one mark per row of `column`: `state`, or `state:digest:answer` if the value's digests were read.

    If no cell ever ran the states say it all: there is no value that could become another.
    """
    shown = bytes(map(snapshot.states[column].__getitem__, rows))
    if not shown.strip(_NEVER_RUN_STATES):
        return CellMarks(shown)
    digests, answers = snapshot.digests.get(column), snapshot.answers.get(column)
    return CellMarks(
        shown,
        None if digests is None else picked(digests, rows),
        None if digests is None or answers is None else picked(answers, rows),
    )


def parsed_mark(mark: str) -> tuple[str, str, str]:
    """Return a mark's state, digest and digest of the answer; the last two are empty if it has none."""
    state, _, rest = mark.partition(":")
    digest, _, answer = rest.partition(":")
    return state, digest, answer


class Traced(Protocol):
    """A call from the plan or the ledger, with the marks of its cells from before it."""

    @property
    def covered(self) -> tuple[Block, ...]:
        """Its cells."""

    @property
    def before(self) -> Mapping[str, Sequence[str]]:
        """Column id → a mark for each row of its block."""


def sign_of_landing(call: Traced, snapshot: TableSnapshot, row_index: Mapping[str, int]) -> str:
    """Return how the table shows that `call` landed, in words for the ledger; empty if there is no sign of it.

    A cell of the call that is in progress, or whose status or value differs from the one the intent recorded, is a
    sign. Cells whose row or column has been deleted prove nothing. Neither does an empty cell that is now pending in a
    running table: the API shows a cell that never ran like that, too, while another call makes its table run [A]. Taken
    as a sign, it would count cells as bought that never were. On an idle table such a cell was touched, and is stuck.
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
    call: Traced, block: Block, column: str, snapshot: TableSnapshot, row_index: Mapping[str, int]
) -> str:
    states = snapshot.states[column]
    digests = snapshot.digests.get(column)
    for row, before in zip(block.rows, call.before.get(column, ()), strict=False):
        index = row_index.get(row)
        if index is None:
            continue
        state, value, _ = parsed_mark(before)
        now = states[index]
        if now == CellState.PENDING and state in _NEVER_RUN:
            continue
        if now == CellState.IN_PROGRESS:
            return f"cell {column}/{row} is in progress"
        if str(now) != state:
            return f"cell {column}/{row} was {_word(int(state))}, is {_word(now)}"
        if value and digests is not None and digests[index] != value:
            return f"cell {column}/{row} holds another value"
    return ""


def _word(state: int) -> str:
    return CellState(state).name.lower().partition("_idle")[0].replace("_", " ")
