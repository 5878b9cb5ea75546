"""`plan --against`: what a reviewer asks, answered against a real repository and the simulator."""

from reconciler.manifests import json_schema
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, FILL, NOWHERE, PARTNERS, Desk, accounts, row_id
from tests.limits.repository import Repository

SMALL = FILL.replace("mode: new", "mode: new\n      columns: [news]")
PROJECT = "apiVersion: reconciler/v1\nkind: Project\nspec: {limits: {max_credits: 50}}\n"


def test_a_column_added_causes_its_cells(desk: Desk, repository: Repository) -> None:
    """The whole answer: what changed, what it causes, what was due anyway, then the plan as always."""
    desk.write(SMALL)
    desk.write(PROJECT, name="reconciler.yaml")
    repository.commit()
    desk.write(SMALL.replace("[news]", "[news, notes]").replace("max_attempts: 2", "max_attempts: 5"))
    desk.write(PROJECT.replace("50", "5000"), name="reconciler.yaml")
    said = desk.run("plan", "--against", "main")
    assert said.code == 0
    assert (
        said.out
        == """\
Changed since main:
  project file
    spec.limits.max_credits 50 → 5,000
  target-accounts/fill
    column `notes` added to `fill`
  target-accounts/retry
    max_attempts 2 → 5 in `retry`

This change causes  1 call, 4 cells, 4 credits
Due anyway          2 calls, 4 cells, 4 credits

target-accounts   Target Accounts · 6 rows · idle
  + fill   new     2 columns  7 cells  7 credits  no value yet, 2 calls
      news 3 cells, notes 4
  ! retry  failed  1 column   1 cell   1 credit   failed
      news 1 cell

Plan: 1 table, 3 calls, 8 cells, 8 credits (limit 5,000, balance unlimited). Nothing was sent.
Apply it with `reconciler apply`, or save it with `--out plan.json`.
"""
    )


def test_the_plan_file_says_it_too(desk: Desk, repository: Repository) -> None:
    """Changes with their places, a cause a call, sums; valid by its schema; and it can be applied."""
    desk.write(SMALL)
    repository.commit()
    desk.write(SMALL.replace("[news]", "[news, notes]"))
    plan = desk.run("plan", "--against", "main", "--format", "json", "--out", "plan.json").json
    assert json_schema.problems("plan", plan) == []
    assert plan["against"]["ref"] == "main"
    assert plan["against"]["changes"] == [
        {
            "address": "target-accounts/fill",
            "text": "column `notes` added to `fill`",
            "path": "manifests/accounts.yaml",
            "line": 11,
            "column": 23,
        }
    ]
    assert [(call["cause"], call["column_keys"], call["cells"]) for call in plan["calls"]] == [
        ("due", ["news"], 3),
        ("change", ["notes"], 4),
        ("due", ["news"], 1),
    ]
    sums = {name: plan["against"][name]["cells"] for name in ("caused", "due_anyway", "no_longer_due")}
    assert sums == {"caused": 4, "due_anyway": 4, "no_longer_due": 0}
    assert desk.run("apply", "--plan", "plan.json", "--yes", "--no-wait").code == 0
    assert sum(desk.charged().values()) == 8


def test_it_sends_nothing_but_get_and_leaves_the_tree_alone(desk: Desk, repository: Repository) -> None:
    """As every plan."""
    desk.write(SMALL)
    repository.commit()
    desk.write(FILL)
    before = repository.git("status", "--porcelain", "--ignored")
    assert desk.run("plan", "--against", "HEAD").code == 0
    assert {method for method, _, _ in desk.simulator.requests()} == {"GET"}
    assert repository.git("status", "--porcelain", "--ignored").replace("!! .reconciler/\n", "") in (
        before,
        before + "\n?? .reconciler/",
    )


def test_without_a_change_everything_was_due_anyway(desk: Desk, repository: Repository) -> None:
    """Against what is checked out."""
    repository.commit()
    said = desk.run("plan", "--against", "HEAD")
    assert said.out.split("\n\n")[:2] == [
        "Nothing changed since HEAD.",
        "This change causes  no call\nDue anyway          3 calls, 8 cells, 8 credits",
    ]


