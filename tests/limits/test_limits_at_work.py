"""Limits where they count: plan says what an apply would refuse, and apply refuses it before a byte is sent."""

import os
from contextlib import chdir
from pathlib import Path

import pytest

from reconciler.settings.project_file import Spend
from reconciler.settings.revision import with_base_limits
from reconciler.settings.settings import Flags, ledger_address, load_settings
from tests.journey.desk import ACCOUNTS, FILL, REFRESH, Desk, row_id
from tests.limits.repository import Repository

HEAD = "apiVersion: reconciler/v1\nkind: Project\nspec:\n"
EACH = {
    "max_credits": "{max_credits: 7}",
    "max_cells": "{max_cells: 7}",
    "per_table.max_credits": "{per_table: {max_credits: 7}}",
    "per_table.max_cells": f"{{tables: {{{ACCOUNTS}: {{max_cells: 7}}}}}}",
    "per_label.max_credits": "{per_label: {team=gtm: 7}}",
    "per_label.max_cells": "{per_label: {team=gtm: {max_cells: 7}}}",
    "modes": "{modes: {failed: [tier=cheap]}}",
    "protected_columns": "{protected_columns: [news]}",
    "max_rerun_share": "{max_rerun_share: 0.05}",
}
"""Rule → limits that the desk's plan (8 cells, 1 of them failed before, in a table of 12) does not keep."""


@pytest.mark.parametrize("rule", EACH)
@pytest.mark.parametrize("source", ["file", "variable", "flag"])
def test_each_limit_refuses_at_plan_and_at_apply(desk: Desk, rule: str, source: str) -> None:
    """From each source, exit 3, the same words in both, nothing sent; without it everything is."""
    flags: list[str] = []
    if source == "file":
        desk.write(f"{HEAD}  limits: {EACH[rule]}\n", name="reconciler.yaml")
    elif source == "variable":
        desk.extra["RECONCILER_LIMITS"] = EACH[rule]
    else:
        flags = ["--limits", EACH[rule]]
    plan = desk.run("plan", "--format", "json", *flags)
    assert plan.code == 3
    (violation,) = plan.json["violations"]
    assert violation["rule"] == rule
    assert violation["contact"]
    applied = desk.run("apply", "--yes", "--no-wait", *flags)
    assert applied.code == 3
    for text in (violation["message"], violation["set_at"], violation["contact"]):
        assert text in applied.err
        assert text in desk.run("plan", *flags).out
    assert desk.posts() == []
    desk.extra.clear()
    desk.write(HEAD + "  api: {}\n", name="reconciler.yaml")
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert sum(desk.charged().values()) == 8


def test_a_saved_plan_is_checked_again(desk: Desk) -> None:
    """Approval is not permission: limits set since then hold."""
    assert desk.run("plan", "--out", "plan.json").code == 0
    assert (
        desk.run("apply", "--plan", "plan.json", "--yes", "--no-wait", "--limits", "{per_label: {team=gtm: 1}}").code
        == 3
    )
    assert desk.posts() == []


def test_done_cells_of_a_protected_column_are_not_bought_again(desk: Desk) -> None:
    """`all` over rows that never ran passes; over rows that did it is refused."""
    desk.write(REFRESH)
    said = desk.run("plan", "--limits", "{protected_columns: [news]}")
    assert said.code == 3
    assert "column `news` is protected, and `target-accounts/refresh` would run 3 cells of it again" in said.out
    desk.write(REFRESH + f"      rows: [{row_id(3)}, {row_id(4)}]\n")
    assert desk.run("apply", "--yes", "--no-wait", "--limits", "{protected_columns: [news]}").code == 0
    assert desk.charged() == {("news", row_id(3)): 1, ("news", row_id(4)): 1}


def test_a_pull_request_cannot_raise_its_own_limit(desk: Desk, repository: Repository) -> None:
    """With --limits-from the base's limits hold whatever the change says, at plan and at apply."""
    desk.write(f"{HEAD}  limits: {{max_credits: 7, contact: platform-team}}\n", name="reconciler.yaml")
    repository.commit()
    desk.write(f"{HEAD}  limits: {{max_credits: 700}}\n", name="reconciler.yaml")
    assert desk.run("plan").code == 0
    said = desk.run("plan", "--limits-from", "main")
    assert said.code == 3
    assert "(limit 7, " in said.out
    assert (
        "  8 credits are due and the limit is 7\n    max_credits, set in main:reconciler.yaml:4 "
        "(spec.limits.max_credits); to be raised by platform-team\n"
    ) in said.out
    applied = desk.run("apply", "--yes", "--no-wait", "--limits-from", "main", "--max-credits", "700")
    assert applied.code == 3
    assert "main:reconciler.yaml:4" in applied.err
    assert desk.posts() == []


