"""The comments of the jobs on GitHub: comments by any token, one issue, and why there is no plan."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reconciler.cli import group as cli
from reconciler.cli.console import inert
from tests.gitops.github_api import JOB, REPOSITORY, TOKEN, GitHub, serve_github
from tests.review.plans_and_reports import call, plan, run, sealed, table

HEAD, OTHER = "b" * 40, "c" * 40
MARKER = "<!-- extruct-reconciler plan default -->"
APP = "planner[bot]"


@pytest.fixture
def github() -> Iterator[GitHub]:
    """Return GitHub without any comment."""
    with serve_github() as forge:
        yield forge


def a_plan(cells: int = 3, head: str = HEAD, **more: Any) -> dict[str, Any]:
    """Return a plan of one call, made for a pull request."""
    review = {"repository": REPOSITORY, "number": 7, "head": head, "base": "main"}
    calls = [call("a/x", ["news"], cells=cells)] if cells else []
    return sealed(plan(tables=[table("a", "A", "idle", run("a/x"))], calls=calls, review=review, **more))


def say(github: GitHub, folder: Path, *arguments: str, content: dict[str, Any] | None = None) -> Result:
    """Run `comment github` as a job of pull request 7 does."""
    given = list(arguments)
    if content is not None:
        (folder / "plan.json").write_text(json.dumps(content))
        given += ["--plan", str(folder / "plan.json")]
    environment = {
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_SERVER_URL": "https://forge.example",
        "GITHUB_RUN_ID": "99",
        "GITHUB_TOKEN": TOKEN,
    }
    done = CliRunner().invoke(cli.group, ["comment", "github", *given], env=environment, prog_name="reconciler")
    assert done.exit_code == 0, done.output
    return done


def test_a_plan_that_grew_is_a_new_comment(github: GitHub, tmp_path: Path) -> None:
    """For the same commit: an edit would tell no one. A smaller one, and one of another commit, is edited in."""
    for cells, head in ((3, HEAD), (2, HEAD), (9, OTHER)):
        say(github, tmp_path, content=a_plan(cells, head))
        assert len(github.bodies()) == 1
    say(github, tmp_path, content=a_plan(10, OTHER))
    outdated, grown = github.bodies()
    assert outdated.startswith("*Outdated")
    assert grown.startswith(f"{MARKER}\n<!-- commit {OTHER} cells 10 -->\n")
    say(github, tmp_path, content=a_plan(8, OTHER))
    assert [body.partition("\n")[0] for body in github.bodies()] == [outdated, MARKER]


@pytest.mark.parametrize("author", [JOB, APP])
def test_a_token_that_may_not_ask_who_it_is(github: GitHub, tmp_path: Path, author: str) -> None:
    """Updates its own comment, and leaves the marker of another alone."""
    github.login = author
    github.comment(7, f"{MARKER}\nforged", "mallory")
    for cells in (3, 2, 1):
        say(github, tmp_path, content=a_plan(cells))
    forged, own = github.comments[7]
    assert forged["body"] == f"{MARKER}\nforged"
    assert own["user"]["login"] == author
    assert "cells 1 -->" in own["body"]


def test_an_app_beside_comments_of_jobs(github: GitHub, tmp_path: Path) -> None:
    """Other jobs of the repository comment too, without the marker."""
    github.comment(7, "Coverage: 91%", JOB)
    github.login = APP
    for cells in (3, 2):
        say(github, tmp_path, content=a_plan(cells))
    assert [each["user"]["login"] for each in github.comments[7]] == [JOB, APP]


@pytest.mark.parametrize("may_remove", [True, False])
def test_of_two_comments_that_jobs_left_at_once_one_stays(github: GitHub, tmp_path: Path, *, may_remove: bool) -> None:
    """Both looked before either wrote; the next job takes the older one away, if it may."""
    older, _ = (github.comment(7, f"{MARKER}\nfrom a job") for _ in range(2))
    if not may_remove:
        github.forbidden.add(older["id"])
    say(github, tmp_path, content=a_plan())
    assert len(github.bodies()) == (1 if may_remove else 2)
    assert "<!-- commit " in github.bodies()[-1]


@pytest.mark.parametrize(("status", "headers"), [(403, {"Retry-After": "0"}), (429, {"Retry-After": "0"})])
def test_a_rate_limit_is_waited_for(github: GitHub, tmp_path: Path, status: int, headers: dict[str, str]) -> None:
    """GitHub says with both that nothing was written, and when to come again."""
    github.failures["POST"] = [(status, headers)] * 2
    say(github, tmp_path, content=a_plan())
    assert len(github.bodies()) == 1


def test_a_project_that_the_change_does_not_touch(github: GitHub, tmp_path: Path) -> None:
    """Has nothing to say, unless there is a comment of an earlier commit that did."""
    sums = {"tables": 0, "calls": 0, "cells": 0, "credits": 0, "unpriced_cells": 0}
    against = {"ref": "main", "changes": [], "caused": sums, "due_anyway": sums, "no_longer_due": sums}
    say(github, tmp_path, content=a_plan(against=against))
    assert github.bodies() == []
    say(github, tmp_path, content=a_plan(head=OTHER))
    say(github, tmp_path, content=a_plan(against=against))
    (body,) = github.bodies()
    assert f"For commit {HEAD}." in body


def test_problems_stand_in_the_comment(github: GitHub, tmp_path: Path) -> None:
    """In the place of the plan before; a code alone is said in words, and so is a file that was not kept."""
    say(github, tmp_path, content=a_plan())
    problems = tmp_path / "problems.json"
    found = [{"location": "a.yaml:3:5", "message": "unknown key `x` @team", "hint": "did you mean `y`?"}]
    problems.write_text(json.dumps({"problems": found}))
    missing = str(tmp_path / "nothing.json")
    say(github, tmp_path, "--plan", missing, "--no-plan", "1", "--problems", str(problems))
    (body,) = github.bodies()
    assert "- `a.yaml:3:5` ``unknown key `x` @team`` ``did you mean `y`?``" in body
    assert "Exit code 1. [See the run](https://forge.example/acme/data/actions/runs/99)" in body
    for ended, words in (
        ("3", "Exit code 3: a limit or policy forbids it."),
        ("0", "its file was not kept, so it cannot be approved"),
        ("skipped", "There is neither a token nor a snapshot to plan with; the manifests are valid."),
        ("ended", "The job ended before there was a plan."),
    ):
        say(github, tmp_path, "--plan", "", "--no-plan", ended, "--problems", missing)
        (body,) = github.bodies()
        assert words in body


@pytest.mark.parametrize("author", [JOB, APP])
def test_one_issue_is_open_while_something_is_due(github: GitHub, tmp_path: Path, author: str) -> None:
    """Opened, updated, closed; one that a person opened with the same text is left alone."""
    github.login = author
    forged = {"number": 50, "state": "open", "user": {"login": "mallory"}}
    github.issues.append({**forged, "body": "<!-- extruct-reconciler drift default -->\nx"})
    say(github, tmp_path, "--issue", content=a_plan(0))
    for cells in (3, 4):
        say(github, tmp_path, "--issue", content=a_plan(cells))
        (issue,) = [each for each in github.issues if each["state"] == "open" and each["number"] != 50]
        assert issue["title"] == "Due in the tables of `default`"
        assert f"{cells} cells" in issue["body"]
    say(github, tmp_path, "--issue", content=a_plan(0))
    assert [each["number"] for each in github.issues if each["state"] == "open"] == [50]
    assert github.issues[0]["body"].endswith("\nx")


def test_the_outputs_of_a_plan_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say so, and the problems are kept for the comment."""
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text("apiVersion: reconciler/v1\nkind: TableRun\n")
    outputs, problems = tmp_path / "outputs", tmp_path / "problems.json"
    given = ["plan", "m.yaml", "--outputs", str(outputs), "--problems", str(problems)]
    done = CliRunner().invoke(cli.group, given, prog_name="reconciler")
    assert done.exit_code == 1
    assert outputs.read_text() == "has-plan=false\nhas-changes=false\nexit-code=1\n"
    assert json.loads(problems.read_text())["problems"][0]["location"].startswith("m.yaml:")


def test_no_line_for_people_is_a_command_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may begin one; elsewhere than in GitHub's log it stays as it is."""
    text = "a\n  ::error::x\n##[add-mask]b and a::b"
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert inert(text) == text
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert inert(text) == "a\n  · ::error::x\n## [add-mask]b and a::b"
