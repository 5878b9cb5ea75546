"""Answers that predate the present prompt: priced if asked for, and bought only by a run that follows the prompt."""

import httpx
import pytest

from reconciler.manifests import json_schema
from tests.journey.desk import ACCOUNTS, FILL, Desk

FOLLOW = f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: target-accounts
spec:
  table: {ACCOUNTS}
  runs:
    - name: follow
      mode: all
      columns: [news]
      revision: {{of: config}}
"""
STALE = "target-accounts/fill: 3 cells predate the present prompt: 3 credits (news)\n"


def change_prompt(desk: Desk, prompt: str) -> None:
    """Change the prompt of `news` as its owner would in the vendor's page."""
    (column,) = (each for each in desk.simulator.state.tables[ACCOUNTS].columns if each.key == "news")
    headers = {"Authorization": f"Bearer {desk.simulator.token}"}
    with httpx.Client(base_url=desk.simulator.url, headers=headers, trust_env=False) as page:
        value = {**column.config["value"], "prompt": prompt}
        assert page.patch(f"/v1/tables/{ACCOUNTS}/columns/{column.id}", json={"value": value}).is_success


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """Return the desk after an apply that bought the three empty cells of `news`; two were done before."""
    desk.write(FILL.replace("mode: new\n", "mode: new\n      columns: [news]\n").partition("    - name: retry")[0])
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    assert desk.run("wait").code == 0
    return desk


def test_answers_of_an_earlier_prompt_are_priced_and_not_due(filled: Desk) -> None:
    """Only what the ledger bought: of the others it is unknown which prompt gave them. It is not drift."""
    assert filled.run("drift", "--stale").out == ""
    change_prompt(filled, "Find something else.")
    said = filled.run("drift", "--stale")
    assert (said.code, said.out) == (0, STALE)
    assert filled.run("drift").out == ""
    document = filled.run("drift", "--stale", "--format", "json").json
    assert json_schema.problems("drift", document) == []
    (cause,) = document["causes"]
    assert (cause["reason"], cause["cells"], cause["credits"]) == ("predates_config", 3, 3)
    assert (cause["columns"], cause["severity"], document["drifted"]) == ({"news": 3}, "info", False)
    assert filled.run("apply", "--yes", "--no-wait").code == 0
    assert sum(filled.charged().values()) == 3


def test_the_same_prompt_again_is_not_stale(filled: Desk) -> None:
    """A prompt that was changed and changed back gave what is there."""
    change_prompt(filled, "Find something else.")
    change_prompt(filled, "Find it.")
    assert filled.run("drift", "--stale").out == ""


def test_explain_names_the_cells(filled: Desk) -> None:
    """Below the verdict, with the price; and in the JSON their rows."""
    change_prompt(filled, "Find something else.")
    said = filled.run("explain", "target-accounts", "--column", "news").out
    assert "· 5 cells done" in said
    assert "    3 cells predate the present prompt: 3 credits\n" in said
    found = filled.run("explain", "target-accounts", "--column", "news", "--format", "json").json["cells"]
    (stale,) = (group["predates_config"] for group in found if "predates_config" in group)
    assert (set(stale["rows"]), stale["credits"]) == ({row for (_, row) in filled.charged()}, 3)


def test_a_run_that_follows_the_configuration_buys_them_once_and_again_after_the_next_change(filled: Desk) -> None:
    """Within the limits; a checkpoint changes nothing; the two cells bought elsewhere are left alone."""
    filled.write(FOLLOW)
    assert filled.run("plan", "--format", "json").json["totals"]["cells"] == 0
    for number, prompt in enumerate(("Find something else.", "Find more."), 1):
        change_prompt(filled, prompt)
        plan = filled.run("plan", "--format", "json").json
        (call,) = plan["calls"]
        assert (call["cells"], call["reason"], call["mode"], call["revision"]) == (3, "config_changed", "all", None)
        assert plan["tables"][0]["runs"][0]["revision_of"] == "config"
        assert json_schema.problems("plan", plan) == []
        assert "follow: 3 cells were not run with the present configuration\n" in filled.run("drift").out
        assert filled.run("apply", "--yes", "--no-wait", "--max-credits", "2").code == 3
        assert filled.run("apply", "--yes", "--no-wait").code == 0
        filled.simulator.finish()
        assert filled.run("wait").code == 0
        assert filled.run("ledger", "compact").code == 0
        assert filled.run("plan", "--format", "json").json["totals"]["cells"] == 0
        assert set(filled.charged().values()) == {1 + number}


def test_an_approved_plan_dies_with_the_prompt_it_was_made_for(filled: Desk) -> None:
    """The approval was for another question."""
    filled.write(FOLLOW)
    change_prompt(filled, "Find something else.")
    filled.run("plan", "--out", "plan.json")
    change_prompt(filled, "Find more.")
    assert filled.run("apply", "--plan", "plan.json", "--yes", "--no-wait").code == 4
    assert set(filled.charged().values()) == {1}
