"""Planning two million cells: memory goes by what is due, and so does the time."""

import tracemalloc

import pytest

from reconciler.model.compact import PackedIds
from reconciler.model.history import TableHistory
from reconciler.model.manifest import Mode
from reconciler.model.observed import TableSnapshot
from reconciler.model.plan import Plan
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import make_plan
from tests.planning.tables_and_manifests import TABLE, a_column, a_manifest, a_run, plan_settings

ROWS, COLUMNS = 100_000, 20


def table(due_every: int) -> TableSnapshot:
    """Return a table of which every so many cells are empty, and all others done."""
    columns = tuple(a_column(number) for number in range(COLUMNS))
    states = bytes(0 if row % due_every == 0 else 1 for row in range(ROWS))
    ids = PackedIds(b"".join(number.to_bytes(16) for number in range(ROWS)))
    of_column = {column.id: states for column in columns}
    return TableSnapshot(TABLE, "Large", "", "idle", 0, columns, ids, bytes(ROWS), of_column)


def planned(snapshot: TableSnapshot) -> tuple[Plan, float]:
    """Plan it; return the plan and the megabytes that were held at most."""
    tracemalloc.start()
    plan = make_plan(
        PlanInputs([a_manifest(a_run(Mode.NEW))], {TABLE: snapshot}, {TABLE: TableHistory(TABLE)}, plan_settings())
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return plan, peak / 1e6


@pytest.mark.parametrize(("due_every", "cells", "most"), [(10_000, 200, 12), (100, 20_000, 16), (4, 500_000, 40)])
def test_a_plan_takes_memory_for_what_is_due(due_every: int, cells: int, most: float) -> None:
    """Two hundred cells of two million take a few masks; half a million take 20 to 40 bytes each."""
    plan, megabytes = planned(table(due_every))
    assert plan.totals().cells == cells
    assert len(plan.calls) == -(-cells // 1000)
    assert megabytes < most


def test_a_table_is_kept_in_sixteen_bytes_a_row_and_one_a_cell() -> None:
    """No Python object a row, none a cell."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = table(100)
    states = {column: bytes(bytearray(state)) for column, state in kept.states.items()}
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(states) == COLUMNS
    assert held < ROWS * (16 + 1 + COLUMNS + 1) * 1.2
