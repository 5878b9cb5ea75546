"""The cells that runs with a `refresh` cover, grouped by age: what a forecast counts, whatever it is asked for.

A cell counts if its run would buy it once it is old enough, as things are now. A cell that is being bought, or may have
been, counts as bought at this moment.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from math import inf

from reconciler.model.forecast import Refreshes, ScheduledCells
from reconciler.model.limits import Prices
from reconciler.model.manifest import MaxAge, Mode, Refresh
from reconciler.model.observed import CellState, Column, TableSnapshot
from reconciler.model.rollout_result import RolloutResult
from reconciler.model.row_set import RowSet, with_flags
from reconciler.planning import blocking
from reconciler.planning.cell_decision import (
    AGELESS_VERDICTS,
    BLOCKED,
    IS_DUE,
    MISSING_INPUTS,
    VERDICTS,
    Decision,
)
from reconciler.planning.freshness import Freshness
from reconciler.planning.ledger_view import LedgerView
from reconciler.planning.scopes import Scope
from reconciler.planning.table_plan import Decided

_ONCE_FINISHED = bytes.maketrans(
    bytes([CellState.IN_PROGRESS, CellState.PENDING]), bytes([CellState.DONE, CellState.EMPTY])
)
"""Translation table from a state to the one that is taken for granted once the table is idle."""


def scheduled_cells(
    decided: Mapping[str, Sequence[Decided]],
    snapshot: TableSnapshot,
    ledger: LedgerView,
    freshness: Mapping[Refresh, Freshness],
    trials: Mapping[str, RolloutResult | None],
    prices: Prices,
) -> list[ScheduledCells]:
    """Return a table's scheduled cells, column by column.

    `decided` goes by column id, upstream columns first; `trials` go by address.
    """
    if not freshness:
        return []
    columns = {column.id: column for column in snapshot.columns}
    coming: dict[str, RowSet] = {}
    """Column id → rows whose cell is due now or will be."""
    found = []
    held = {address for address, tried in trials.items() if tried is not None and tried.is_breached}
    nothing = RowSet.none(len(snapshot.row_ids))
    for id_, verdicts in decided.items():
        column, scopes = columns[id_], [scope for scope, *_ in verdicts if scope.run.refresh is not None]
        due = coming[id_] = _union((due for _, due, *_ in verdicts), nothing)
        if scopes:
            facts = _verdicts(column, snapshot, ledger, coming)
            counted = RowSet.of_flags(facts.translate(IS_DUE))
            coming[id_] |= counted & _union((scope.rows for scope in scopes), nothing)
            by_others = due - _union((due for scope, due, *_ in verdicts if scope.run.refresh is not None), nothing)
            parts = _parts([scope for scope in scopes if scope.address not in held], counted)
            bought = by_others | ledger.in_doubt(column)
            ages = {key: _ages(key, rows, bought, ledger.ages(column), freshness) for key, rows in parts}
            left = _left_out(facts, counted - _union((rows for _, rows in parts), nothing), scopes)
            manifest, price = scopes[0].manifest, prices.of(column.kind, column.key, column.id)
            found.append(ScheduledCells(manifest.name, dict(manifest.labels), column, price, ages, left))
    return found


def _verdicts(column: Column, snapshot: TableSnapshot, ledger: LedgerView, coming: Mapping[str, RowSet]) -> bytes:
    """Decide about each cell as if nothing were under way and no cell were fresh."""
    flags = {
        MISSING_INPUTS: RowSet.of_flags(snapshot.missing_inputs),
        BLOCKED: blocking.blocked(column, snapshot, coming),
    }
    facts = with_flags(snapshot.states[column.id].translate(_ONCE_FINISHED), flags)
    ageless = ledger.never_bought(column) - ledger.in_doubt(column)
    return ageless.chosen(facts.translate(AGELESS_VERDICTS), facts.translate(VERDICTS[Mode.ALL]))


def _parts(scopes: Iterable[Scope], counted: RowSet) -> list[tuple[Refreshes, RowSet]]:
    """Split the rows by which of the scopes cover them; those that none covers are left out."""
    parts: list[tuple[Refreshes, RowSet]] = [((), counted)]
    for scope in scopes:
        refresh = scope.run.refresh
        assert refresh is not None
        within = [((*key, refresh), rows & scope.rows) for key, rows in parts]
        parts = within + [(key, rows - scope.rows) for key, rows in parts]
    merged: dict[Refreshes, RowSet] = {}
    for key, rows in parts:
        if key and rows:
            merged[key] = merged[key] | rows if key in merged else rows
    return list(merged.items())


def _ages(
    key: Refreshes, rows: RowSet, bought: RowSet, ages: Sequence[float], freshness: Mapping[Refresh, Freshness]
) -> dict[float, int]:
    """Count cells by age; infinite if one is stale by any `refresh`, and 0 if only calendars decide."""
    found: Counter[float] = Counter()
    for age, cells in Counter(compress(ages, (rows - bought).flags())).items():
        is_fresh = all(freshness[refresh].is_fresh(age) for refresh in key)
        found[(age if any(isinstance(each, MaxAge) for each in key) else 0.0) if is_fresh else inf] += cells
    found[0.0] += len(rows & bought)
    return {age: cells for age, cells in found.items() if cells}


def _left_out(verdicts: bytes, held_back: RowSet, scopes: Iterable[Scope]) -> dict[str, int]:
    """Count the cells in scope that no schedule buys, by reason; `held_back` are those that a rollout stops."""
    rows = _union((scope.rows for scope in scopes), held_back - held_back)
    inside = rows.chosen(verdicts, bytes(len(verdicts)))
    counts = {verdict.skip_reason.value: inside.count(verdict) for verdict in Decision if verdict is not Decision.DUE}
    counts[Decision.HELD_BACK.skip_reason.value] += len(held_back & rows)
    return {reason: cells for reason, cells in counts.items() if cells}


def _union(sets: Iterable[RowSet], nothing: RowSet) -> RowSet:
    for each in sets:
        nothing |= each
    return nothing
