"""The same seed and the same requests give the same bytes, whenever and however often it is read."""

import threading

import pytest

from reconciler.simulator.testing import serve
from reconciler.simulator.world.clock import START, ManualClock, RunningClock
from tests.simulator.workspaces import GENERIC, WORKSPACE, World, agent


def _story(seed: int, looks: int) -> tuple[bytes, bytes]:
    world = World(
        {**WORKSPACE, "tables": [*WORKSPACE["tables"], {"name": "Big", "rows": 50, "shares": {"done": 0.5}}]}, seed
    )
    world.run(mode="all")
    for _ in range(looks):
        world.live.advance(12 / looks)
        world.client.get(f"/v1/tables/{GENERIC}")
    created = world.client.post("/v1/tables", json={"name": "Made"}).content
    return world.client.get(f"/v1/tables/{GENERIC}/data").content, created


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Ids, values, failures and times do not depend on the day or the process."""
    assert _story(7, 3) == _story(7, 3)


def test_another_seed_gives_another_world() -> None:
    """Ids that were not given come from the seed."""
    assert _story(7, 3)[1] != _story(8, 3)[1]


def test_looking_changes_nothing() -> None:
    """A table that is watched closely ends like one that is not."""
    assert _story(7, 1) == _story(7, 48)


def _hanging_story(stalled: str, looks: int) -> bytes:
    columns = [agent("a", "x", stalls=0.4), agent("b", "{a}", stalls=0.4)]
    table = {"id": GENERIC, "name": "T", "columns": columns, "rows": 60}
    pace = {"shows_after": 30, "stalls_for": 90, "parallel": 7}
    world = World({"tables": [table], "pace": pace, "assumptions": {"stalled_cells": stalled}})
    for mode in ("new", "new", "all"):
        world.run(mode=mode)
        for _ in range(looks):
            world.live.advance(60 / looks)
            world.client.get(f"/v1/tables/{GENERIC}")
    return world.client.get(f"/v1/tables/{GENERIC}/data").content


@pytest.mark.parametrize("stalled", ["pending", "in_progress"])
def test_looking_changes_nothing_of_late_runs_and_of_cells_that_hang(stalled: str) -> None:
    """Runs show, and cells hang and come loose, at their moments, however often it is read."""
    assert _hanging_story(stalled, 1) == _hanging_story(stalled, 60)


def test_a_running_clock_is_as_fast_as_it_is_told() -> None:
    """At speed 60 a second of the source is a minute."""
    source = iter([100.0, 101.0, 102.0])
    clock = RunningClock(60, source=lambda: next(source))
    assert clock.now() - START == 60
    clock.advance(5)
    assert clock.now() - START == 125


@pytest.mark.parametrize("clock", [ManualClock(), RunningClock()])
def test_time_does_not_run_backwards(clock: ManualClock | RunningClock) -> None:
    """Neither clock can be set back."""
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)


def test_a_reset_world_begins_like_the_first() -> None:
    """After a reset the table is as it was described and nothing was paid for; only time goes on."""
    world = World(WORKSPACE)
    before = world.get(f"/v1/tables/{GENERIC}/data")
    world.run()
    world.live.finish()
    world.live.reset()
    assert world.live.charges() == {}
    assert world.live.requests() == []
    after = world.get(f"/v1/tables/{GENERIC}/data")
    assert [row["data"] for row in after["rows"]] == [row["data"] for row in before["rows"]]
    assert after["columns"][0]["id"] == before["columns"][0]["id"]


def test_a_served_simulator_leaves_no_thread_behind() -> None:
    """The server's thread ends with the `with` block."""
    with serve(WORKSPACE) as live:
        assert live.url.startswith("http://127.0.0.1:")
        assert any(thread.name == "simulator" for thread in threading.enumerate())
    assert not any(thread.name == "simulator" for thread in threading.enumerate())
