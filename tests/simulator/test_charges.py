"""The simulator's oracle: what was asked and paid for."""

import threading

import httpx

from reconciler.simulator.testing import serve
from tests.simulator.workspaces import GENERIC, WORKSPACE, World, row_id


def test_charges_say_which_runs_paid() -> None:
    """Per cell: how often, and by which runs in order; in Python and over HTTP."""
    world = World(WORKSPACE)
    first = world.run(mode="all", rows=[row_id(1)], columns=["fact"])["id"]
    world.live.finish()
    second = world.run(mode="all", rows=[row_id(1), row_id(2)], columns=["fact"])["id"]
    column = world.column(GENERIC, "fact")
    assert world.live.charges() == {(GENERIC, column, row_id(1)): 2, (GENERIC, column, row_id(2)): 1}
    charges = world.get("/__simulator/charges")
    assert {(each["row_id"], each["times"], tuple(each["runs"])) for each in charges} == {
        (row_id(1), 2, (first, second)),
        (row_id(2), 1, (second,)),
    }
    assert world.get("/__simulator/charges", table_id=row_id(9)) == []


def test_charges_outlive_what_was_paid_for() -> None:
    """A deleted table's charges stay known."""
    world = World(WORKSPACE)
    world.run()
    world.ask("DELETE", f"/v1/tables/{GENERIC}")
    assert sum(world.live.charges().values()) == 3


def test_requests_are_remembered_without_the_token() -> None:
    """Method, path, query, headers and body of each request are known; the token is not."""
    world = World(WORKSPACE)
    world.ask("GET", "/v1/tables?limit=3", headers={"Idempotency-Key": "k-1"})
    world.run(rows=[row_id(4)])
    assert world.live.requests()[1] == ("POST", f"/v1/tables/{GENERIC}/run", {"mode": "new", "rows": [row_id(4)]})
    seen = world.get("/__simulator/requests")
    assert (seen[0]["query"], seen[0]["headers"]["idempotency-key"]) == ("limit=3", "k-1")
    assert "authorization" not in seen[0]["headers"]


def test_time_is_advanced_over_http() -> None:
    """The control endpoint moves time, and refuses to move it back."""
    world = World(WORKSPACE)
    world.run()
    world.ask("POST", "/__simulator/advance", json={"seconds": 60})
    assert world.status()["run_status"] == "idle"
    world.ask("POST", "/__simulator/advance", 422, json={"seconds": -1})


def test_the_status_sums_up() -> None:
    """Runs, cells, credits and requests in one answer, and a reset that forgets them."""
    world = World({**WORKSPACE, "billing": {"credits": 10}})
    receipt = world.run()
    status = world.get("/__simulator/status")
    assert (status["cells_charged"], status["credits_charged"], status["credits"]) == (3, 3, 7)
    assert [(run["id"], run["cells"]) for run in status["runs"]] == [(receipt["id"], 3)]
    assert (status["requests"], status["running"], status["open_requests"]) == (1, 1, 0)
    world.ask("POST", "/__simulator/reset")
    assert world.get("/__simulator/status")["runs"] == []


def test_the_highest_concurrency_is_known() -> None:
    """Requests that wait at the same time are counted together."""
    # One client for all: making one takes longer than the requests wait where the machine is busy.
    with serve(WORKSPACE) as live, httpx.Client(base_url=live.url) as client:
        live.fault("latency", seconds=0.3)
        threads = [threading.Thread(target=client.get, args=("/v1/healthcheck",)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert live.highest_concurrency == 5
