"""Cells that fall due while a plan is applied, because its calls fill other tables; and how many at most.

A finder's cell fills at most `max_results` rows of its child table [V]. Without `max_results` the number is unknown,
and only as many cells as the child's manifest allows (`allow_growth`) can be bought.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from reconciler.model.limits import Prices
from reconciler.model.manifest import ChildOf, Manifest, Run
from reconciler.model.observed import Column, TableSnapshot
from reconciler.model.plan import Call, ExpectedGrowth
from reconciler.planning.scopes import columns_of
from reconciler.spending.limits_check import priced


def growth(
    manifests: Iterable[Manifest], calls: Sequence[Call], snapshots: Mapping[str, TableSnapshot], prices: Prices
) -> tuple[ExpectedGrowth, ...]:
    """Return the manifests whose tables the calls fill, directly or through another such table, by name.

    `snapshots` is keyed by table id and may lack the table of a manifest.
    """
    children = {
        manifest.name: (manifest, manifest.source) for manifest in manifests if isinstance(manifest.source, ChildOf)
    }
    growing: set[str] = set()
    while True:
        fresh = {
            name
            for name, (_, source) in children.items()
            if name not in growing and (source.manifest.text in growing or _filling(source, calls))
        }
        if not fresh:
            break
        growing |= fresh
    found = []
    for name in sorted(growing):
        manifest, source = children[name]
        # If the parent table itself is still filling, the number of its cells that will fill this one is unknown.
        is_counted = source.manifest.text not in growing
        rows = _most_rows(_filling(source, calls), snapshots) if is_counted else None
        found.append(_growth(manifest, source, rows, snapshots.get(manifest.table_id), prices))
    return tuple(found)


def _filling(source: ChildOf, calls: Iterable[Call]) -> dict[tuple[str, str], int]:
    """Return how many of its finder's cells the calls run, by table and column id."""
    found: dict[tuple[str, str], int] = {}
    for call in calls:
        if call.manifest != source.manifest.text:
            continue
        for column, key in zip(call.columns, call.column_keys, strict=True):
            if source.column.text in (column, key):
                cells = sum(len(block.rows) for block in call.covered if column in block.columns)
                found[call.table_id, column] = found.get((call.table_id, column), 0) + cells
    return found


def _growth(
    manifest: Manifest, source: ChildOf, rows: int | None, snapshot: TableSnapshot | None, prices: Prices
) -> ExpectedGrowth:
    allowed = manifest.growth
    most = None if rows is None or snapshot is None else _most_cells(manifest.runs, snapshot, rows)
    bounds = [
        *([] if allowed is None else [allowed.max_cells]),
        *([] if most is None else [sum(cells for _, cells in most)]),
    ]
    found = ExpectedGrowth(
        manifest=manifest.name,
        table_id=manifest.table_id,
        because=f"{source.manifest.text}/{source.column.text}",
        max_cells=min(bounds, default=None),
        max_credits=Decimal(0) if most == [] else None,
        location=manifest.table_place,
        labels=manifest.labels,
        max_rows=rows,
        is_allowed=allowed is not None,
        most=tuple(most or ()),
    )
    found = priced(found, lambda column: prices.of(column.kind, column.key, column.id))
    most_credits = [found.max_credits, None if allowed is None else allowed.max_credits]
    return replace(found, max_credits=min((each for each in most_credits if each is not None), default=None))


def _most_rows(filling: Mapping[tuple[str, str], int], snapshots: Mapping[str, TableSnapshot]) -> int | None:
    """Return the maximum number of rows that the finders' cells fill; None if a finder has no `max_results`."""
    total = 0
    for (table, finder), cells in filling.items():
        most = next((column.max_results for column in snapshots[table].columns if column.id == finder), None)
        if most is None:
            return None
        total += cells * most
    return total


def _most_cells(runs: Iterable[Run], snapshot: TableSnapshot, rows: int) -> list[tuple[Column, int]]:
    """Return the runs' columns, each with how many of its cells would be in scope in that many new rows."""
    found: dict[str, tuple[Column, int]] = {}
    for run in runs:
        for column in columns_of(run, snapshot):
            _, others = found.get(column.id, (column, 0))
            found[column.id] = column, min(rows, others + _in_scope(run, rows))
    return [(column, count) for column, count in found.values() if count]


def _in_scope(run: Run, rows: int) -> int:
    if run.rows is not None:
        return 0  # a run that names its rows never includes new ones
    limit = None if run.selection is None else run.selection.limit
    return rows if limit is None else min(rows, limit)