def test_what_a_change_makes_unnecessary(make_desk: MakeDesk) -> None:
    """A run removed, and a manifest whose table nothing here names any more."""
    rows = [{**row, "id": row["id"].replace("b000", "a000")} for row in accounts()["rows"]]
    desk = make_desk(accounts(), accounts(id=PARTNERS, rows=rows))
    repository = Repository.at(desk.folder)
    desk.write(FILL)
    desk.write(FILL.replace("target-accounts", "partners").replace(ACCOUNTS, PARTNERS), name="manifests/partners.yaml")
    repository.commit()
    (desk.folder / "manifests/partners.yaml").unlink()
    desk.write(FILL[: FILL.index("    - name: retry")])
    plan = desk.run("plan", "--against", "main", "--format", "json").json
    assert [change["text"] for change in plan["against"]["changes"]] == [
        f"manifest `partners` removed: 2 runs of table {PARTNERS}",
        "run `retry` removed",
    ]
    assert plan["against"]["changes"][0]["path"] == "manifests/partners.yaml"
    assert (plan["against"]["no_longer_due"]["calls"], plan["against"]["no_longer_due"]["cells"]) == (4, 9)
    assert plan["against"]["caused"]["cells"] == 0
    assert "No longer due       4 calls, 9 cells, 9 credits\n" in desk.run("plan", "--against", "main").out


def test_a_table_of_the_base_that_has_gone_does_not_stop_the_plan(desk: Desk, repository: Repository) -> None:
    """It may be why the manifest was removed."""
    desk.write(FILL.replace("target-accounts", "gone").replace(ACCOUNTS, NOWHERE), name="manifests/gone.yaml")
    repository.commit()
    (desk.folder / "manifests/gone.yaml").unlink()
    said = desk.run("plan", "--against", "main")
    assert said.code == 0
    assert "manifest `gone` removed" in said.out


def test_a_new_revision_causes_its_cells_again(desk: Desk, repository: Repository) -> None:
    """The same cells in the same mode at another revision are another purchase."""
    run = f"    - {{name: r, mode: all, columns: [news], rows: [{row_id(1)}], revision: q3}}\n"
    desk.write(FILL + run)
    repository.commit()
    desk.write(FILL + run.replace("q3", "q4"))
    plan = desk.run("plan", "--against", "main", "--format", "json").json
    assert [change["text"] for change in plan["against"]["changes"]] == ["revision q3 → q4 in `r`"]
    assert [(call["cause"], call["address"]) for call in plan["calls"] if call["mode"] == "all"] == [
        ("change", "target-accounts/r")
    ]


def test_a_rename_causes_nothing(desk: Desk, repository: Repository) -> None:
    """Satisfaction belongs to cells, not to names."""
    repository.commit()
    desk.write(FILL.replace("target-accounts", "customers"))
    said = desk.run("plan", "--against", "main")
    assert "manifest `target-accounts` renamed to `customers`, which causes no call" in said.out
    assert "This change causes  no call\n" in said.out


def test_a_base_that_does_not_validate_counts_everything_as_caused(desk: Desk, repository: Repository) -> None:
    """And says so first."""
    desk.write("kind: TableRun\n")
    repository.commit()
    desk.write(FILL)
    plan = desk.run("plan", "--against", "main", "--format", "json")
    assert plan.code == 0
    (change,) = plan.json["against"]["changes"]
    assert change["address"] is None
    assert change["text"].startswith(
        "the manifests at main are not valid, so every call counts as caused by this change"
    )
    assert {call["cause"] for call in plan.json["calls"]} == {"change"}


def test_a_selected_part_is_parted_too(desk: Desk, repository: Repository) -> None:
    """The change is told as a whole; the calls are those asked for, and nothing counts as no longer due for it."""
    desk.write(SMALL)
    repository.commit()
    desk.write(SMALL.replace("[news]", "[news, notes]"))
    plan = desk.run("plan", "--against", "main", "--target", "target-accounts/retry", "--format", "json").json
    assert [(call["cause"], call["address"]) for call in plan["calls"]] == [("due", "target-accounts/retry")]
    assert len(plan["against"]["changes"]) == 1
    assert plan["against"]["no_longer_due"]["calls"] == 0


def test_against_a_folder(desk: Desk) -> None:
    """Without git: a copy of the project at the base."""
    desk.write(SMALL, name="../base/manifests/accounts.yaml")
    said = desk.run("plan", "--against", "../base")
    assert said.code == 0
    assert "`fill` takes every column instead of 1 column" in said.out


def test_a_ref_like_an_option_is_refused(desk: Desk, repository: Repository) -> None:
    """Before anything is read."""
    repository.commit()
    for ref in ("--upload-pack=x", "-h"):
        said = desk.run("plan", f"--against={ref}")
        assert said.code == 1
        assert "is not a valid name for a commit" in said.err
    assert desk.simulator.requests() == []
