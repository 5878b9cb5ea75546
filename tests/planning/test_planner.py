"""The planner against a brute-force reading of the contract, on random tables, scopes and ledgers."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from hypothesis import event, given, settings
from hypothesis import strategies as st

from reconciler.documents import plan_file
from reconciler.model.history import TableHistory
from reconciler.model.origin import Origin
from reconciler.model.plan import Call, Cause, Plan, Reason
from reconciler.planning.inputs import PlanInputs, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.spending.approval import Approval
from tests.example_counts import examples
from tests.planning.brute_force_planner import Cell, Oracle
from tests.planning.random_worlds import World, worlds
from tests.planning.tables_and_manifests import QUIET, SHOWS_WITHIN, TABLE, bought

ORIGIN = Origin("2026-01-01T00:00:00Z", "1.0.0", "https://api.extruct.ai")
thorough = settings(max_examples=examples(4000))
brief = settings(max_examples=examples(1000))


def plan_of(
    world: World, history: TableHistory | None = None, within: Approval | None = None, *, stale: bool = False
) -> Plan:
    """Plan the world, perhaps with another memory."""
    return make_plan(
        PlanInputs(world.manifests, {TABLE: world.table}, {TABLE: history or world.history}, world.settings),
        PlanOptions(within=within, stale=stale),
    )


def due_in(call: Call) -> list[Cell]:
    """Return the due cells of a call."""
    return [(column, row) for block in call.covered for column in block.columns for row in block.rows]


def due_cells(plan: Plan) -> list[tuple[str, Cell]]:
    """Return every due cell of a plan with the address that takes it."""
    return [(call.address, cell) for call in plan.calls for cell in due_in(call)]


def price_of(world: World, oracle: Oracle, cells: Iterable[Cell]) -> Decimal | None:
    """Add the prices of cells up, one by one."""
    total = Decimal(0)
    for column_id, _ in cells:
        column = oracle.column(column_id)
        price = world.settings.prices.of(column.kind, column.key, column.id)
        if price is None:
            return None
        total += price
    return total


@thorough
@given(worlds())
def test_the_calls_hold_exactly_the_due_cells_each_once_and_the_rest_is_counted_by_reason(world: World) -> None:
    """Every due cell is in one call of the run that takes it; every other one is counted under its reason."""
    plan = plan_of(world)
    oracle = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, values=world.values)
    expected = {} if not world.table.is_finished else oracle.taken
    found = due_cells(plan)
    assert sorted(found) == sorted((address, cell) for cell, address in expected.items())
    assert Counter({(s.address, s.reason.value): s.cells for s in plan.skipped}) == oracle.skips()
    assert len(plan.skipped) == len({(skip.address, skip.reason) for skip in plan.skipped})
    lines = {run.address: run.next_due for table in plan.tables for run in table.runs}
    assert lines == {wish.address: oracle.next_due(wish) for wish in oracle.wishes}
    event(f"calls: {min(len(plan.calls), 3)}, skips: {min(len(plan.skipped), 3)}")


@thorough
@given(worlds())
def test_a_call_covers_nothing_that_it_must_not_and_says_what_it_is(world: World) -> None:
    """A rectangle stays in its scope, covers in passing only what is harmless, and is counted and priced right."""
    plan = plan_of(world)
    oracle = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, values=world.values)
    wishes = {wish.address: wish for wish in oracle.wishes}
    for call in plan.calls:
        wish, due = wishes[call.address], set(due_in(call))
        rectangle = {(column, row) for column in call.columns for row in call.rows}
        assert due <= rectangle <= wish.cells
        assert all(oracle.may_be_covered(wish.run, cell) for cell in rectangle - due)
        assert {column for column, _ in due} == set(call.columns)
        assert {row for _, row in due} == set(call.rows)
        assert len(set(call.columns)) == len(call.columns)
        assert len(set(call.rows)) == len(call.rows)
        assert call.column_keys == tuple(oracle.column(column).key for column in call.columns)
        assert call.cells == len(due) <= world.settings.max_cells_per_call
        assert call.credits == price_of(world, oracle, due)
        assert (call.reason is Reason.CELLS_STALE) == (wish.run.refresh is not None)
        assert (call.reason is Reason.CONFIG_CHANGED) == wish.run.follows_config
        assert (call.table_id, call.mode, call.revision) == (TABLE, wish.run.mode, wish.run.revision)
        assert {column: len(marks) for column, marks in call.before.items()} == Counter(column for column, _ in due)
        assert call.configs == {column: oracle.column(column).config_digest for column in call.columns}
        event("covers cells in passing" if due < rectangle else "exact")
    totals = plan.totals()
    assert totals.cells == len(due_cells(plan))
    assert totals.credits == price_of(world, oracle, (cell for _, cell in due_cells(plan)))


@brief
@given(worlds())
def test_what_a_call_records_before_it_is_sent_shows_no_movement(world: World) -> None:
    """Recalled over the very table it was planned from, a call shows no sign of having landed."""
    oracle = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, values=world.values)
    for call in plan_of(world).calls:
        assert not oracle.has_begun(bought(call))


@brief
@given(worlds())
def test_equal_inputs_give_equal_plans_and_equal_bytes(world: World) -> None:
    """The order in which manifests were found changes nothing, not one byte of the plan file."""
    plan = plan_of(world)
    turned = plan_of(World(world.table, world.manifests[::-1], world.history, world.settings))
    assert plan == turned
    assert json.dumps(plan_file.document(plan, ORIGIN)) == json.dumps(plan_file.document(turned, ORIGIN))


@brief
@given(worlds())
def test_no_two_calls_share_an_id_and_none_is_used_again_after_a_purchase(world: World) -> None:
    """Work that was bought once and is honestly due again is another call."""
    plan = plan_of(world)
    ids = [call.id for call in plan.calls]
    assert len(set(ids)) == len(ids)
    later = replace(world.history, calls=(*world.history.calls, *map(bought, plan.calls)))
    assert not set(ids) & {call.id for call in plan_of(world, later).calls}


@brief
@given(worlds())
def test_a_plan_that_was_just_sent_is_empty_until_the_table_moves(world: World) -> None:
    """Applying twice buys nothing the second time, even while the table still shows what it showed before."""
    plan = plan_of(world)
    just_now = (bought(call, settled=False, age=1) for call in plan.calls)
    sent = replace(world.history, calls=(*world.history.calls, *just_now))
    assert plan_of(world, sent).calls == ()


@brief
@given(worlds(), st.integers(0, 255))
def test_an_approved_plan_only_ever_shrinks(world: World, chosen: int) -> None:
    """Within an approval the plan is what is due and approved; with all of it approved, it is the same plan."""
    plan = plan_of(world)
    assert plan_of(world, within=Approval.of_calls(plan.calls)).calls == plan.calls
    some = [call for number, call in enumerate(plan.calls) if chosen >> number % 8 & 1]
    shrunk = plan_of(world, within=Approval.of_calls(some))
    approved = {(call.mode, call.revision, cell) for call in some for cell in due_in(call)}
    oracle = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, approved, world.values)
    expected = {} if not world.table.is_finished else oracle.taken
    assert sorted(due_cells(shrunk)) == sorted((address, cell) for cell, address in expected.items())
    assert {cell for _, cell in due_cells(shrunk)} <= {cell for _, cell in due_cells(plan)}
    assert Counter({(s.address, s.reason.value): s.cells for s in shrunk.skipped}) == oracle.skips()


@brief
@given(worlds(), st.sampled_from([1.0, QUIET, 1000.0]))
def test_one_approval_buys_a_cell_of_a_refresh_once(world: World, ago: float) -> None:
    """A cell that was bought since the approval is not bought again, however stale it is; the rest is."""
    calls = plan_of(world).calls
    shrunk = plan_of(world, within=Approval.of_calls(calls, ago))
    whole = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, values=world.values)
    runs = {wish.address: wish.run for wish in whole.wishes}
    approved = {
        (call.mode, call.revision, cell)
        for call in calls
        for cell in due_in(call)
        if runs[call.address].refresh is None or not whole.was_bought_within(cell, ago)
    }
    oracle = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, approved, world.values)
    expected = {} if not world.table.is_finished else oracle.taken
    assert sorted(due_cells(shrunk)) == sorted((address, cell) for cell, address in expected.items())


@brief
@given(worlds(), st.integers(0, 255))
def test_what_a_change_caused_is_never_in_one_call_with_what_was_due_anyway(world: World, chosen: int) -> None:
    """The same cells are due, each in a call that says why; and neither kind is covered by a call of the other."""
    plan = plan_of(world)
    before = [call for number, call in enumerate(plan.calls) if chosen >> number % 8 & 1]
    known = {(call.mode, call.revision, cell) for call in before for cell in due_in(call)}
    parted = make_plan(
        PlanInputs(world.manifests, {TABLE: world.table}, {TABLE: world.history}, world.settings),
        PlanOptions(anyway=Approval.of_calls(before)),
    )
    assert sorted(due_cells(parted)) == sorted(due_cells(plan))
    assert parted.skipped == plan.skipped
    all_due = {cell for _, cell in due_cells(plan)}
    for call in parted.calls:
        causes = {(call.mode, call.revision, cell) in known for cell in due_in(call)}
        assert causes == {call.cause is Cause.DUE}
        rectangle = {(column, row) for column in call.columns for row in call.rows}
        assert not (rectangle - set(due_in(call))) & all_due
    assert all(call.cause is None for call in plan.calls)
