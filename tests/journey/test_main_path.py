"""Manifests → plan → apply → nothing left to do, over real HTTP, with every charge counted."""

from pathlib import Path

import pytest

from tests.journey.conftest import MakeDesk
from tests.journey.desk import FILL, NOWHERE, REFRESH, Desk, accounts, agent, row_id

DUE = {
    ("news", row_id(2)): 1,
    ("news", row_id(3)): 1,
    ("news", row_id(4)): 1,
    ("news", row_id(6)): 1,
    ("notes", row_id(2)): 1,
    ("notes", row_id(4)): 1,
    ("notes", row_id(5)): 1,
    ("notes", row_id(6)): 1,
}


def test_exactly_the_due_cells_are_charged_once(desk: Desk) -> None:
    """Apply buys the empty and the failed cells, and applying again buys nothing."""
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert desk.charged() == DUE
    desk.simulator.finish()
    second = desk.run("apply", "--yes", "--no-wait")
    assert (second.code, "nothing was sent" in second.out) == (0, True)
    assert desk.charged() == DUE


def test_applying_again_at_once_finds_the_table_running(desk: Desk) -> None:
    """A second apply while the cells are on their way sends nothing."""
    desk.run("apply", "--yes", "--no-wait")
    posts = len(desk.posts())
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert len(desk.posts()) == posts


def test_cells_that_still_run_are_not_called_as_wanted(desk: Desk) -> None:
    """A refresh that was accepted is not due, and not there yet either."""
    desk.write(REFRESH)
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert desk.run("plan").out == "Nothing to do: 1 table, 1 run, no cell in scope is due while 1 table is running.\n"
    desk.simulator.finish()
    assert "every cell in scope is where the manifests want it" in desk.run("plan").out


def test_the_calls_sent_are_the_calls_planned(desk: Desk) -> None:
    """The plan's calls are exact POST bodies."""
    calls = desk.run("plan", "--format", "json").json["calls"]
    desk.run("apply", "--yes", "--no-wait")
    planned = [{"mode": call["mode"], "rows": call["rows"], "columns": call["columns"]} for call in calls]
    assert desk.posts() == planned


def test_all_buys_each_cell_once_per_revision(make_desk: MakeDesk) -> None:
    """A revision is bought once; a new revision buys the same cells again, and nothing else does."""
    desk = make_desk(accounts())
    desk.write(REFRESH)
    desk.run("apply", "--yes", "--no-wait")
    desk.simulator.finish()
    desk.run("apply", "--yes", "--no-wait")
    assert set(desk.charged().values()) == {1}
    assert len(desk.charged()) == 6
    desk.write(REFRESH.replace("revision: r1", "revision: r2").replace("name: refresh", "name: renamed"))
    desk.run("apply", "--yes", "--no-wait")
    assert set(desk.charged().values()) == {2}


def test_renaming_a_manifest_buys_nothing(make_desk: MakeDesk) -> None:
    """Satisfaction belongs to table, column, row and revision, not to names."""
    desk = make_desk(accounts())
    desk.write(REFRESH)
    desk.run("apply", "--yes", "--no-wait")
    desk.simulator.finish()
    desk.write(REFRESH.replace("name: target-accounts", "name: other-name").replace("name: refresh", "name: again"))
    assert desk.run("plan", "--format", "json").json["calls"] == []


def test_a_row_added_later_is_due_at_the_current_revision(make_desk: MakeDesk) -> None:
    """Only the new row is bought; the rest was bought at this revision."""
    desk = make_desk(accounts())
    desk.write(REFRESH)
    desk.run("apply", "--yes", "--no-wait")
    desk.simulator.finish()
    desk.simulator.fault("rows_added", method="GET", path="/v1/tables/*/data", times=1, rows=1)
    desk.run("plan")
    plan = desk.run("plan", "--format", "json").json
    assert plan["totals"]["cells"] == 1


def test_failed_cells_are_rerun_until_their_attempts_are_used_up(make_desk: MakeDesk) -> None:
    """`max_attempts: 2` buys a cell that keeps failing twice, then the plan says that it is out of attempts."""
    table = accounts()
    table["columns"][1] = agent("news", fails=1.0)
    desk = make_desk(table, clock=None, speed=30)
    desk.write(FILL)
    assert [desk.run("apply", "--yes", "--wait").code for _ in range(4)] == [6, 6, 6, 0]
    assert desk.charged()["news", row_id(2)] == 2  # two reruns
    assert desk.charged()["news", row_id(3)] == 3  # the first run, then two reruns
    assert "4 cells out of attempts" in desk.run("plan").out


def test_waiting_settles_the_calls(make_desk: MakeDesk) -> None:
    """`--wait` reads the cells once more, reports them, and the ledger keeps the count."""
    desk = make_desk(accounts(), clock=None, speed=30)
    desk.write(FILL)
    report = desk.run("apply", "--yes", "--wait", "--format", "json").json
    assert [call["settled"]["done"] for call in report["calls"]] == [3, 4, 1]
    assert report["waited"]
    states = {call["settled_at"] is not None for call in desk.run("ledger", "list", "--format", "json").json}
    assert states == {True}


def test_failed_cells_after_waiting_exit_6(make_desk: MakeDesk) -> None:
    """Waiting that finds failed cells is a partial success."""
    table = accounts()
    table["columns"][1] = agent("news", fails=1.0)
    desk = make_desk(table, clock=None, speed=30)
    desk.write(FILL)
    said = desk.run("apply", "--yes", "--wait")
    assert said.code == 6
    assert "4 failed" not in said.out
    assert "3 failed" in said.out


