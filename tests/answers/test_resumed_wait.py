"""A wait that was interrupted goes on where it was: in the next apply, in what it reports and in what is written."""

from tests.answers.test_wait import settlements
from tests.at_most_once.small_tables import let_pass
from tests.journey.conftest import MakeDesk
from tests.journey.desk import FILL, REFRESH, Desk, accounts, agent

QUICK = {"delay": 0, "fastest": 0.01, "slowest": 0.05}


def test_an_apply_with_nothing_due_waits_for_what_an_earlier_one_sent(make_desk: MakeDesk) -> None:
    """It sends nothing, counts the cells, and writes them to the ledger; the next has nothing left to wait for."""
    desk = make_desk(accounts(), clock=None, pace={**QUICK, "delay": 0.3})
    desk.write(FILL)
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    sent = desk.posts()
    said = desk.run("apply", "--yes")
    assert said.code == 0, said.out
    assert "4 done  notes 4 cells" in said.out
    assert said.out.endswith("Applied: nothing was due, nothing was sent. 3 of 3 calls of earlier applies settled.\n")
    assert all(settlements(desk).values())
    assert desk.posts() == sent
    assert desk.run("apply", "--yes").out.endswith("Applied: nothing was due, nothing was sent.\n")


def test_what_had_ended_meanwhile_is_reported_too(desk: Desk) -> None:
    """With the exit code of its cells."""
    desk.run("apply", "--yes", "--no-wait")
    desk.simulator.finish()
    report = desk.run("apply", "--yes", "--format", "json").json
    assert report["calls"] == []
    assert {each["settled"]["failed"] for each in report["resumed"]} == {0}
    assert sum(each["settled"]["done"] for each in report["resumed"]) == 8


def test_failed_cells_of_an_earlier_apply_exit_6(make_desk: MakeDesk) -> None:
    """As they would have, had it waited; without waiting they are settled and not reported."""
    table = accounts()
    table["columns"][1] = agent("news", fails=1.0)
    for waits, code in (("--wait", 6), ("--no-wait", 0)):
        desk = make_desk(table)
        desk.write(FILL)
        fill = ["--ledger", f"./{waits}.db", "apply", "--target", "target-accounts/fill", "--yes"]
        assert desk.run(*fill, "--no-wait").code == 0
        desk.simulator.finish()
        said = desk.run(*fill, waits)
        assert (said.code, "3 cells failed" in said.out) == (code, code == 6), said.out


def test_a_timeout_leaves_it_for_the_next(desk: Desk) -> None:
    """Which the last line says, with the command."""
    desk.run("apply", "--yes", "--no-wait")
    said = desk.run("apply", "--yes", "--timeout", "0.1")
    assert said.code == 0
    assert said.out.endswith(
        " 0 of 3 calls of earlier applies settled. 1 table still running. "
        "Next: `reconciler wait`, which goes on waiting.\n"
    )


def test_a_call_that_never_showed_rests_from_its_acceptance(make_desk: MakeDesk) -> None:
    """Not from the beginning of the second wait."""
    desk = make_desk(accounts(), pace={"shows_after": 9_000})
    desk.write(FILL)
    desk.run("apply", "--yes", "--no-wait", "--target", "target-accounts/fill")
    let_pass(desk, 3600.0)
    said = desk.run("apply", "--yes", "--target", "target-accounts/fill", "--timeout", "30")
    assert said.code == 6
    assert "7 cells not started" in said.out


def test_what_only_reads_says_what_has_ended_and_writes_nothing(desk: Desk) -> None:
    """`plan`, `status` and `drift`; `apply` writes it, and then they no longer say it."""
    desk.run("apply", "--yes", "--no-wait", "--target", "target-accounts/fill")
    assert "ended" not in desk.run("plan").out
    desk.simulator.finish()
    head = "2 earlier calls have ended, as the live tables show; `reconciler wait` or the next apply writes it"
    for command in ("plan", "status"):
        told = desk.run(command).out
        assert told.startswith(head)
        assert "target-accounts/fill  4 cells  4 done" in told
    assert head in desk.run("drift").err
    assert set(settlements(desk).values()) == {None}
    desk.run("apply", "--yes", "--no-wait")
    assert "earlier calls" not in desk.run("plan").out


def test_a_doubt_that_the_table_ends_is_told(desk: Desk) -> None:
    """Landed or not."""
    desk.write(REFRESH)
    desk.simulator.fault("status", status=502, method="POST", path="/v1/tables/*/run", times=1, when="after")
    desk.run("apply", "--yes", "--no-wait")
    desk.simulator.finish()
    told = desk.run("plan").out
    assert "1 earlier call has ended" in told
    assert "6 done; was in doubt and landed" in told


def test_the_ledger_lists_and_finds_calls_by_the_same_names(desk: Desk) -> None:
    """`--state` takes the words of the list."""
    desk.run("apply", "--yes", "--no-wait", "--target", "target-accounts/fill")
    assert {line.split()[3] for line in desk.run("ledger", "list").out.splitlines()[1:-1]} == {"accepted"}
    desk.simulator.finish()
    desk.run("wait")
    desk.simulator.fault("status", status=502, method="POST", path="/v1/tables/*/run", times=1)
    desk.run("apply", "--yes", "--no-wait")
    listed = desk.run("ledger", "list").out.splitlines()[1:-1]
    states = [line.split()[3] for line in listed]
    assert sorted(set(states)) == ["in_doubt", "settled"]
    for state in set(states):
        found = desk.run("ledger", "list", "--state", state).out.splitlines()[1:-1]
        assert [line.split() for line in found] == [line.split() for line in listed if line.split()[3] == state]
