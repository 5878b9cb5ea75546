"""`drift` is `plan` for cron: quiet and 0 where nothing is due, a line a cause and 2 where something is."""

from pathlib import Path

import pytest

from reconciler.manifests import json_schema
from tests.freshness.aged_ledger import later
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, FILL, NOWHERE, REFRESH, Desk, accounts, agent


def test_every_cause_is_a_line(desk: Desk) -> None:
    """With the run's address and how many cells; the exit code is 2."""
    said = desk.run("drift")
    assert said.code == 2
    assert said.out == "target-accounts/fill: 7 cells have no value\ntarget-accounts/retry: 1 cell is failed\n"


def test_a_revision_that_was_not_run_is_named(make_desk: MakeDesk) -> None:
    """However many calls it takes."""
    desk = make_desk(accounts())
    desk.write(REFRESH)
    desk.write(
        "apiVersion: reconciler/v1\nkind: Project\nspec: {api: {max_cells_per_call: 2}}\n", name="reconciler.yaml"
    )
    said = desk.run("drift")
    assert (said.code, said.out) == (2, "target-accounts/refresh: 6 cells were not run at revision r1\n")


def test_a_settled_project_says_nothing(desk: Desk) -> None:
    """Cron sends no mail, and the exit code is 0; so it is while the cells are under way, with a word on stderr.

    Another word says what has ended, until the ledger has it.
    """
    desk.run("apply", "--yes", "--no-wait")
    said = desk.run("drift")
    assert (said.code, said.out, "is running" in said.err) == (0, "", True)
    desk.simulator.finish()
    said = desk.run("drift")
    assert (said.code, said.out, "3 earlier calls have ended" in said.err) == (0, "", True)
    desk.run("wait")
    said = desk.run("drift")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_a_doubt_is_drift(desk: Desk) -> None:
    """A call in doubt is a cause of its own, until the doubt ends."""
    desk.write(REFRESH)
    desk.simulator.fault("status", status=502, method="POST", path="/v1/tables/*/run", times=1)
    assert desk.run("apply", "--yes", "--no-wait").code == 7
    said = desk.run("drift")
    assert said.code == 2
    assert said.out.startswith("target-accounts/refresh: in doubt: 6 cells of call ")
    document = desk.run("drift", "--format", "json").json
    (call,) = document["in_doubt"]
    assert (document["drifted"], call["cells"]) == (True, 6)
    assert [(each["reason"], each["severity"], each["cells"], each["call"]) for each in document["causes"]] == [
        ("in_doubt", "error", 6, call["id"])
    ]
    assert json_schema.problems("drift", document) == []


def test_json_holds_the_same(desk: Desk) -> None:
    """Causes with cells and credits, by a schema."""
    said = desk.run("drift", "--format", "json")
    document = said.json
    assert (said.code, json_schema.problems("drift", document)) == (2, [])
    keys = ("address", "reason", "cells", "credits", "severity")
    assert [tuple(each[key] for key in keys) for each in document["causes"]] == [
        ("target-accounts/fill", "cells_empty", 7, 7, "info"),
        ("target-accounts/retry", "cells_failed", 1, 1, "info"),
    ]


def test_drift_and_plan_agree(desk: Desk) -> None:
    """Cell for cell."""
    causes = desk.run("drift", "--format", "json").json["causes"]
    plan = desk.run("plan", "--format", "json").json
    assert sum(each["cells"] for each in causes) == plan["totals"]["cells"]


def test_an_error_is_an_error_even_where_something_is_due(desk: Desk) -> None:
    """1 and not 2: it is unknown how much is due. The known part is printed all the same."""
    desk.write(FILL.replace("target-accounts", "elsewhere").replace(ACCOUNTS, NOWHERE), "manifests/elsewhere.yaml")
    said = desk.run("drift")
    assert (said.code, said.out.count("\n")) == (1, 2)
    assert "manifests/elsewhere.yaml:7:" in said.err
    assert desk.run("drift", "--format", "json").json["errored"]
    desk.extra["EXTRUCT_API_TOKEN"] = ""
    assert desk.run("drift").code == 1


def test_drift_reads_only(desk: Desk, tmp_path: Path) -> None:
    """GET alone, and no file."""
    before = sorted(tmp_path.rglob("*"))
    desk.run("drift")
    assert {method for method, _, _ in desk.simulator.requests()} == {"GET"}
    assert sorted(tmp_path.rglob("*")) == before


def test_targets_narrow_it(desk: Desk) -> None:
    """As they do for `plan`."""
    assert desk.run("drift", "--target", "target-accounts/retry").out.count("\n") == 1
    assert desk.run("drift", "--exclude", "team=gtm").code in (0, 1)


@pytest.fixture
def dead_end(make_desk: MakeDesk) -> Desk:
    """Return a project whose failed cells are out of attempts, and which has nothing due."""
    table = accounts()
    table["columns"][1] = agent("news", fails=1.0)
    desk = make_desk(table, clock=None, speed=30)
    desk.write(FILL)
    for _ in range(3):
        desk.run("apply", "--yes", "--wait")
    return desk


def test_a_dead_end_is_told_and_counts_if_asked(dead_end: Desk) -> None:
    """No apply ever buys its cells, so without a word they would be forgotten; by itself it is not drift."""
    said = dead_end.run("drift")
    assert said.code == 0
    assert said.out == (
        "target-accounts/retry: dead end: 4 cells are failed and out of attempts; change the column, "
        "or raise `max_attempts` above 2\n"
    )
    document = dead_end.run("drift", "--format", "json", "--fail-on", "dead_end").json
    (cause,) = document["causes"]
    assert (document["drifted"], cause["severity"], cause["credits"]) == (True, "warning", 0)
    assert json_schema.problems("drift", document) == []
    codes = {
        kinds: dead_end.run("drift", "--fail-on", kinds).code
        for kinds in ("dead_end", "due,dead_end", "due", "none", "due, in_doubt")
    }
    assert codes == {"dead_end": 2, "due,dead_end": 2, "due": 0, "none": 0, "due, in_doubt": 0}


def test_cells_that_never_started_are_a_dead_end(make_desk: MakeDesk) -> None:
    """They were paid for, so only a person may have them bought again."""
    table = accounts()
    table["columns"][1] = agent("news", stalls=1.0)
    desk = make_desk(table)
    desk.write(FILL[: FILL.index("    - name: retry")])
    desk.run("apply", "--yes", "--no-wait")
    desk.simulator.advance(900)
    later(desk, 900)
    said = desk.run("drift", "--fail-on", "dead_end")
    line = "target-accounts/fill: dead end: 3 cells were bought and never started; look at the table, or raise"
    assert (said.code, [each[: len(line)] for each in said.out.splitlines()]) == (2, [line]), said


def test_what_counts_as_drift_can_be_chosen(desk: Desk) -> None:
    """The causes are told all the same; a kind that does not exist is named with those that do."""
    said = desk.run("drift", "--fail-on", "in_doubt")
    assert (said.code, said.out.count("\n")) == (0, 2)
    for kinds in ("", "dead", "none,due", "due,,in_doubt"):
        said = desk.run("drift", "--fail-on", kinds)
        assert (said.code, "due, dead_end, outside, in_doubt" in said.err) == (64, True)