def test_waiting_ends_at_its_timeout(desk: Desk) -> None:
    """Running out of time is not an error of the calls."""
    said = desk.run("apply", "--yes", "--wait", "--timeout", "0.3")
    assert said.code == 0
    assert "still running" in said.out


def test_detailed_exit_codes(desk: Desk) -> None:
    """2 says that there are calls, or that some were sent; 0 that there was nothing to do."""
    assert desk.run("plan", "--detailed-exitcode").code == 2
    assert desk.run("apply", "--yes", "--no-wait", "--detailed-exitcode").code == 2
    desk.simulator.finish()
    assert desk.run("plan", "--detailed-exitcode").code == 0
    assert desk.run("apply", "--yes", "--no-wait", "--detailed-exitcode").code == 0


def test_a_limit_refuses_before_anything_is_sent(desk: Desk) -> None:
    """A limit from a flag or the project file exits 3 and names where it was set."""
    said = desk.run("apply", "--yes", "--no-wait", "--max-credits", "7")
    assert (said.code, desk.posts()) == (3, [])
    assert "8 credits are due and the limit is 7" in said.err
    assert "--max-credits" in said.err
    desk.write("apiVersion: reconciler/v1\nkind: Project\nspec:\n  limits:\n    max_cells: 3\n", name="reconciler.yaml")
    said = desk.run("apply", "--yes", "--no-wait")
    assert (said.code, desk.posts()) == (3, [])
    assert "reconciler.yaml:5" in said.err


def test_targets_narrow_the_plan(desk: Desk) -> None:
    """`--target` and `--exclude` choose runs by manifest, name/run and label; what matches nothing is an error."""
    only = desk.run("plan", "--format", "json", "--target", "target-accounts/retry").json
    assert [call["address"] for call in only["calls"]] == ["target-accounts/retry"]
    assert only["targeted"]["include"] == ["target-accounts/retry"]
    rest = desk.run("plan", "--format", "json", "--target", "team=gtm", "--exclude", "target-accounts/retry").json
    assert {call["address"] for call in rest["calls"]} == {"target-accounts/fill"}
    wrong = desk.run("plan", "--target", "nothing")
    assert (wrong.code, "matches no run" in wrong.err) == (1, True)


def test_a_table_that_does_not_exist_is_reported_at_its_line(desk: Desk) -> None:
    """404 is a diagnostic where the manifest names the table; the other tables are still planned."""
    desk.write(FILL.replace("target-accounts", "elsewhere").replace("0a1a669a-9a40-497c-bb00-d49dd8ee5b74", NOWHERE),
               name="manifests/elsewhere.yaml")  # fmt: skip
    said = desk.run("plan", "--format", "json")
    assert said.code == 1
    plan = said.json
    assert plan["errored"]
    assert [(each["path"], each["line"]) for each in plan["diagnostics"]] == [("manifests/elsewhere.yaml", 7)]
    assert plan["calls"]
    applied = desk.run("apply", "--yes", "--no-wait")
    assert applied.code == 1
    assert "manifests/elsewhere.yaml:7:" in applied.err
    assert desk.posts() == []


def test_a_saved_plan_is_single_use(desk: Desk) -> None:
    """Applying a plan file twice sends its calls once."""
    desk.run("plan", "--out", "plan.json")
    assert desk.run("apply", "--no-wait", "--plan", "plan.json").code == 0
    desk.simulator.finish()
    assert desk.run("apply", "--no-wait", "--plan", "plan.json").code == 0
    assert desk.charged() == DUE


def test_the_plan_writes_nothing_but_the_file_asked_for(desk: Desk, tmp_path: Path) -> None:
    """No ledger, no folder, no file appears beside `--out`."""
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    desk.run("plan", "--out", "plan.json")
    assert {path for path in tmp_path.rglob("*") if path.is_file()} - before == {tmp_path / "plan.json"}


def test_the_same_state_gives_the_same_plan(desk: Desk) -> None:
    """Two plans of the same state differ in their times alone, and in the id that covers them."""
    first, second = (desk.run("plan", "--format", "json").json for _ in range(2))
    for plan in (first, second):
        del plan["created_at"], plan["plan_id"]
    assert first == second


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes", "--no-wait"]])
def test_without_a_token_nothing_is_asked(desk: Desk, command: list[str]) -> None:
    """A missing token is an error that names the variable."""
    desk.extra["EXTRUCT_API_TOKEN"] = ""
    said = desk.run(*command)
    assert (said.code, desk.simulator.requests()) == (1, [])
    assert "EXTRUCT_API_TOKEN" in said.err


def test_the_token_appears_nowhere(desk: Desk, tmp_path: Path) -> None:
    """Neither in what is said nor in any file."""
    token = "sekret-0123456789"
    desk.extra["EXTRUCT_API_TOKEN"] = token
    said = [desk.run("-v", "plan", "--out", "plan.json"), desk.run("-v", "apply", "--yes", "--no-wait")]
    assert {each.code for each in said} == {1}
    texts = [each.out + each.err for each in said]
    texts += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(token in text for text in texts)


def test_a_saved_plan_says_how_it_is_applied(desk: Desk) -> None:
    """A plan that is not saved yet says how to save it, too."""
    assert "or save it with `--out plan.json`" in desk.run("plan").out
    said = desk.run("plan", "--out", "plan.html", "--out", "week.json").out
    assert said.endswith("Nothing was sent.\nApply it with `reconciler apply --plan week.json`.\n")
