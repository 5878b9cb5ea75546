"""In what order a plan's calls are sent: upstream first, first portions before the rest, manifests in their order."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings

from reconciler.model.manifest import ChildOf, GrowthAllowance, Manifest, Mode, NameAt, Rollout
from reconciler.model.observed import TableSnapshot, depths
from reconciler.model.plan import Plan, SkipReason
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import make_plan
from tests.example_counts import examples
from tests.planning.brute_force_planner import Cell, Oracle
from tests.planning.random_worlds import World, worlds
from tests.planning.tables_and_manifests import (
    NOWHERE,
    SHOWS_WITHIN,
    TABLE,
    a_column,
    a_manifest,
    a_run,
    a_table,
    bought,
    config,
    plan_settings,
    remembering,
)
from tests.planning.test_planner import due_in, plan_of

OTHER = "5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50"
THIRD = "91abf3a0-6f0e-4d7e-8a55-1b7f0c3d2e61"


def waves_of(plan: Plan) -> dict[Cell, int]:
    """Return the wave of every due cell."""
    return {cell: call.wave for call in plan.calls for cell in due_in(call)}


@settings(max_examples=examples(1000))
@given(worlds())
def test_a_cell_goes_after_those_that_it_waits_for(world: World) -> None:
    """A due cell upstream in the same row is in an earlier wave, but for cycles, in which none could ever begin."""
    wave = waves_of(plan_of(world))
    deep = depths(world.table.columns)
    upstream = {column.id: column.upstream for column in world.table.columns}
    for column, row in wave:
        for other in upstream[column]:
            if (other, row) in wave and deep[other] < deep[column]:
                assert wave[other, row] < wave[column, row]
    assert set(wave.values()) == set(range(1, max(wave.values(), default=0) + 1))


@settings(max_examples=examples(1000))
@given(worlds())
def test_a_first_portion_goes_before_the_rest(world: World) -> None:
    """Of each column at most `first` rows are tried before the rest, which comes after every portion of the table."""
    oracle = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, values=world.values)
    wave = waves_of(plan_of(world))
    runs = {f"{manifest.name}/{run.name}": run for manifest in world.manifests for run in manifest.runs}
    behind: set[Cell] = set()
    for column in world.table.states:
        for address, run in runs.items():
            rows = [row for row in world.table.row_ids if oracle.taken.get((column, row)) == address]
            if run.rollout is not None and len(oracle.portion(run, column)) < run.rollout.first:
                room = run.rollout.first - len(oracle.portion(run, column))
                behind.update((column, row) for row in rows[room:])
    behind &= wave.keys()
    deep = depths(world.table.columns)
    upstream = {column.id: column.upstream for column in world.table.columns}
    for cell in sorted(wave, key=lambda cell: deep[cell[0]]):
        if any((other, cell[1]) in behind and deep[other] < deep[cell[0]] for other in upstream[cell[0]]):
            behind.add(cell)
    early = [wave[cell] for cell in wave.keys() - behind]
    assert all(wave[cell] > max(early, default=0) for cell in behind)


def plan(manifests: Sequence[Manifest], *tables: TableSnapshot) -> Plan:
    """Plan without a ledger."""
    return make_plan(PlanInputs(manifests, {table.id: table for table in tables}, {}, plan_settings()))


NEW = a_run(Mode.NEW)


def test_manifests_go_in_their_order() -> None:
    """One that depends on another begins a wave after the other's last; one that depends on nothing, at once."""
    tables = [a_table([a_column(1)], [".."], table=table) for table in (TABLE, OTHER, THIRD)]
    first = a_manifest(NEW, name="z-first")
    second = a_manifest(NEW, name="a-second", table=OTHER, after=["z-first"])
    third = a_manifest(NEW, name="m-third", table=THIRD, after=["a-second", "z-first"])
    calls = plan([first, second, third], *tables).calls
    assert {call.manifest: call.wave for call in calls} == {"z-first": 1, "a-second": 2, "m-third": 3}
    alone = plan([second, third], *tables).calls
    assert {call.manifest: call.wave for call in alone} == {"a-second": 1, "m-third": 2}


def test_a_manifest_waits_for_one_that_is_not_at_rest() -> None:
    """While a table still runs, nothing of what depends on it is due, also through a third."""
    tables = [
        a_table([a_column(1)], [".."], table=table, run_status="running" if table == TABLE else "idle")
        for table in (TABLE, OTHER, THIRD)
    ]
    first = a_manifest(NEW, name="first")
    second = a_manifest(NEW, name="second", table=OTHER, after=["first"])
    third = a_manifest(NEW, name="third", table=THIRD, after=["second"])
    found = plan([first, second, third], *tables)
    assert found.calls == ()
    assert {(skip.address, skip.reason, skip.cells) for skip in found.skipped} == {
        ("first/new", SkipReason.WAITING_FOR_TABLE, 2),
        ("second/new", SkipReason.WAITING, 2),
        ("third/new", SkipReason.WAITING, 2),
    }


def test_a_good_portion_is_not_repeated_and_a_new_configuration_is_tried_again() -> None:
    """The ledger knows what was tried with a column's present configuration."""
    manifest = a_manifest(a_run(Mode.ALL, revision="r1", rollout=Rollout(2, Decimal("0.5"))))
    table = a_table([a_column(1)], ["ddddd"])
    before = make_plan(PlanInputs([manifest], {TABLE: table}, {}, plan_settings()))
    assert [(call.wave, call.cells) for call in before.calls] == [(1, 2), (2, 3)]
    history = remembering(bought(before.calls[0]))
    after = make_plan(PlanInputs([manifest], {TABLE: table}, history, plan_settings()))
    assert [(call.wave, call.cells) for call in after.calls] == [(1, 3)]
    changed = a_table([replace(a_column(1), config_digest=config("other"))], ["ddddd"])
    again = make_plan(PlanInputs([manifest], {TABLE: changed}, history, plan_settings()))
    assert [(call.wave, call.cells) for call in again.calls] == [(1, 2), (2, 1)]


def child(name: str, of: str, table: str, growth: GrowthAllowance | None = None) -> Manifest:
    """Return a manifest of a table that a column of another's fills."""
    source = ChildOf(NameAt(of, NOWHERE), NameAt("key_1", NOWHERE))
    return Manifest(name, {}, table, (NEW,), NOWHERE, NOWHERE, source=source, growth=growth)


def test_a_child_table_may_grow_while_the_plan_is_applied() -> None:
    """Where the column that fills it is due, and in what is filled from there in turn; else nothing is unknown."""
    allowed = GrowthAllowance(9, None)
    manifests = [a_manifest(NEW), child("people", "accounts", OTHER, allowed), child("mails", "people", THIRD)]
    tables = [a_table([a_column(1)], [".."]), *(a_table([a_column(1)], [""], table=table) for table in (OTHER, THIRD))]
    found = plan(manifests, *tables)
    assert [(each.manifest, each.because, each.max_cells) for each in found.growth] == [
        ("mails", "people/key_1", None),
        ("people", "accounts/key_1", 9),
    ]
    assert plan(manifests, a_table([a_column(1)], ["dd"]), *tables[1:]).growth == ()