def test_a_pull_request_cannot_lower_its_own_prices(desk: Desk, repository: Repository) -> None:
    """Nor remove the project file, nor its label."""
    desk.write(f"{HEAD}  limits: {{max_credits: 7, per_label: {{team=gtm: 6}}}}\n", name="reconciler.yaml")
    repository.commit()
    desk.write(f"{HEAD}  prices: {{columns: {{news: 0, notes: 0}}}}\n", name="reconciler.yaml")
    desk.write(FILL.replace("team: gtm", "team: ops"))
    plan = desk.run("plan", "--limits-from", "main", "--format", "json")
    assert plan.code == 3
    assert plan.json["totals"]["credits"] == 0
    assert [each["message"] for each in plan.json["violations"]] == [
        "8 credits are due and the limit is 7",
        "team=gtm: 8 credits are due and the limit is 6",
    ]
    (desk.folder / "reconciler.yaml").unlink()
    assert desk.run("plan", "--limits-from", "main").code == 3


MOVES = {
    "up": ("teams/reconciler.yaml", "reconciler.yaml"),
    "down": ("reconciler.yaml", "teams/reconciler.yaml"),
    "away": ("teams/reconciler.yaml", None),
}
"""How a change moves the project file: from, to."""


@pytest.mark.parametrize("move", MOVES)
def test_a_pull_request_cannot_move_its_project_file(desk: Desk, repository: Repository, move: str) -> None:
    """Nor put another one before it: the base's file is the one that would be found there, and its ledger stays."""
    before, after = MOVES[move]
    manifests = {"teams/reconciler.yaml": "manifests", "reconciler.yaml": "teams/manifests"}
    project = "{head}  manifests: [{manifests}]\n  ledger: memory/a.db\n  limits: {{max_credits: {most}}}\n"
    desk.write(FILL, "teams/manifests/accounts.yaml")
    desk.write(project.format(head=HEAD, manifests=manifests[before], most=7), before)
    repository.commit()
    (desk.folder / before).unlink()
    if after is not None:
        desk.write(project.format(head=HEAD, manifests=manifests[after], most=700), after)
    said = desk.run("-C", "teams", "plan", "--limits-from", "main")
    assert said.code == 3, said.err
    assert "8 credits are due and the limit is 7" in said.out
    with chdir(desk.folder / "teams"):
        held = with_base_limits("main", load_settings(Flags(), {}), ())
        assert os.path.realpath(ledger_address(held)) == os.path.realpath(f"../{Path(before).parent}/memory/a.db")


def test_a_pull_request_cannot_except_a_table_from_a_variable(desk: Desk, repository: Repository) -> None:
    """The project file's `tables` are stronger than its own `per_table`, not than another source's."""
    desk.write(f"{HEAD}  api: {{}}\n", name="reconciler.yaml")
    repository.commit()
    desk.extra["RECONCILER_LIMITS"] = "{per_table: {max_credits: 7}, max_rerun_share: 0.05}"
    assert desk.run("plan", "--limits-from", "main").code == 3
    free = f"tables: {{{ACCOUNTS}: {{max_credits: 700, max_rerun_share: 1}}}}"
    desk.write(f"{HEAD}  limits: {{{free}}}\n", name="reconciler.yaml")
    said = desk.run("plan", "--limits-from", "main", "--format", "json")
    assert {each["rule"] for each in said.json["violations"]} == {"per_table.max_credits", "max_rerun_share"}
    assert {each["set_at"].partition(" ")[0] for each in said.json["violations"]} == {"RECONCILER_LIMITS"}


def test_a_commit_without_a_project_file_has_no_limits(desk: Desk, repository: Repository) -> None:
    """A project's first pull request is planned by its own limits, which is said."""
    repository.commit()
    desk.write(f"{HEAD}  limits: {{max_credits: 7}}\n", name="reconciler.yaml")
    for command in (["plan"], ["apply", "--yes", "--no-wait"]):
        said = desk.run(*command, "--limits-from", "main")
        assert said.code == 3
        assert "main has no project file, so only the limits of this one hold." in said.err
    desk.write(f"{HEAD}  limits: {{max_credits: 700}}\n", name="reconciler.yaml")
    assert desk.run("plan", "--limits-from", "main").code == 0
    assert desk.posts() == []


def test_a_folder_without_a_project_file_refuses(desk: Desk) -> None:
    """It is more likely the wrong folder."""
    (desk.folder / "elsewhere").mkdir()
    desk.write(f"{HEAD}  limits: {{max_credits: 700}}\n", name="reconciler.yaml")
    said = desk.run("plan", "--limits-from", "./elsewhere")
    assert said.code == 3
    assert "there is no project file at ./elsewhere, so limits cannot be checked" in said.err


