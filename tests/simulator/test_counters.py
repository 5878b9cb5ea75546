"""The counters agree with the cells at every moment, and the oracle with the receipts, whatever is done."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.example_counts import examples
from tests.simulator.workspaces import GENERIC, World, agent

COLUMNS = [
    {"kind": "input", "key": "topic"},
    agent("a", "{topic}", fails=0.3),
    agent("b", "{a}", fails=0.2),
    agent("c", "{topic} {b}"),
    agent("d", "nothing", fail_first=1),
]
TABLE = {
    "id": GENERIC,
    "name": "T",
    "columns": COLUMNS,
    "rows": 6,
    "shares": {"done": 0.3, "failed": 0.2},
    "missing_inputs": 0.2,
}
WORKSPACE = {"tables": [TABLE], "pace": {"parallel": 3}, "assumptions": {"empty_cells": "absent"}}

RUNS = st.tuples(st.just("run"), st.sampled_from(["new", "failed", "all"]), st.sets(st.sampled_from("abcd")))
STEPS = st.one_of(
    RUNS,
    RUNS,
    st.tuples(st.just("advance"), st.floats(0, 12)),
    st.tuples(st.just("add"), st.booleans()),
    st.tuples(st.just("drop"), st.integers(0, 10)),
    st.tuples(st.just("write"), st.integers(0, 10), st.sampled_from(["", "fire"])),
)


def _do(world: World, step: Any) -> int:
    """Carry out one step and return how many cells it asked for."""
    path = f"/v1/tables/{GENERIC}"
    rows = [row["id"] for row in world.get(f"{path}/data")["rows"]]
    match step:
        case ("run", mode, keys):
            return int(world.run(mode=mode, columns=sorted(keys))["num_requested_cells"])
        case ("advance", seconds):
            world.live.advance(seconds)
        case ("add", run):
            before = sum(world.live.charges().values())
            world.ask("POST", f"{path}/rows", json={"rows": [{"data": {"topic": "ice"}}], "run": run})
            return sum(world.live.charges().values()) - before
        case ("drop", number) if rows:
            world.ask("DELETE", f"{path}/rows", json={"rows": [rows[number % len(rows)]]})
        case ("write", number, text) if rows:
            change = {"id": rows[number % len(rows)], "data": {"topic": text}}
            world.ask("PATCH", f"{path}/rows", json={"rows": [change]})
    return 0


def _agree(world: World) -> None:
    """Compare the counters of the header with the cells of the same answer."""
    data = world.get(f"/v1/tables/{GENERIC}/data")
    cells = [cell["status"] for row in data["rows"] for key, cell in row["data"].items() if key != "topic"]
    status = data["status"]
    assert status["num_rows"] == len(data["rows"])
    assert status["num_cells_completed"] == cells.count("done") + cells.count("failed")
    under_way, waiting = cells.count("in_progress"), cells.count("pending")
    # A pending cell on a running table may also be a stuck one of an earlier run.
    assert under_way <= status["num_cells_in_progress"] <= under_way + waiting
    assert (status["run_status"] == "running") == (status["num_cells_in_progress"] > 0)
    assert world.status() == status


@settings(
    max_examples=examples(120),
    derandomize=True,
    database=None,
)
@given(st.lists(STEPS, max_size=12), st.integers(0, 5))
def test_counters_and_charges_agree_after_every_step(steps: list[Any], seed: int) -> None:
    """After each of many random steps the header counts what the rows show, and at the end the table comes to rest."""
    world = World(WORKSPACE, seed)
    requested = 0
    for step in steps:
        requested += _do(world, step)
        _agree(world)
    world.live.finish()
    _agree(world)
    assert world.status()["run_status"] == "idle"
    assert sum(world.live.charges().values()) == requested
