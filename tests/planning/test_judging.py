"""Expectations of a run's answers, against a brute-force reading of them."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import event, given

from reconciler.model.expectation import MOST_ROWS
from reconciler.planning.judging import unmet
from tests.planning.brute_force_planner import Oracle
from tests.planning.random_worlds import World, worlds
from tests.planning.tables_and_manifests import SHOWS_WITHIN
from tests.planning.test_planner import brief, plan_of


@brief
@given(worlds())
def test_the_answers_of_whole_runs_are_judged_as_their_expect_says(world: World) -> None:
    """Each key that is breached, with its figures, and the rows of a few such answers."""
    oracle = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, None, world.values)
    expected = {}
    for wish in oracle.wishes:
        if wish.run.expect is not None and (found := oracle.breached(wish.run.expect, wish.cells)):
            expected[wish.address] = found
    judged = {each.address: each.judgements for each in unmet(world.manifests, world.table)}
    assert {
        address: [(each.test.rule, each.found, each.answers) for each in found] for address, found in judged.items()
    } == expected
    for each in (each for found in judged.values() for each in found):
        assert 0 < len(each.rows) <= min(MOST_ROWS, each.found)
        assert set(each.rows) <= set(world.table.row_ids)
    event(f"breached: {min(len(expected), 2)}")


@brief
@given(worlds())
def test_a_share_that_is_just_reached_passes(world: World) -> None:
    """Set to exactly what was found, no share is breached any more."""
    for each in unmet(world.manifests, world.table):
        (run,) = (
            run
            for manifest in world.manifests
            for run in manifest.runs
            if f"{manifest.name}/{run.name}" == each.address
        )
        for judged in each.judgements:
            just = Decimal(judged.found) / judged.answers
            if just * judged.answers == judged.found:  # not 1/3, which no share can say exactly
                assert not replace(judged, allowed=just).is_breached
        assert run.expect is not None


@brief
@given(worlds())
def test_a_first_portion_is_judged_with_figures(world: World) -> None:
    """A run's line of the plan says why it is held back."""
    oracle = Oracle(world.table, world.history, world.manifests, SHOWS_WITHIN, None, world.values)
    runs = {run.address: run for table in plan_of(world).tables for run in table.runs}
    for wish in oracle.wishes:
        trial = runs[wish.address].trial
        assert (trial is not None and trial.is_breached) == oracle.is_held_back(wish.run)
        event(f"held back: {trial is not None and trial.is_breached}, by answers: {bool(trial and trial.breached)}")