def test_a_base_whose_project_file_is_wrong_refuses(desk: Desk, repository: Repository) -> None:
    """And says what is wrong with it, at the base's name."""
    desk.write(f"{HEAD}  limits: {{max_credits: many}}\n", name="reconciler.yaml")
    repository.commit()
    desk.write(HEAD + "  api: {}\n", name="reconciler.yaml")
    said = desk.run("plan", "--limits-from", "main")
    assert said.code == 1
    assert said.err.startswith("main:reconciler.yaml:4:25: E103 spec.limits.max_credits must be a number")


def test_a_base_whose_manifests_are_wrong_refuses_what_goes_by_labels(desk: Desk, repository: Repository) -> None:
    """A limit that cannot be evaluated refuses."""
    desk.write(f"{HEAD}  limits: {{per_label: {{team=gtm: 100}}}}\n", name="reconciler.yaml")
    desk.write("kind: TableRun\n")
    repository.commit()
    desk.write(FILL)
    said = desk.run("plan", "--limits-from", "main")
    assert said.code == 3
    assert "team=gtm: the manifests at main are not valid, so this limit cannot be checked" in said.out


def test_a_folder_can_hold_the_limits(desk: Desk) -> None:
    """A checkout of the base beside the change, for those without git."""
    desk.write(f"{HEAD}  limits: {{max_cells: 7}}\n", name="../base/reconciler.yaml")
    said = desk.run("plan", "--limits-from", "../base")
    assert said.code == 3
    assert "set in ../base/reconciler.yaml:4 (spec.limits.max_cells)" in said.out


def test_a_pull_request_cannot_forget_what_was_bought(desk: Desk, repository: Repository) -> None:
    """By another ledger, the file's or the default one, or without a project file: the base's is asked and written."""
    desk.write(REFRESH)
    desk.write(f"{HEAD}  ledger: memory/a.db\n", name="reconciler.yaml")
    repository.commit()
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    for change in (f"{HEAD}  ledger: memory/b.db\n", f"{HEAD}  api: {{}}\n"):
        desk.write(change, name="reconciler.yaml")
        assert desk.run("plan", "--format", "json").json["totals"]["cells"] == 6
        assert desk.run("plan", "--format", "json", "--limits-from", "main").json["totals"]["cells"] == 0
        assert desk.run("apply", "--yes", "--no-wait", "--limits-from", "main").code == 0
    (desk.folder / "reconciler.yaml").rename(desk.folder / "reconciler.yml")
    assert desk.run("plan", "--format", "json", "--limits-from", "main").json["totals"]["cells"] == 0
    (desk.folder / "reconciler.yml").unlink()
    assert desk.run("plan", "--format", "json", "--limits-from", "main").json["totals"]["cells"] == 0
    assert set(desk.charged().values()) == {1}
    assert sorted(path.name for path in desk.folder.rglob("*.db")) == ["a.db"]


def test_a_pull_request_cannot_choose_who_gets_the_token_nor_shorten_the_protocol(
    desk: Desk, repository: Repository
) -> None:
    """`api.url` and `api.spend` are the base's; what a flag or the environment names is stronger than both."""
    base = "api: {url: 'http://127.0.0.1:1', spend: {quiet_seconds: 200}}"
    desk.write(f"{HEAD}  {base}\n", name="reconciler.yaml")
    repository.commit()
    change = "api: {url: 'http://127.0.0.1:2', page_rows: 7, spend: {quiet_seconds: 3, call_seconds: 0.1}}"
    desk.write(f"{HEAD}  {change}\n", name="reconciler.yaml")
    with chdir(desk.folder):
        here = load_settings(Flags(), {})
        held = with_base_limits("main", here, ())
        named = with_base_limits(
            "main", load_settings(Flags(ledger="c.db"), {"EXTRUCT_API_URL": "http://127.0.0.1:3"}), ()
        )
        assert ledger_address(named) == "c.db"
    assert (here.api_url, held.api_url, named.api_url) == (
        "http://127.0.0.1:2",
        "http://127.0.0.1:1",
        "http://127.0.0.1:3",
    )
    assert held.project.api.spend == Spend(quiet_seconds=200)
    assert held.project.api.page_rows == 7


def test_limits_are_in_the_plan_file(desk: Desk, repository: Repository) -> None:
    """The lower of the two, for whoever shows the plan beside its limit."""
    desk.write(f"{HEAD}  limits: {{max_credits: 50.5}}\n", name="reconciler.yaml")
    repository.commit()
    said = desk.run("plan", "--format", "json", "--limits-from", "main", "--max-credits", "90", "--max-cells", "20")
    assert said.json["limits"] == {"max_credits": 50.5, "max_cells": 20}
