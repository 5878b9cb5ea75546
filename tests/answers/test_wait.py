"""`wait` does what `apply --wait` does after its last call, and sends nothing."""

import json

import pytest

from tests.at_most_once.small_tables import let_pass, states
from tests.journey.conftest import MakeDesk
from tests.journey.desk import FILL, NOWHERE, REFRESH, Desk, accounts, agent


def settlements(desk: Desk) -> dict[str, dict[str, int] | None]:
    """Return what became of each call by the ledger, by its address and id."""
    calls = desk.run("ledger", "list", "--format", "json").json
    return {f"{call['address']} {call['id'][:4]}": call["settlement"] for call in calls}


def test_what_an_apply_left_is_settled(desk: Desk) -> None:
    """Each call's cells are told and recorded; nothing is sent, and a second time there is nothing to wait for."""
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert set(map(str, settlements(desk).values())) == {"None"}
    desk.simulator.finish()
    sent = desk.posts()
    said = desk.run("wait")
    assert said.code == 0, said.err
    assert said.out.count(" done  ") == 3
    assert said.out.endswith("\nWaited: 3 of 3 accepted calls settled, 8 cells done.\n")
    assert {json.dumps(each) == "null" for each in settlements(desk).values()} == {False}
    again = desk.run("wait")
    assert (again.code, again.out) == (
        0,
        "Nothing to wait for: every table is idle. No call was left to settle.\n",
    )
    assert desk.posts() == sent


def test_it_waits_while_a_table_runs(make_desk: MakeDesk) -> None:
    """As long as it takes."""
    desk = make_desk(accounts(), clock=None, speed=30)
    desk.write(FILL)
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    said = desk.run("wait")
    assert (said.code, "8 cells done" in said.out) == (0, True)


def test_failed_cells_exit_6(make_desk: MakeDesk) -> None:
    """They are counted in each call's line and in the last one."""
    table = accounts()
    table["columns"][1] = agent("news", fails=1.0)
    desk = make_desk(table)
    desk.write(FILL)
    desk.run("apply", "--yes", "--no-wait", "--target", "target-accounts/fill")
    desk.simulator.finish()
    said = desk.run("wait")
    assert said.code == 6
    assert "4 cells done. Exit code 6: 3 cells failed. Next: `reconciler plan`" in said.out


def test_its_timeout_is_not_an_error(desk: Desk) -> None:
    """It says which table still runs, and how to go on; nothing is settled."""
    desk.run("apply", "--yes", "--no-wait")
    said = desk.run("wait", "--timeout", "0.2")
    assert said.code == 0
    assert "0 of 3 accepted calls settled" in said.out
    assert said.out.endswith("1 table still running. Next: `reconciler wait`, which goes on waiting.\n")


def test_a_call_that_never_showed_has_rested_long_ago(make_desk: MakeDesk) -> None:
    """The quiet period counts from the acceptance and not from the beginning of the waiting."""
    desk = make_desk(accounts(), pace={"shows_after": 9_000})
    desk.write(FILL)
    desk.run("apply", "--yes", "--no-wait", "--target", "target-accounts/fill")
    let_pass(desk, 3600.0)
    said = desk.run("wait", "--timeout", "30")
    assert said.code == 6
    assert "not started." in said.out


def test_a_doubt_that_the_table_ends_is_recorded(desk: Desk) -> None:
    """Landed: the call is settled like any other."""
    desk.write(REFRESH)
    desk.simulator.fault("status", status=502, method="POST", path="/v1/tables/*/run", times=1, when="after")
    assert desk.run("apply", "--yes", "--no-wait").code == 7
    desk.simulator.finish()
    said = desk.run("wait")
    assert (said.code, "6 cells done" in said.out) == (0, True)
    assert set(states(desk).values()) == {"accepted"}
    assert set(map(str, settlements(desk).values())) == {"{'done': 6, 'failed': 0, 'not_started': 0}"}


def test_a_doubt_that_nothing_ends_exits_7(desk: Desk) -> None:
    """With the words of an apply."""
    desk.write(REFRESH)
    desk.simulator.fault("status", status=502, method="POST", path="/v1/tables/*/run", times=1)
    desk.run("apply", "--yes", "--no-wait")
    said = desk.run("wait")
    assert said.code == 7
    assert "1 call is in doubt" in said.out
    assert "--not-landed" in said.out


def test_a_table_that_cannot_be_read_is_an_error_at_its_line(desk: Desk) -> None:
    """Nothing is waited for then."""
    desk.write(FILL.replace("0a1a669a-9a40-497c-bb00-d49dd8ee5b74", NOWHERE))
    said = desk.run("wait")
    assert said.code == 1
    assert "manifests/accounts.yaml:7:" in said.err


@pytest.mark.parametrize("ci", ["", "true"])
def test_it_creates_no_ledger(desk: Desk, ci: str) -> None:
    """Without one no call is left; not even in CI is that an error."""
    desk.extra["CI"] = ci
    assert desk.run("wait").code == 0
    assert not (desk.folder / ".reconciler").exists()
