"""Runs: which cells they take, their cost, and how the cells end."""

import pytest

from tests.simulator.workspaces import COMPANY, GENERIC, WORKSPACE, World, agent, row_id


def test_new_takes_cells_without_values_that_are_not_failed() -> None:
    """Mode `new` buys the empty cells of complete rows, and neither done nor failed ones nor rows without inputs."""
    world = World(WORKSPACE)
    receipt = world.run(mode="new")
    assert receipt["num_requested_cells"] == 3
    assert (world.paid("fact"), world.paid("joke")) == ([0, 0, 0, 1, 0], [0, 0, 1, 1, 0])


def test_failed_takes_failed_cells_only() -> None:
    """Mode `failed` buys failed cells again and nothing else."""
    world = World(WORKSPACE)
    assert world.run(mode="failed")["num_requested_cells"] == 2
    assert (world.paid("fact"), world.paid("joke")) == ([0, 0, 1, 0, 0], [0, 1, 0, 0, 0])


def test_all_takes_every_eligible_cell_and_overwrites_it() -> None:
    """Mode `all` buys every cell of complete rows, and a done cell says something else afterwards."""
    world = World(WORKSPACE)
    before = world.get(f"/v1/tables/{GENERIC}/rows/{row_id(1)}")["data"]["fact"]
    assert world.run(mode="all")["num_requested_cells"] == 8
    world.live.finish()
    after = world.get(f"/v1/tables/{GENERIC}/rows/{row_id(1)}")["data"]["fact"]
    assert before["status"] == after["status"] == "done"
    assert before["value"] != after["value"]


def test_rows_and_columns_narrow_a_run() -> None:
    """A run takes no cell outside the rows and columns it names; input columns among them cost nothing."""
    world = World(WORKSPACE)
    receipt = world.run(mode="all", rows=[row_id(1), row_id(2)], columns=["fact", "topic"])
    assert receipt["num_requested_cells"] == 2
    assert receipt["rows"] == [row_id(1), row_id(2)]
    assert set(world.live.charges()) == {(GENERIC, world.column(GENERIC, "fact"), row_id(each)) for each in (1, 2)}


def test_an_empty_scope_is_nothing_and_a_missing_one_is_everything() -> None:
    """An empty list of rows runs no cell, unlike null."""
    world = World(WORKSPACE)
    receipt = world.run(mode="all", rows=[])
    assert (receipt["num_requested_cells"], receipt["status"]) == (0, "done")
    assert world.run(mode="all", rows=None)["num_requested_cells"] == 8


def test_a_bare_run_is_mode_new() -> None:
    """A run without a body is mode `new` over the whole table."""
    world = World(WORKSPACE)
    receipt = world.ask("POST", f"/v1/tables/{GENERIC}/run")
    assert (receipt["mode"], receipt["num_requested_cells"], receipt["status"]) == ("new", 3, "created")


def test_cells_go_pending_then_in_progress_then_done() -> None:
    """A cell is pending when the run is accepted, in progress after the delay, and done in its time."""
    world = World(WORKSPACE)
    world.run(rows=[row_id(4)], columns=["fact"])
    seen = [world.cells("fact")[3]]
    for seconds in (1, 10):
        world.live.advance(seconds)
        seen.append(world.cells("fact")[3])
    assert seen == ["p", "i", "d"]


def test_a_cell_waits_for_its_upstream_cell() -> None:
    """A cell whose upstream cell is under way does not start before that one is done."""
    world = World(WORKSPACE)
    world.run(rows=[row_id(4)])
    world.live.advance(1)
    assert (world.cells("fact")[3], world.cells("joke")[3]) == ("i", "p")
    world.live.advance(10)
    assert (world.cells("fact")[3], world.cells("joke")[3]) == ("d", "i")
    world.live.finish()
    assert world.cells("joke")[3] == "d"


def test_a_cell_waits_for_another_runs_upstream_cell() -> None:
    """A run of the downstream column first waits until a later run brings the upstream cell."""
    world = World(WORKSPACE)
    world.run(rows=[row_id(4)], columns=["fact"])
    world.run(rows=[row_id(4)], columns=["joke"])
    world.live.finish()
    assert world.cells("joke")[3] == "d"


def test_a_cell_without_its_upstream_never_starts() -> None:
    """A cell whose upstream cell is not done is paid for, stays pending, and does not keep the table running."""
    world = World(WORKSPACE)
    assert world.run(rows=[row_id(3)], columns=["joke"])["num_requested_cells"] == 1
    world.live.finish()
    assert world.cells("joke")[2] == "p"
    assert world.paid("joke")[2] == 1
    assert world.status()["run_status"] == "idle"


def test_a_failing_upstream_cell_leaves_the_others_stuck() -> None:
    """When an upstream cell fails, those that wait for it stay pending, and the table comes to rest."""
    columns = [agent("a", "x", fails=1.0), agent("b", "{a}"), agent("c", "{b}")]
    world = World({"tables": [{"id": GENERIC, "name": "Chain", "columns": columns, "rows": 3}]})
    world.run()
    world.live.finish()
    assert [world.cells(key) for key in "abc"] == [["f"] * 3, ["p"] * 3, ["p"] * 3]
    assert world.status()["num_cells_in_progress"] == 0


