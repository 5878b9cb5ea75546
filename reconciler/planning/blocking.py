"""Cells blocked within their row: an upstream cell is neither done nor part of the plan."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from itertools import chain
from operator import or_
from typing import TypeAlias

from reconciler.model.observed import Column, TableSnapshot
from reconciler.model.plan import Skip, SkipReason, WaitsFor
from reconciler.model.row_set import RowSet
from reconciler.planning.cell_decision import DONE_STATES, Decision

Waits: TypeAlias = dict[str, tuple[WaitsFor, ...]]
"""Column id → the columns that its blocked cells wait for."""

IS_BLOCKED = bytes(verdict == Decision.BLOCKED for verdict in range(256))
"""Translation table from a verdict to 1 if it is BLOCKED."""


def unready(column: Column, snapshot: TableSnapshot, due: Mapping[str, RowSet]) -> dict[str, RowSet]:
    """Return upstream column id → the rows in which its cell is neither done nor among the `due` rows by column.

    Input columns are left out: a missing input has its own flag.
    """
    rows = len(snapshot.row_ids)
    found = {}
    for upstream in column.upstream:
        states = snapshot.states.get(upstream)
        if states is not None:
            ready = RowSet.of_flags(states.translate(DONE_STATES)) | due.get(upstream, RowSet.none(rows))
            found[upstream] = RowSet.every(rows) - ready
    return found


def blocked(column: Column, snapshot: TableSnapshot, due: Mapping[str, RowSet]) -> RowSet:
    """Return the rows in which a column's cell waits for another cell."""
    nothing = RowSet.none(len(snapshot.row_ids))
    return reduce(or_, unready(column, snapshot, due).values(), nothing) if column.upstream else nothing


def waits_for(
    column: Column,
    snapshot: TableSnapshot,
    due: Mapping[str, RowSet],
    verdicts: bytes,
    rows: RowSet,
    columns: Mapping[str, Column],
) -> tuple[WaitsFor, ...]:
    """Return the columns that the column's blocked cells in `rows` wait for; `columns` is keyed by id."""
    if Decision.BLOCKED not in verdicts:
        return ()
    held = RowSet.of_flags(verdicts.translate(IS_BLOCKED)) & rows
    return tuple(
        WaitsFor(columns[upstream].key, upstream in column.implied)
        for upstream, missing in unready(column, snapshot, due).items()
        if missing & held
    )


def explained(skips: Iterable[Skip], waits: Mapping[str, Waits]) -> list[Skip]:
    """Return the skips, adding to those of blocked cells the columns they wait for; `waits` is keyed by address.

    An upstream column that at least one of a run's columns does not name counts as implied.
    """
    found = []
    for skip in skips:
        implied: dict[str, bool] = {}
        if skip.reason is SkipReason.BLOCKED:
            for each in chain.from_iterable(waits[skip.address].values()):
                implied[each.column] = implied.get(each.column, False) or each.is_implied
        found.append(replace(skip, waits_for=tuple(WaitsFor(key, implied[key]) for key in sorted(implied))))
    return found
