"""A plan made from a checkpoint and the calls beside it is the plan made from the whole history, bit for bit."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.documents import plan_file
from reconciler.model.checkpoint import Begun, Checkpoint
from reconciler.model.folding import fold
from reconciler.model.history import Block, CallState, PastCall, TableHistory
from reconciler.model.manifest import Mode
from reconciler.model.plan import Plan
from reconciler.model.stale_cells import Outdated
from reconciler.planning import adoption
from tests.planning.brute_force_planner import Oracle
from tests.planning.random_worlds import NOW, World, with_inputs, worlds
from tests.planning.tables_and_manifests import (
    SHOWS_WITHIN,
    TABLE,
    a_column,
    a_manifest,
    a_past_call,
    a_run,
    a_table,
    column_id,
    config,
    plan_settings,
    row_id,
)
from tests.planning.test_planner import ORIGIN, brief, plan_of, thorough


def age_of(begun: Begun) -> float:
    """Return the age of a call that began so many seconds before the ledger is recalled."""
    return NOW.timestamp() - begun.begun_at


def folded(history: TableHistory, turns: Sequence[int]) -> TableHistory:
    """Return the history with those of its calls that can be in a checkpoint, folded at these turns; 0: never."""
    calls = [replace(call, version=number) for number, call in enumerate(history.calls, 1)]
    checkpoint, left = Checkpoint(age_of=age_of), []
    by_turn: dict[int, list[PastCall]] = {}
    for call, turn in zip(calls, turns, strict=False):
        may_be = call.settled and call.state is CallState.ACCEPTED
        by_turn.setdefault(turn if may_be else 0, []).append(call)
    left = by_turn.pop(0, [])
    for _, of_turn in sorted(by_turn.items()):
        rows = (row for call in of_turn for block in call.covered for row in block.rows)
        checkpoint = fold(
            checkpoint.listing(rows), [(call, Begun(NOW.timestamp() - call.age_seconds)) for call in of_turn]
        )
        # As it is kept, and read again.
        checkpoint = Checkpoint.unpack(checkpoint.pack(), checkpoint.rows, age_of)
    assert all(checkpoint.holds(call.version) is (call not in left) for call in calls)
    return replace(history, calls=tuple(left), checkpoint=checkpoint)


@thorough
@given(worlds(calls=6), st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_a_plan_from_a_checkpoint_is_the_plan_from_the_history(world: World, turns: list[int]) -> None:
    """Whichever of the settled calls are folded, in whatever order, one after the other or at once."""
    short = folded(world.history, turns)
    plans = [plan_of(world), plan_of(world, short)]
    whole, from_checkpoint = (json.dumps(plan_file.document(plan, ORIGIN)) for plan in plans)
    assert whole == from_checkpoint
    assert plans[0] == plans[1]
    event(f"folded: {len(world.history.calls) - len(short.calls)}")


@thorough
@given(worlds(calls=6), st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_what_is_adopted_is_the_same_too(world: World, turns: list[int]) -> None:
    """It asks which cells the ledger holds at a revision."""
    found = [
        adoption.records(world.table, history, "r1", f"{TABLE}/adopt")
        for history in (world.history, folded(world.history, turns))
    ]
    assert found[0] == found[1]


@brief
@given(worlds(calls=6), st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_answers_of_an_earlier_configuration_are_counted_and_never_bought_for_that(
    world: World, turns: list[int]
) -> None:
    """By run and column, from a checkpoint as from the whole history; asking for them changes nothing else."""
    plan, oracle = plan_of(world), Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, None, world.values)
    for history in (world.history, folded(world.history, turns)):
        asked = plan_of(world, history, stale=True)
        assert counted(asked, Outdated.PROMPT) == oracle.stale()
        assert replace(asked, stale=()) == plan
        for each in asked.stale:
            assert each.cost.unpriced_cells <= each.cells
    event(f"stale: {min(len(oracle.stale()), 2)}")


@brief
@given(worlds(calls=6), st.lists(st.integers(0, 3), min_size=6, max_size=6), st.randoms(use_true_random=False))
def test_answers_made_from_other_inputs_are_counted(world: World, turns: list[int], luck: Random) -> None:
    """By run and column, from a checkpoint as from the whole history, where both are known; nothing falls due."""
    world = with_inputs(world, luck)
    oracle = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, None, world.values)
    for history in (world.history, folded(world.history, turns)):
        asked = plan_of(world, history, stale=True)
        assert counted(asked, Outdated.INPUTS) == oracle.with_other_inputs()
        assert replace(asked, stale=()) == plan_of(world)
    event(f"other inputs: {min(len(oracle.with_other_inputs()), 2)}")


def counted(plan: Plan, outdated: Outdated) -> dict[str, Counter[str]]:
    """Return how many answers of each run and column predate something."""
    return {each.address: Counter(each.columns) for each in plan.stale if each.outdated is outdated}


def test_the_last_purchase_is_the_one_that_began_last_whatever_the_clock_said() -> None:
    """With the clock set back between two calls the later one looks older; its configuration counts, folded or not."""
    table = a_table([a_column(1)], ["d"])
    cells = [Block((column_id(1),), (row_id(0),))]
    run = replace(a_run(Mode.ALL, revision="r1"), revision=None, follows_config=True)
    world = World(table, (a_manifest(run),), TableHistory(TABLE), plan_settings())
    for first, second, due in ((config("before"), config("now"), 0), (config("now"), config("before"), 1)):
        calls = tuple(
            a_past_call(CallState.ACCEPTED, cells, age=age, configs={column_id(1): of}, id=f"call-{age}")
            for age, of in ((10, first), (500, second))
        )
        history = TableHistory(TABLE, 2, calls)
        for turns in ([0, 0], [1, 0], [0, 1], [1, 1], [1, 2], [2, 1]):
            assert plan_of(world, folded(history, turns)).totals().cells == due, (due, turns)