def test_extra_dependencies_count_like_references() -> None:
    """A column named in `extra_dependencies` is waited for."""
    extra = {"key": "b", "value": {"agent_type": "llm", "prompt": "x", "extra_dependencies": ["a"]}}
    world = World({"tables": [{"id": GENERIC, "name": "Extra", "columns": [agent("a", "x"), extra], "rows": 1}]})
    world.run(columns=["b"])
    world.live.finish()
    assert world.cells("b") == ["p"]


def test_the_first_attempts_can_be_made_to_fail() -> None:
    """With `fail_first: 2` a cell fails twice and is done at the third attempt."""
    world = World({"tables": [{"id": GENERIC, "name": "T", "columns": [agent("a", "x", fail_first=2)], "rows": 2}]})
    seen = []
    for mode in ("new", "failed", "failed"):
        world.run(mode=mode)
        world.live.finish()
        seen.append("".join(world.cells("a")))
    assert seen == ["ff", "ff", "dd"]
    assert world.paid("a") == [3, 3]


def test_a_share_of_cells_fails() -> None:
    """With `fails: 0.25` about a quarter of many cells fails."""
    world = World({"tables": [{"id": GENERIC, "name": "T", "columns": [agent("a", "x", fails=0.25)], "rows": 400}]})
    world.run()
    world.live.finish()
    assert 70 < world.cells("a").count("f") < 130


def test_several_runs_of_one_table_go_on_at_once() -> None:
    """Cells of two runs are in progress at the same moment."""
    columns = [agent("a", "x"), agent("b", "x")]
    pace = {"delay": 0, "fastest": 10, "slowest": 10, "parallel": 4}
    world = World({"pace": pace, "tables": [{"id": GENERIC, "name": "T", "columns": columns, "rows": 10}]})
    world.run(columns=["a"])
    world.run(columns=["b"])
    world.live.advance(1)
    assert world.cells("a").count("i") == 4
    world.live.advance(10)
    assert (world.cells("a").count("i"), world.cells("b").count("i")) == (2, 2)


def test_a_second_run_over_running_cells_is_paid_again() -> None:
    """A careless second `new` pays again for cells under way, and they still run once."""
    world = World(WORKSPACE)
    world.run(rows=[row_id(4)], columns=["fact"])
    world.live.advance(1)
    assert world.run(rows=[row_id(4)], columns=["fact"])["num_requested_cells"] == 1
    world.live.finish()
    assert world.paid("fact")[3] == 2
    assert world.live.state.find(GENERIC).column("fact").tries[3] == 1


def test_new_leaves_running_cells_alone_where_it_is_said_to() -> None:
    """With `new_takes_running: false` a second `new` finds nothing to buy."""
    world = World({**WORKSPACE, "assumptions": {"new_takes_running": False}})
    world.run()
    assert world.run()["num_requested_cells"] == 0


def test_new_takes_failed_cells_where_it_is_said_to() -> None:
    """With `new_takes_failed` mode `new` buys failed cells too."""
    world = World({**WORKSPACE, "assumptions": {"new_takes_failed": True}})
    assert world.run()["num_requested_cells"] == 5


def test_new_takes_a_done_cell_without_a_value() -> None:
    """A cell that is done with a null value does not already have a value."""
    cells = {"fact": {"status": "done", "value": None}, "joke": "done"}
    table = {**WORKSPACE["tables"][0], "rows": [{"id": row_id(1), "cells": cells}]}
    assert World({"tables": [table]}).run()["num_requested_cells"] == 1


@pytest.mark.parametrize("mode", ["new", "failed", "all"])
def test_without_credits_nothing_starts(mode: str) -> None:
    """A run that costs more than is left is 402 with its error, and neither charges nor starts anything."""
    world = World({**WORKSPACE, "billing": {"credits": 1}})
    answer = world.ask("POST", f"/v1/tables/{GENERIC}/run", 402, json={"mode": mode})
    assert answer["detail"]["error"] == "insufficient_credits"
    assert world.live.charges() == {}
    assert world.status()["run_status"] == "idle"


def test_credits_are_what_cells_cost() -> None:
    """A cell costs one credit, a people finder's two, and billing shows what is left."""
    world = World({**WORKSPACE, "billing": {"credits": 10}})
    world.run(COMPANY, columns=["funding", "people"])
    assert world.get("/v1/billing")["subscription"]["available_credits"] == 7


@pytest.mark.parametrize("error", ["plan_required", "payment_failed"])
def test_a_plan_can_refuse_every_run(error: str) -> None:
    """A workspace says that runs are refused, and why."""
    world = World({**WORKSPACE, "billing": {"refuses": error}})
    assert world.ask("POST", f"/v1/tables/{GENERIC}/run", 402)["detail"]["error"] == error


