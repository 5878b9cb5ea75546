"""Cells that keep a client waiting: runs that show late, cells that are requested, cells that hang."""

from typing import Any

import msgspec
import pytest

from reconciler.simulator.faults import parse_fault
from tests.simulator.workspaces import COMPANY, GENERIC, WORKSPACE, World, agent, row_id

LATE = {**WORKSPACE, "pace": {"shows_after": 30}}
HALF_AN_HOUR = 1800.0
STALLED = ["pending", "in_progress"]


def generic(rows: Any = 1, assumptions: dict[str, Any] | None = None, **settings: Any) -> World:
    """Return a world with one table of one column `a`, and of `b` that reads it."""
    columns = [agent("a", "x", **settings), agent("b", "{a}")]
    table = {"id": GENERIC, "name": "T", "columns": columns, "rows": rows}
    return World({"tables": [table], "assumptions": assumptions or {}})


def company(assumptions: dict[str, Any] | None = None, **name: Any) -> World:
    """Return a world with one company table whose `company_name` is as said, and a column that does not name it."""
    value = {"agent_type": "llm", "prompt": "Name {input}."}
    columns = [{"key": "company_name", "value": value, **name}, agent("funding", "Find the funding.")]
    rows = [{"id": row_id(1), "data": {"input": "stripe.com"}}]
    table = {"id": COMPANY, "name": "T", "kind": "company", "columns": columns, "rows": rows}
    return World({"tables": [table], "assumptions": assumptions or {}})


def test_a_late_run_is_paid_for_before_it_shows() -> None:
    """For its time the table is idle and the cells are empty although they are charged; then they run."""
    world = World(LATE)
    receipt = world.run(rows=[row_id(4)])
    assert (receipt["status"], receipt["num_requested_cells"]) == ("created", 2)
    assert (world.paid("fact")[3], world.status()["run_status"], world.cells("fact")[3]) == (1, "idle", "p")
    world.live.advance(29)
    assert world.status()["num_cells_in_progress"] == 0
    world.live.advance(1)
    assert (world.status()["run_status"], world.status()["num_cells_in_progress"]) == ("running", 2)
    world.live.finish()
    assert (world.cells("fact")[3], world.cells("joke")[3]) == ("d", "d")
    assert world.paid("fact")[3] == 1


@pytest.mark.parametrize("gap", [10, 25])
def test_a_client_that_does_not_wait_pays_twice(gap: float) -> None:
    """A second run call before the first one shows takes the same cells again; they run once, whichever ends first."""
    world = World(LATE)
    for _ in range(2):
        world.run(rows=[row_id(4)], columns=["fact"])
        world.live.advance(gap)
    assert world.paid("fact")[3] == 2
    world.live.finish()
    assert world.live.state.find(GENERIC).column("fact").tries[3] == 1


@pytest.mark.parametrize(("mode", "before", "after"), [("all", "d", "p"), ("failed", "f", "p")])
def test_cells_stay_as_they_were_until_a_late_run_shows(mode: str, before: str, after: str) -> None:
    """Cells that are bought again keep what they say until the run shows."""
    world = World(LATE)
    row = 0 if mode == "all" else 2
    world.run(mode=mode, rows=[row_id(row + 1)], columns=["fact"])
    seen = [world.cells("fact")[row]]
    world.live.advance(30)
    seen.append(world.cells("fact")[row])
    assert seen == [before, after]
    world.live.finish()
    assert world.cells("fact")[row] == "d"


def test_a_late_run_of_what_is_gone_meanwhile_does_nothing() -> None:
    """Rows, columns and tables that are deleted before a run shows do not come back."""
    world = World(LATE)
    world.run(mode="all")
    world.ask("DELETE", f"/v1/tables/{GENERIC}/rows", json={"rows": [row_id(1)]})
    world.ask("DELETE", f"/v1/tables/{GENERIC}/columns/{world.column(GENERIC, 'joke')}")
    world.run(COMPANY)
    world.ask("DELETE", f"/v1/tables/{COMPANY}")
    world.live.advance(30)
    assert world.status()["num_cells_in_progress"] == 3
    world.live.finish()
    assert world.cells("fact") == ["d", "d", "d", "p"]


def test_a_queued_cell_can_say_that_it_is_requested() -> None:
    """With `queued_cells: requested` a cell is requested, then in progress, then done; it counts as in progress."""
    world = World({**WORKSPACE, "assumptions": {"queued_cells": "requested"}})
    world.run(rows=[row_id(4)], columns=["fact"])
    seen = [(world.cells("fact")[3], world.status()["num_cells_in_progress"])]
    for seconds in (1, 10):
        world.live.advance(seconds)
        seen.append((world.cells("fact")[3], world.status()["num_cells_in_progress"]))
    assert seen == [("r", 1), ("i", 1), ("d", 0)]


def test_a_requested_cell_of_the_beginning_begins_beside_one_in_progress() -> None:
    """Like a pending one: alone nothing runs it, and `new` takes it."""
    beside = generic([{"cells": {"a": "in_progress"}}, {"cells": {"a": "requested"}}])
    assert beside.status()["num_cells_in_progress"] == 2
    beside.live.finish()
    assert beside.cells("a") == ["d", "d"]
    alone = generic([{"cells": {"a": "requested"}}])
    assert (alone.cells("a"), alone.status()["run_status"]) == (["r"], "idle")
    assert alone.run(columns=["a"])["num_requested_cells"] == 1


