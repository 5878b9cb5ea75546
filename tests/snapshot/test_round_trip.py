"""A plan from a snapshot is the plan from the live tables, bit for bit."""

import json
from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from reconciler.documents import plan_file
from reconciler.documents.snapshot_file import decode, encode
from reconciler.model.history import Block, CallState, PastCall, TableHistory
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.manifest import Mode
from reconciler.model.observed import TableSnapshot
from reconciler.model.origin import Origin
from reconciler.model.plan import Plan
from reconciler.operations.observe import Observation
from reconciler.operations.snapshots import from_snapshot, to_snapshot
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import make_plan
from reconciler.spending.doubt import judge
from tests.example_counts import examples
from tests.planning.random_worlds import World, worlds
from tests.planning.tables_and_manifests import (
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
from tests.planning.test_folding import folded

KEY = b"k" * 32
ORIGIN = Origin("2026-01-01T00:00:00Z", "1.0.0", "https://api.extruct.ai")
thorough = settings(max_examples=examples(1500))


def seen(table: TableSnapshot, history: TableHistory) -> Observation:
    """Return the look at one table, judged as a look is."""
    judged, verdicts = judge(history, table, QUIET)
    return Observation({TABLE: table}, {TABLE: judged}, verdicts, {})


def through_a_file(look: Observation) -> Observation:
    """Write a look to a snapshot's bytes and read it back."""
    data = encode(to_snapshot(look, "2026-01-01T00:00:00Z", "1.0.0", "https://api.extruct.ai"), KEY)
    return from_snapshot(decode(data, KEY), [TABLE])


def content(plan: Plan) -> str:
    """Return the plan file's bytes."""
    return json.dumps(plan_file.document(plan, ORIGIN))


@thorough
@given(worlds())
def test_planning_from_a_snapshot_changes_nothing(world: World) -> None:
    """For every table, history and manifest that the tests of planning can make up."""
    live = seen(world.table, world.history)
    kept = through_a_file(live)
    plans = [
        make_plan(PlanInputs(world.manifests, look.snapshots, look.histories, world.settings)) for look in (live, kept)
    ]
    assert content(plans[0]) == content(plans[1])
    event("calls" if plans[0].calls else "no call")


@thorough
@given(worlds(calls=6), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_a_checkpoint_goes_with_it(world: World, turns: list[int]) -> None:
    """Where the ledger has folded calls, too."""
    plans = []
    for history in (world.history, folded(world.history, turns)):
        kept = through_a_file(seen(world.table, history))
        inputs = PlanInputs(world.manifests, kept.snapshots, kept.histories, world.settings)
        plans.append(content(make_plan(inputs)))
    assert plans[0] == plans[1]


@thorough
@given(worlds())
def test_nothing_but_what_planning_needs_is_kept(world: World) -> None:
    """No digest of a value, nothing that cells showed before a call, and no person's name."""
    live = seen(world.table, world.history)
    named = TableHistory(TABLE, 1, tuple(replace(call, actor="ana@laptop") for call in live.histories[TABLE].calls))
    kept = through_a_file(replace(live, histories={TABLE: named}))
    assert kept.snapshots[TABLE].digests == {}
    for call in kept.histories[TABLE].calls:
        assert (dict(call.before), call.actor) == ({}, "")
    assert kept.snapshots[TABLE] == replace(world.table, digests={})


def test_what_only_values_show_is_judged_when_it_is_taken() -> None:
    """An accepted `all` call whose cell holds another value is not waited for, although the values stay behind."""
    table = a_table([a_column(1)], ["d"], digests={column_id(1): ("new",)})
    run = a_manifest(a_run(a_past().mode, revision="r2"))
    for before, waits in (("1:old", False), ("1:new", True)):
        call = replace(a_past(), before={column_id(1): (before,)})
        live = seen(table, TableHistory(TABLE, 1, (call,)))
        kept = through_a_file(live)
        (stored,) = kept.histories[TABLE].calls
        assert stored.has_shown is not waits
        plans = [make_plan(PlanInputs([run], look.snapshots, look.histories, plan_settings())) for look in (live, kept)]
        assert content(plans[0]) == content(plans[1])
        assert bool(plans[1].calls) is not waits


def a_past() -> PastCall:
    """Return an `all` call accepted moments ago."""
    block = Block((column_id(1),), (row_id(0),))
    return a_past_call(CallState.ACCEPTED, [block], mode=Mode.ALL, revision="r1", settled=False, age=1.0)


def test_a_table_of_two_million_cells_is_a_few_megabytes() -> None:
    """With a call in the ledger for each thousand of them."""
    rows, columns = 100_000, [a_column(number) for number in range(20)]
    table = replace(
        a_table(columns, [""] * 20),
        row_ids=tuple(row_id(number) for number in range(rows)),
        missing_inputs=bytes(rows),
        states={
            column.id: bytes((number * 7 + row) % 6 for row in range(rows)) for number, column in enumerate(columns)
        },
    )
    ids = tuple(column.id for column in columns)
    calls = tuple(
        a_past_call(
            CallState.ACCEPTED, [Block(ids, tuple(table.row_ids[start : start + 50]))], before={}, id=f"{start:032x}"
        )
        for start in range(0, rows, 50)
    )
    live = LiveSnapshot("2026-01-01T00:00:00Z", "1", "x", {TABLE: table}, {TABLE: TableHistory(TABLE, 2000, calls)}, {})
    data = encode(live, KEY)
    assert len(data) < 8_000_000
    assert json.loads(data.partition(b"\n")[0])["cells"] == 2_000_000
    back = decode(data, KEY)
    assert back.snapshots[TABLE] == table
    assert back.histories[TABLE] == live.histories[TABLE]
