"""The answers that running cells again changed: those before the call, by its marks, against those after it."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from reconciler.model.attempt import CallResult, Yield
from reconciler.model.history import PastCall
from reconciler.model.manifest import Mode
from reconciler.model.observed import CellState, TableSnapshot
from reconciler.model.plan import Call
from reconciler.model.report import Yielded
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
                price = _price(call, column)
                found[column] = Yield(total, changed, None if price is None else price * total)
    return found


def _price(call: Call | PastCall, column: str) -> Decimal | None:
    """Return the credits for one cell of a column, as planned; the ledger knows them of a call as a whole."""
    if isinstance(call, Call) and column in call.prices:
        return call.prices[column]
    columns = {column for block in call.covered for column in block.columns}
    return call.credits / call.cells if call.credits is not None and len(columns) == 1 else None


def added_up(results: Iterable[CallResult]) -> tuple[Yielded, ...]:
    """Return what became of the answers, by run, table and column, in the order of the results."""
    found: dict[tuple[str, str, str], Yielded] = {}
    for result in results:
        call, settlement = result.call, result.settlement
        keys = dict(zip(call.columns, call.column_keys, strict=True))
        for column, one in (settlement.yields if settlement is not None else {}).items():
            at = (call.address, call.table_id, column)
            total = one if at not in found else found[at].total + one
            found[at] = Yielded(call.address, call.table_id, keys.get(column, column), total, call.table_name)
    return tuple(found.values())
