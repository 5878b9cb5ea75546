"""Which answers predate the present prompt or the present inputs, and are not due.

With the present prompt: bought with another configuration of the column. With the present inputs: bought with the
present configuration, and made from other inputs than the row has now, as far as the ledger knows from which.
"""

from collections.abc import Iterable, Iterator, Mapping

from reconciler.model.credits import Credits
from reconciler.model.input_cells import UNKNOWN, WIDTH
from reconciler.model.limits import Prices
from reconciler.model.manifest import ByTag
from reconciler.model.observed import Column, TableSnapshot
from reconciler.model.row_set import RowSet
from reconciler.model.stale_cells import Outdated, StaleCells
from reconciler.planning.cell_decision import DONE_STATES
from reconciler.planning.ledger_view import OTHER_CONFIG, PRESENT_CONFIG, LedgerView
from reconciler.planning.scopes import Scope


def predating(snapshot: TableSnapshot, ledger: LedgerView, column: Column) -> dict[Outdated, RowSet]:
    """Return the rows whose cell is done and was last bought otherwise than it would be now; each row once."""
    done = RowSet.of_flags(snapshot.states[column.id].translate(DONE_STATES))
    return {
        Outdated.PROMPT: done & ledger.in_configuration(column, OTHER_CONFIG),
        Outdated.INPUTS: done & ledger.in_configuration(column, PRESENT_CONFIG) & _moved(snapshot, ledger, column),
    }


def _moved(snapshot: TableSnapshot, ledger: LedgerView, column: Column) -> RowSet:
    """Return the rows of which both digests are known, and differ."""
    now = snapshot.inputs.get(column.id)
    if not now:
        return RowSet.none(ledger.rows)
    then = ledger.inputs(column)
    if then == now:
        return RowSet.none(ledger.rows)
    each = ((then[at : at + WIDTH], now[at : at + WIDTH]) for at in range(0, len(now), WIDTH))
    return RowSet.of_flags(bytes(one != other and UNKNOWN not in (one, other) for one, other in each))


def stale_cells(
    found: Iterable[Scope], snapshot: TableSnapshot, ledger: LedgerView, due: Mapping[str, RowSet], prices: Prices
) -> Iterator[StaleCells]:
    """Yield the runs with such cells; one in the scope of several runs counts in the first. `due` goes by column id."""
    counted: dict[str, RowSet] = dict(due)
    for scope in found:
        counts: dict[Outdated, dict[Column, int]] = {outdated: {} for outdated in Outdated}
        for column in scope.columns:
            for outdated, rows in predating(snapshot, ledger, column).items():
                own = (rows & scope.rows) - counted[column.id]
                counted[column.id] |= own
                if own:
                    counts[outdated][column] = len(own)
        for outdated, columns in counts.items():
            if columns:
                yield StaleCells(
                    scope.address,
                    snapshot.id,
                    {column.key: count for column, count in columns.items()},
                    Credits.at((prices.of(c.kind, c.key, c.id), count) for c, count in columns.items()),
                    snapshot.name if isinstance(scope.manifest.source, ByTag) else "",
                    outdated,
                )
