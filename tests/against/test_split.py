"""The plan parted by cause: together exactly the whole plan, no cell twice, each call of one cause and exact."""

from collections.abc import Iterable

from hypothesis import event, given, settings

from reconciler.model.manifest import Manifest, Mode
from reconciler.model.plan import Call, Cause, Plan
from reconciler.planning.inputs import PlanInputs, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.spending.approval import Approval
from tests.example_counts import examples
from tests.planning.brute_force_planner import Oracle
from tests.planning.random_worlds import World, worlds
from tests.planning.tables_and_manifests import (
    SHOWS_WITHIN,
    TABLE,
    a_column,
    a_manifest,
    a_run,
    a_table,
    column_id,
    plan_settings,
    row_id,
)

thorough = settings(max_examples=examples(1500))
Cell = tuple[str, Mode, str | None, str, str]


def plan_of(world: World, manifests: tuple[Manifest, ...], anyway: Approval | None = None) -> Plan:
    """Plan a world for other manifests."""
    return make_plan(
        PlanInputs(manifests, {TABLE: world.table}, {TABLE: world.history}, world.settings), PlanOptions(anyway=anyway)
    )


def cells(calls: Iterable[Call]) -> list[Cell]:
    """Return every due cell with its table, mode and revision."""
    return [
        (call.table_id, call.mode, call.revision, column, row)
        for call in calls
        for block in call.covered
        for column in block.columns
        for row in block.rows
    ]


@thorough
@given(worlds(), worlds())
def test_caused_and_due_anyway_are_the_whole_plan_and_disjoint(world: World, other: World) -> None:
    """A cell is due anyway exactly where the base's plan has it in the same mode and revision."""
    base = plan_of(world, other.manifests)
    whole = plan_of(world, world.manifests)
    parted = plan_of(world, world.manifests, Approval.of_calls(base.calls))
    caused = cells(call for call in parted.calls if call.cause is Cause.CHANGE)
    anyway = cells(call for call in parted.calls if call.cause is Cause.DUE)
    assert sorted(map(str, caused + anyway)) == sorted(map(str, cells(whole.calls)))
    assert len(set(caused + anyway)) == len(caused + anyway)
    assert set(anyway) == set(cells(whole.calls)) & set(cells(base.calls))
    assert parted.skipped == whole.skipped
    assert parted.tables == whole.tables
    if whole.totals().credits is not None:
        assert parted.totals().credits == whole.totals().credits
    event("both causes" if caused and anyway else "one cause" if caused or anyway else "no call")


@thorough
@given(worlds(), worlds())
def test_every_call_of_a_parted_plan_is_exact(world: World, other: World) -> None:
    """Within the size of a call, and covering nothing in passing that its mode does not leave alone."""
    anyway = Approval.of_calls(plan_of(world, other.manifests).calls)
    oracle = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, values=world.values)
    due = set(cells(plan_of(world, world.manifests).calls))
    for call in plan_of(world, world.manifests, anyway).calls:
        own = set(cells([call]))
        run = next(run for each in world.manifests for run in each.runs if f"{each.name}/{run.name}" == call.address)
        assert call.cells == len(own) <= world.settings.max_cells_per_call
        for column in call.columns:
            for row in call.rows:
                if (TABLE, call.mode, call.revision, column, row) not in own:
                    assert not any(cell[3:] == (column, row) for cell in due)
                    assert oracle.may_be_covered(run, (column, row))


def test_the_same_manifests_cause_nothing() -> None:
    """Everything was due anyway."""
    table = a_table([a_column(1), a_column(2)], ["..d", "f.d"])
    here = [a_manifest(a_run(Mode.NEW), a_run(Mode.FAILED, name="retry"))]
    base = make_plan(PlanInputs(here, {TABLE: table}, {}, plan_settings()))
    parted = make_plan(
        PlanInputs(here, {TABLE: table}, {}, plan_settings()), PlanOptions(anyway=Approval.of_calls(base.calls))
    )
    assert {call.cause for call in parted.calls} == {Cause.DUE}
    assert [call.id for call in parted.calls] == [call.id for call in base.calls]


def test_a_mixed_call_is_parted() -> None:
    """A column added to a run: what its rows were due for before, and what they are due for now, are two calls."""
    table = a_table([a_column(1), a_column(2)], ["..", ".."])
    base = make_plan(PlanInputs([a_manifest(a_run(Mode.NEW, ["key_1"]))], {TABLE: table}, {}, plan_settings()))
    here = [a_manifest(a_run(Mode.NEW, ["key_1", "key_2"]))]
    assert len(make_plan(PlanInputs(here, {TABLE: table}, {}, plan_settings())).calls) == 1
    parted = make_plan(
        PlanInputs(here, {TABLE: table}, {}, plan_settings()), PlanOptions(anyway=Approval.of_calls(base.calls))
    )
    assert [(call.cause, call.columns) for call in parted.calls] == [
        (Cause.DUE, (column_id(1),)),
        (Cause.CHANGE, (column_id(2),)),
    ]


def test_a_downstream_cell_due_anyway_stays_due_beside_a_caused_upstream_one() -> None:
    """The two groups are parted when calls are made, not planned apart: neither blocks the other."""
    table = a_table([a_column(1), a_column(2, 1)], ["..", ".."])
    base = make_plan(PlanInputs([a_manifest(a_run(Mode.NEW))], {TABLE: table}, {}, plan_settings()))
    here = [a_manifest(a_run(Mode.ALL, ["key_1"]), a_run(Mode.NEW, ["key_2"]))]
    parted = make_plan(
        PlanInputs(here, {TABLE: table}, {}, plan_settings()), PlanOptions(anyway=Approval.of_calls(base.calls))
    )
    assert [(call.cause, call.mode, call.rows) for call in parted.calls] == [
        (Cause.CHANGE, Mode.ALL, (row_id(0), row_id(1))),
        (Cause.DUE, Mode.NEW, (row_id(0), row_id(1))),
    ]
