"""Rows that may be left unread: the rule, and that a plan is the same where less was read."""

from dataclasses import replace

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from reconciler.model.compact import picked
from reconciler.model.history import Block, CallState, PastCall, TableHistory
from reconciler.model.manifest import Manifest, Mode, Selection
from reconciler.model.observed import TableStatus
from reconciler.model.plan import Plan, SkipReason
from reconciler.model.read_scope import WHOLE, ReadScope, header_is_enough, narrowed, read_scope_of, rows_one_by_one
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import make_plan
from tests.example_counts import examples
from tests.planning.random_worlds import World, worlds
from tests.planning.tables_and_manifests import (
    NOWHERE,
    QUIET,
    TABLE,
    a_column,
    a_manifest,
    a_past_call,
    a_run,
    a_table,
    column_id,
    plan_settings,
    row_id,
)

NEVER = TableHistory(TABLE)
IDLE = TableStatus("idle", 0, 6)
FIRST = Selection(None, 1, NOWHERE)


def history(*calls: PastCall) -> TableHistory:
    """Return a memory of calls."""
    return TableHistory(TABLE, len(calls), calls)


def covering(state: CallState, *, age: float = 1000.0, settled: bool = True) -> PastCall:
    """Return a call over one cell."""
    return a_past_call(state, [Block((column_id(1),), (row_id(0),))], age=age, settled=settled)


@pytest.mark.parametrize(
    ("manifest", "allowed"),
    [
        (a_manifest(a_run(Mode.NEW)), ReadScope(header_may_do=True)),
        (a_manifest(a_run(Mode.NEW, ["key_1"]), a_run(Mode.NEW)), ReadScope(header_may_do=True)),
        (a_manifest(a_run(Mode.NEW), a_run(Mode.FAILED)), WHOLE),
        (a_manifest(a_run(Mode.ALL)), WHOLE),
        (a_manifest(a_run(Mode.NEW, selection=FIRST)), WHOLE),
        (a_manifest(a_run(Mode.NEW), a_run(Mode.NEW, ["key_1"], selection=FIRST)), WHOLE),
        (a_manifest(a_run(Mode.NEW, rows=[row_id(1)]), a_run(Mode.NEW, selection=FIRST)), WHOLE),
        (a_manifest(a_run(Mode.NEW, rows=[row_id(1)]), a_run(Mode.NEW)), WHOLE),
        (a_manifest(a_run(Mode.ALL, rows=[row_id(1)])), ReadScope(rows=frozenset({row_id(1)}))),
        (
            a_manifest(a_run(Mode.NEW, rows=[row_id(1)]), a_run(Mode.FAILED, rows=[row_id(2)])),
            ReadScope(rows=frozenset({row_id(1), row_id(2)})),
        ),
    ],
)
def test_what_may_be_left_out_follows_from_the_runs(manifest: Manifest, allowed: ReadScope) -> None:
    """Only `new`: the header may do. Only named rows: those. Anything else, rows by data too: the whole table."""
    assert read_scope_of([manifest], NEVER, QUIET) == allowed
    assert read_scope_of([], NEVER, QUIET) == WHOLE


@pytest.mark.parametrize(
    ("call", "is_whole"),
    [
        (covering(CallState.INTENT), True),
        (covering(CallState.IN_DOUBT), True),
        (covering(CallState.ACCEPTED, age=QUIET - 1, settled=False), True),
        (covering(CallState.ACCEPTED, age=QUIET - 1), False),
        (covering(CallState.ACCEPTED, age=QUIET, settled=False), False),
    ],
)
def test_a_call_that_is_open_or_fresh_needs_the_whole_table(call: PastCall, is_whole: bool) -> None:
    """Its evidence may stand in any cell."""
    for run in (a_run(Mode.NEW), a_run(Mode.ALL, rows=[row_id(1)])):
        assert (read_scope_of([a_manifest(run)], history(call), QUIET) == WHOLE) is is_whole


def test_only_exactly_full_counters_of_an_idle_table_are_enough() -> None:
    """And only where they may be."""
    may = ReadScope(header_may_do=True)
    assert header_is_enough(may, IDLE, 3, 2)
    assert not header_is_enough(WHOLE, IDLE, 3, 2)
    assert not header_is_enough(may, IDLE, 3, 3)
    assert not header_is_enough(may, IDLE, 2, 2)
    assert not header_is_enough(may, TableStatus("running", 0, 6), 3, 2)
    assert not header_is_enough(may, TableStatus("idle", 1, 6), 3, 2)


def test_single_rows_are_for_where_they_are_fewer() -> None:
    """One more look at the header is counted with them."""
    two = ReadScope(rows=frozenset({"a", "b"}))
    assert rows_one_by_one(two, 100, 4)
    assert not rows_one_by_one(two, 100, 3)
    assert not rows_one_by_one(two, 2, 4)
    assert not rows_one_by_one(WHOLE, 100, 4)


def planned(world: World, table_read: "World | None" = None) -> Plan:
    """Plan a world, perhaps from less of its table."""
    return make_plan(
        PlanInputs(world.manifests, {TABLE: (table_read or world).table}, {TABLE: world.history}, world.settings)
    )