def test_a_cell_that_stalls_is_paid_for_and_stays_pending() -> None:
    """Nothing waits for it: the table is idle, those that read it never start, and after half an hour it is done."""
    world = generic(stalls=1.0)
    world.run()
    world.live.finish()
    assert (world.cells("a"), world.cells("b"), world.status()["run_status"]) == (["p"], ["p"], "idle")
    assert (world.paid("a"), world.paid("b")) == ([1], [1])
    world.live.advance(HALF_AN_HOUR)
    assert world.status()["run_status"] == "running"
    world.live.finish()
    assert (world.cells("a"), world.cells("b"), world.paid("a")) == (["d"], ["p"], [1])


def test_a_share_of_cells_stalls_and_is_drawn_again() -> None:
    """Some of many cells hang, and when they are bought again most of them do not."""
    world = generic(400, stalls=0.25)
    stuck = []
    for _ in range(2):
        world.run(columns=["a"])
        world.live.finish()
        stuck.append(world.cells("a").count("p"))
    assert 70 < stuck[0] < 130
    assert 10 < stuck[1] < 50
    world.live.advance(HALF_AN_HOUR)
    world.live.finish()
    assert world.cells("a").count("d") == 400
    assert max(world.live.state.find(GENERIC).column("a").tries) == 1


def test_a_stalled_cell_can_keep_its_table_running() -> None:
    """With `stalled_cells: in_progress` it is in progress for half an hour, and what reads it goes on afterwards."""
    world = generic(assumptions={"stalled_cells": "in_progress"}, stalls=1.0)
    world.run()
    world.live.advance(HALF_AN_HOUR)
    assert (world.cells("a"), world.status()["run_status"]) == (["i"], "running")
    world.live.finish()
    assert (world.cells("a"), world.cells("b")) == (["d"], ["d"])


@pytest.mark.parametrize("stalled", STALLED)
def test_a_built_in_cell_that_hangs_blocks_the_research_of_its_row(stalled: str) -> None:
    """It costs nothing itself; a column that does not name it is bought and does not start in time."""
    world = company({"stalled_cells": stalled}, stalls=1.0)
    world.live.advance(5)
    assert world.cells("company_name", COMPANY) == [stalled[0]]
    world.run(COMPANY, columns=["funding"])
    world.live.advance(60)
    assert (world.cells("funding", COMPANY), world.paid("funding", COMPANY)) == (["p"], [1])
    world.live.advance(HALF_AN_HOUR)
    world.live.finish()
    assert world.cells("company_name", COMPANY) == ["d"]
    assert world.cells("funding", COMPANY) == ["p" if stalled == "pending" else "d"]
    assert world.paid("company_name", COMPANY) == [0]


def test_built_in_cells_of_generated_and_new_rows_hang_too() -> None:
    """A share of the rows that a table begins with, and of those that are added."""
    table = {"id": COMPANY, "name": "T", "kind": "company", "rows": 100}
    world = World({"tables": [{**table, "columns": [{"key": "company_name", "stalls": 0.5}]}]})
    rows = {"rows": [{"data": {"input": f"{each}.com"}} for each in range(100)]}
    world.ask("POST", f"/v1/tables/{COMPANY}/rows", json=rows)
    cells = world.cells("company_name", COMPANY)
    assert 30 < cells[:100].count("p") < 70
    assert 30 < cells[100:].count("p") < 70
    assert (world.status(COMPANY)["run_status"], set(world.cells("company_website", COMPANY))) == ("idle", {"d"})


def test_a_fault_stalls_what_a_request_starts() -> None:
    """The cells of one run hang, and those of the next do not; reads in between are not counted."""
    world = generic()
    number = world.live.fault("stall", times=1)
    world.status()
    world.run(columns=["a"])
    world.live.finish()
    assert world.cells("a") == ["p"]
    world.run(columns=["a"])
    world.live.finish()
    assert (world.cells("a"), world.paid("a")) == (["d"], [2])
    told = world.client.get("/__simulator/faults").json()
    assert [(each["id"], each["matched"], each["met"]) for each in told] == [(number, 2, 1)]


def test_a_fault_can_stall_some_columns_for_some_time() -> None:
    """New rows get built-in cells that hang as long as it says; the other columns are filled."""
    world = company()
    world.live.fault("stall", method="POST", path="/v1/tables/*/rows", column="*_name", seconds=60)
    (row,) = world.ask("POST", f"/v1/tables/{COMPANY}/rows", json={"rows": [{"data": {"input": "ramp.com"}}]})
    told = [row["data"][key]["status"] for key in ("company_profile", "company_name", "company_website")]
    assert told == ["done", "pending", "done"]
    world.live.advance(60)
    world.live.finish()
    assert world.cells("company_name", COMPANY) == ["d", "d"]


def test_a_stall_can_be_said_on_the_command_line() -> None:
    """One line, as `--fault` takes it."""
    fault = parse_fault("stall path=/v1/tables/*/run times=1 column=company_name")
    assert msgspec.to_builtins(fault) == {
        "kind": "stall", "path": "/v1/tables/*/run", "times": 1, "column": "company_name",
    }  # fmt: skip
