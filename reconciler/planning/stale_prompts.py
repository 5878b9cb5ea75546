"""Which answers predate the present prompt: bought with another configuration of their column, and not due."""

from collections.abc import Iterable, Iterator, Mapping

from reconciler.model.credits import Credits
from reconciler.model.limits import Prices
from reconciler.model.manifest import ByTag
from reconciler.model.observed import Column, TableSnapshot
from reconciler.model.row_set import RowSet
from reconciler.model.stale_cells import StaleCells
from reconciler.planning.cell_decision import DONE_STATES
from reconciler.planning.ledger_view import OTHER_CONFIG, LedgerView
from reconciler.planning.scopes import Scope


def predating(snapshot: TableSnapshot, ledger: LedgerView, column: Column) -> RowSet:
    """Return the rows whose cell is done and was last bought with another configuration than the present one."""
    done = RowSet.of_flags(snapshot.states[column.id].translate(DONE_STATES))
    return done & ledger.in_configuration(column, OTHER_CONFIG)


def stale_cells(
    found: Iterable[Scope], snapshot: TableSnapshot, ledger: LedgerView, due: Mapping[str, RowSet], prices: Prices
) -> Iterator[StaleCells]:
    """Yield the runs with such cells; one in the scope of several runs counts in the first. `due` goes by column id."""
    counted: dict[str, RowSet] = dict(due)
    for scope in found:
        counts: dict[Column, int] = {}
        for column in scope.columns:
            rows = (predating(snapshot, ledger, column) & scope.rows) - counted[column.id]
            counted[column.id] |= rows
            if rows:
                counts[column] = len(rows)
        if counts:
            yield StaleCells(
                scope.address,
                snapshot.id,
                {column.key: count for column, count in counts.items()},
                Credits.at((prices.of(c.kind, c.key, c.id), count) for c, count in counts.items()),
                snapshot.name if isinstance(scope.manifest.source, ByTag) else "",
            )