def fitting(world: World, by_rows: bool) -> World:
    """Leave of a world the runs and calls with which less may be read; where that is all of them, it stays as it is."""
    manifests = []
    for manifest in world.manifests:
        named = [run for run in manifest.runs if run.rows is not None]
        new = [run for run in manifest.runs if run.rows is None and run.mode is Mode.NEW]
        if runs := named if by_rows else new:
            manifests.append(replace(manifest, runs=tuple(runs)))
    quiet = tuple(call for call in world.history.calls if _allows_less(world, call))
    return World(world.table, tuple(manifests), replace(world.history, calls=quiet), world.settings)


def _allows_less(world: World, call: PastCall) -> bool:
    alone = replace(world.history, calls=(call,))
    return read_scope_of([a_manifest(a_run(Mode.NEW))], alone, world.settings.shows_within_seconds) != WHOLE


@settings(max_examples=examples(2000))
@given(worlds(), st.booleans(), st.booleans())
def test_a_plan_is_the_same_where_less_was_read(world: World, by_rows: bool, failed_count: bool) -> None:
    """Whatever the counters count, whatever the ledger holds: equal calls, equal errors."""
    world = fitting(world, by_rows)
    allowed = read_scope_of(world.manifests, world.history, world.settings.shows_within_seconds)
    assume(allowed != WHOLE)
    table = world.table
    cells = b"".join(table.states.values())
    completed = sum(cells.count(state) for state in ((1, 5, 2) if failed_count else (1, 5)))
    status = TableStatus(table.run_status, table.header_in_progress, completed)
    if allowed.rows is not None:
        assume(allowed.rows <= set(table.row_ids))
        less = narrowed(table, allowed)
        event("rows")
    elif header_is_enough(allowed, status, len(table.row_ids), len(table.states)):
        nothing = dict.fromkeys(table.states, b"")
        less = type(table)(
            table.id, table.name, table.kind, table.run_status, table.header_in_progress, table.columns, (), b"",
            nothing, {column: picked(found, []) for column, found in table.digests.items()}, len(table.row_ids),
        )  # fmt: skip
        event("header")
    else:
        return
    whole = planned(world)
    short = planned(world, World(less, world.manifests, world.history, world.settings))
    assert short.calls == whole.calls
    assert short.diagnostics == whole.diagnostics
    assert [(t.rows, t.output_cells, [r.cells for r in t.runs]) for t in short.tables] == [
        (t.rows, t.output_cells, [r.cells for r in t.runs]) for t in whole.tables
    ]
    assert sum(skip.cells for skip in short.skipped) == sum(skip.cells for skip in whole.skipped)


def test_a_table_that_was_not_read_says_so() -> None:
    """No unknown counts; its cells are skipped as not due; an unknown column is still an error."""
    columns = [a_column(1), a_column(2)]
    table = a_table(columns, ["", ""])
    unread = type(table)(TABLE, "T", "", "idle", 0, table.columns, (), b"", table.states, {}, 30)
    plan = make_plan(PlanInputs([a_manifest(a_run(Mode.NEW, ["key_1"]))], {TABLE: unread}, {}, plan_settings()))
    assert plan.tables[0].cells is None
    assert (plan.tables[0].rows, plan.tables[0].runs[0].cells) == (30, 30)
    assert [(skip.reason, skip.cells) for skip in plan.skipped] == [(SkipReason.NOT_DUE, 30)]
    wrong = make_plan(PlanInputs([a_manifest(a_run(Mode.NEW, ["key_9"]))], {TABLE: unread}, {}, plan_settings()))
    assert "no column `key_9`" in wrong.diagnostics[0].message


@pytest.mark.parametrize(
    "run",
    [
        a_run(Mode.FAILED),
        a_run(Mode.ALL),
        a_run(Mode.NEW, rows=[row_id(1)]),
        a_run(Mode.NEW, selection=FIRST),
        a_run(Mode.NEW, rows=[row_id(1)], selection=FIRST),
    ],
)
def test_a_plan_refuses_a_table_of_which_it_needs_more(run: "object") -> None:
    """Rather than find nothing due."""
    table = a_table([a_column(1)], [""])
    unread = type(table)(TABLE, "T", "", "idle", 0, table.columns, (), b"", table.states, {}, 30)
    with pytest.raises(AssertionError, match="more of the table is needed"):
        make_plan(PlanInputs([a_manifest(run)], {TABLE: unread}, {}, plan_settings()))  # type: ignore[arg-type]


def test_named_rows_stand_in_the_order_of_their_ids() -> None:
    """Single rows come without a place in the table; the same rows must give the same call in every process."""
    rows = [row_id(number) for number in (7, 3, 9, 1, 8, 2, 6)]
    table = a_table([a_column(1)], ["." * 10])
    table = replace(table, matches={"x": bytes(number % 2 for number in range(10))})
    found = narrowed(table, ReadScope(rows=frozenset(rows)))
    assert found.row_ids == tuple(sorted(rows))
    assert found.matches == {"x": bytes([1, 0, 1, 0, 1, 0, 1])}
    plan = make_plan(PlanInputs([a_manifest(a_run(Mode.NEW, rows=rows))], {TABLE: table}, {}, plan_settings()))
    assert plan.calls[0].rows == tuple(sorted(rows))
