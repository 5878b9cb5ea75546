"""What running cells again changed: their answers before the call, by its marks, against those after it."""

from collections.abc import Mapping

from reconciler.model.attempt import Yield
from reconciler.model.history import PastCall
from reconciler.model.manifest import Mode
from reconciler.model.observed import CellState, TableSnapshot
from reconciler.model.plan import Call
from reconciler.spending.evidence import parsed_mark

_DONE = (CellState.DONE, CellState.DONE_WITHOUT_VALUE)
_DONE_BEFORE = frozenset(str(int(state)) for state in _DONE)


def yields_of(call: Call | PastCall, snapshot: TableSnapshot, index: Mapping[str, int]) -> dict[str, Yield]:
    """Return by column id what became of the answers that a call of mode `all` gave again; of others there are none.

    A cell counts if it was done before and is done now: a first answer is not a change. Columns of which it is unknown
    what they showed are left out.
    """
    if call.mode is not Mode.ALL:
        return {}
    found: dict[str, Yield] = {}
    for block in call.covered:
        for column in block.columns:
            states, answers = snapshot.states.get(column), snapshot.answers.get(column)
            if states is None or answers is None:
                continue
            total = changed = 0
            for row, mark in zip(block.rows, call.before.get(column, ()), strict=False):
                state, _, before = parsed_mark(mark)
                at = index.get(row)
                if at is not None and before and state in _DONE_BEFORE and states[at] in _DONE:
                    total += 1
                    changed += answers[at] != before
            if total:
                found[column] = Yield(total, changed)
    return found