def test_a_finder_fills_a_child_people_table() -> None:
    """A finished finder cell puts people into the child table, with their parent row and its data."""
    world = World(WORKSPACE)
    parent = world.get(f"/v1/tables/{COMPANY}")
    (link,) = parent["child_relationships"]
    child = world.get(f"/v1/tables/{link['table_id']}")
    assert child["kind"] == "people"
    assert child["parent_relationships"] == [{"table_id": COMPANY, "relationship_type": "company_people"}]
    assert child["status"]["num_rows"] == 0
    world.run(COMPANY, columns=["people"])
    world.live.finish()
    rows = world.get(f"/v1/tables/{child['id']}/data")["rows"]
    assert 1 <= len(rows) <= 3
    assert {row["parent_row_id"] for row in rows} == {row_id(11)}
    assert "company_website" in rows[0]["parent_data"]
    assert {cell["status"] for row in rows for cell in row["data"].values()} == {"done"}
    assert all(row["data"]["profile_url"]["value"]["answer"].startswith("https://") for row in rows)


def test_a_finder_that_runs_again_finds_the_same_people() -> None:
    """A rerun of a finder neither doubles nor loses rows of the child table."""
    world = World(WORKSPACE)
    (child,) = world.live.state.find(COMPANY).children
    counts = []
    for _ in range(2):
        world.run(COMPANY, mode="all", columns=["people"])
        world.live.finish()
        counts.append(world.status(child)["num_rows"])
    assert counts[0] == counts[1] > 0


def test_company_and_people_tables_bring_columns_along() -> None:
    """Tables of these kinds begin with their documented columns, filled as soon as a row has its input."""
    world = World(WORKSPACE)
    data = world.get(f"/v1/tables/{COMPANY}/data")
    keys = [column["config"]["key"] for column in data["columns"]]
    assert keys[:4] == ["input", "company_profile", "company_name", "company_website"]
    assert data["rows"][0]["data"]["company_profile"]["status"] == "done"
    assert data["rows"][1]["is_missing_inputs"] is True
    assert world.live.charges() == {}


def test_agents_of_a_company_table_wait_for_its_name() -> None:
    """An agent column reads `company_name` without naming it, so it never starts where that is not done."""
    row = {"id": row_id(1), "cells": {"company_name": "failed"}}
    table = {"id": COMPANY, "name": "T", "kind": "company", "columns": [agent("a", "x")], "rows": [row]}
    world = World({"tables": [table]})
    world.run(COMPANY, columns=["a"])
    world.live.finish()
    assert world.cells("a", COMPANY) == ["p"]


def test_a_cell_that_runs_again_says_nothing_meanwhile() -> None:
    """A given value is gone as soon as its cell is queued again, and another one comes."""
    cells = {"fact": {"status": "done", "value": {"answer": "given"}}}
    table = {**WORKSPACE["tables"][0], "rows": [{"id": row_id(1), "cells": cells}]}
    world = World({"tables": [table]})
    told = []
    for _ in range(2):
        told.append(world.get(f"/v1/tables/{GENERIC}/rows/{row_id(1)}")["data"]["fact"])
        world.run(mode="all", columns=["fact"])
    world.live.finish()
    told.append(world.get(f"/v1/tables/{GENERIC}/rows/{row_id(1)}")["data"]["fact"])
    assert told[0]["value"]["answer"] == "given"
    assert told[1] == {"status": "pending", "value": None}
    assert told[2]["value"]["answer"] != "given"


def test_cells_that_wait_for_a_deleted_column_go_on() -> None:
    """A cell whose upstream column is deleted while its cells are queued waits for nothing any more."""
    pace = {"fastest": 10, "slowest": 10, "parallel": 2}
    columns = [agent("a", "x"), agent("b", "{a}")]
    world = World({"pace": pace, "tables": [{"id": GENERIC, "name": "T", "columns": columns, "rows": 5}]})
    world.run(columns=["b"])
    world.run(columns=["a"])
    world.live.advance(2)
    assert (world.cells("a").count("i"), world.cells("b").count("p")) == (2, 5)
    world.ask("DELETE", f"/v1/tables/{GENERIC}/columns/{world.column(GENERIC, 'a')}")
    world.live.finish()
    assert (world.cells("b"), world.status()["run_status"]) == (["d"] * 5, "idle")


def test_a_deleted_row_or_column_does_not_keep_a_table_running() -> None:
    """Cells under way that are deleted are gone, those that waited for them come to rest, and charges stay known."""
    world = World(WORKSPACE)
    world.run(mode="all")
    world.live.advance(1.5)
    world.ask("DELETE", f"/v1/tables/{GENERIC}/rows", json={"rows": [row_id(1)]})
    world.ask("DELETE", f"/v1/tables/{GENERIC}/columns/{world.column(GENERIC, 'fact')}")
    world.live.finish()
    assert world.status()["run_status"] == "idle"
    assert sum(world.live.charges().values()) == 8
