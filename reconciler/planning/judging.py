"""Answers against what a run expects of them: how many of its done cells met each test, pooled over its columns."""

from collections.abc import Iterator, Mapping, Sequence

from reconciler.model.compact import RowIndex
from reconciler.model.expectation import MOST_ROWS, Expectation, Judgement, Unmet
from reconciler.model.manifest import ByTag, Manifest
from reconciler.model.observed import TableSnapshot
from reconciler.planning.cell_decision import DONE_STATES
from reconciler.planning.scopes import scopes


def judgements(
    expectation: Expectation, snapshot: TableSnapshot, cells: Mapping[str, Sequence[int]]
) -> tuple[Judgement, ...] | None:
    """Return the result of each test; `cells` holds rows by column id. None if the answers were not looked at."""
    found = []
    done = {
        column: [row for row in rows if DONE_STATES[snapshot.states[column][row]]] for column, rows in cells.items()
    }
    for test, allowed in expectation.tests():
        met: list[int] = []
        for column, rows in done.items():
            flags = snapshot.matches.get(test.key(column))
            if flags is None:
                return None
            met += [row for row in rows if flags[row]]
        rows_named = tuple(snapshot.row_ids[row] for row in list(dict.fromkeys(met))[:MOST_ROWS])
        found.append(Judgement(test, allowed, sum(map(len, done.values())), len(met), rows_named))
    return tuple(found)


def unmet(manifests: Sequence[Manifest], snapshot: TableSnapshot) -> Iterator[Unmet]:
    """Yield the runs with an `expect` that a table's answers breach. The manifests are all that name the table."""
    found, _ = scopes(manifests, snapshot, RowIndex(snapshot.row_ids))
    for scope in found:
        if scope.run.expect is None:
            continue
        rows = list(scope.rows)
        judged = judgements(scope.run.expect, snapshot, {column.id: rows for column in scope.columns}) or ()
        breached = tuple(each for each in judged if each.is_breached)
        if breached:
            name = snapshot.name if isinstance(scope.manifest.source, ByTag) else ""
            yield Unmet(scope.address, snapshot.id, breached, table_name=name)
