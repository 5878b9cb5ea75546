"""Which plan counts as approved for a push, asked of GitHub's API by the command itself."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reconciler.cli import group as cli
from reconciler.forge import github_runs
from reconciler.forge.github_runs import MOST_ENTRIES
from tests.gitops.github_api import (
    APPLY,
    FORK_ID,
    OWNER,
    PLAN,
    READER,
    REFRESH,
    REPOSITORY,
    REPOSITORY_ID,
    TOKEN,
    GitHub,
    serve_github,
)
from tests.review.plans_and_reports import plan as plan_document
from tests.review.plans_and_reports import sealed

MORNING, PLANNED, NOON, MERGED, LATER = (f"2026-03-01T{hour}:00:00Z" for hour in ("08", "10", "12", "14", "16"))
BEFORE, HEAD, MERGE = "a" * 40, "b" * 40, "c" * 40
OTHER_HEAD, OTHER_MERGE = "d" * 40, "e" * 40


@pytest.fixture
def github() -> Iterator[GitHub]:
    """A repository whose main branch pull request 7 was merged into, by a merge commit."""
    with serve_github() as forge:
        forge.commit(BEFORE, branch="main")
        forge.commit(HEAD, BEFORE)
        forge.commit(MERGE, BEFORE, HEAD, branch="main")
        forge.pull(7, HEAD, MERGE, MERGED)
        yield forge


def a_plan(number: int = 7, head: str = HEAD, at: str = PLANNED, **more: Any) -> dict[str, Any]:
    """Return a plan file's content as the pipeline of a pull request writes it."""
    review = {"repository": REPOSITORY, "number": number, "head": head, "base": "main"} | more.pop("review", {})
    return sealed(plan_document(created_at=at, review=review, **more))


def planned(github: GitHub, run: int = 99, at: str = PLANNED, content: dict[str, Any] | None = None, **of: Any) -> None:
    """Have a run of `plan.yml` leave a plan file."""
    head = of.pop("head_sha", HEAD)
    kept = {key: of.pop(key) for key in ("name", "expired", "digest") if key in of}
    github.run(run, head, at, attempt=run in github.runs, **of)
    data = json.dumps(content or a_plan(at=at)).encode()
    github.upload(run, kept.pop("name", "reconciler-plan-default"), "plan.json", data, at, **kept)


def ask(github: GitHub, folder: Path, *arguments: str, after: str = MERGE, before: str = BEFORE) -> Result:
    """Run `approved-plan github` as a job of the push does."""
    event = folder / "event.json"
    event.write_text(json.dumps({"before": before}))
    environment = {
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_SHA": after,
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_EVENT_PATH": str(event),
    }
    given = arguments or ("--out-dir", str(folder / "plans"))
    return CliRunner().invoke(cli.group, ["approved-plan", "github", *given], env=environment, prog_name="reconciler")


def test_the_plan_of_the_merged_pull_request_is_taken(github: GitHub, tmp_path: Path) -> None:
    """Byte for byte, and later jobs hear its number."""
    planned(github)
    said = ask(github, tmp_path, "--out-dir", str(tmp_path / "plans"), "--outputs", str(tmp_path / "outputs"))
    assert said.exit_code == 0, said.output
    assert json.loads((tmp_path / "plans/7.json").read_text()) == a_plan()
    assert (tmp_path / "outputs").read_text() == "numbers=[7]\nmissing=[]\nexit-code=0\n"
    assert github.leaked == []


TRUSTED_RUN: dict[str, tuple[dict[str, Any], str]] = {
    "another workflow": ({"path": ".github/workflows/evil.yml"}, ""),
    "another event": ({"event": "push"}, ""),
    "a failed run": ({"conclusion": "failure"}, "ended as failure"),
    "a run that was cancelled": ({"conclusion": "cancelled"}, "ended as cancelled"),
    "a fork": ({"head_repository": {"id": FORK_ID}}, "ran for a fork"),
    "a fork that is gone": ({"head_repository": None}, ""),
    "an earlier commit": ({"head_sha": BEFORE}, ""),
    "an artifact of another project": ({"name": "reconciler-plan-other"}, ""),
    "an expired artifact": ({"expired": True}, "has expired"),
    "a file that is not what its digest names": ({"digest": "sha256:00"}, "digest"),
}


@pytest.mark.parametrize("of", TRUSTED_RUN)
def test_a_plan_of_anything_else_is_passed_over(github: GitHub, tmp_path: Path, of: str) -> None:
    """Only `plan.yml`, for a pull request, of this repository, for its last commit, that succeeded."""
    fields, why = TRUSTED_RUN[of]
    planned(github, **fields)
    said = ask(github, tmp_path)
    assert said.exit_code in (1, 4), said.output
    assert why in said.output
    assert not (tmp_path / "plans/7.json").exists()


NO_PLAN = "`change 7 has no valid plan, so nothing of it may be sent` `Plan it on the default branch, have"


@pytest.mark.parametrize(
    ("review", "told"),
    [
        ({"base": "`<img> @all\n# x"}, "- `run 99, attempt 1` ``it was made for another base: `<img> @all\\x0a# x``\n"),
        (None, "- `no run for its last commit left a plan`\n"),
    ],
    ids=["of another base", "none"],
)
def test_the_comment_says_why_there_is_no_plan(
    github: GitHub, tmp_path: Path, review: dict[str, str] | None, told: str
) -> None:
    """As the log does; a plan file is anybody's who may push, so its words are quoted."""
    if review is not None:
        planned(github, content=a_plan(review=review))
    assert ask(github, tmp_path).exit_code == 4
    given = [
        "comment",
        "github",
        "--number",
        "7",
        "--no-report",
        "4",
        "--problems",
        str(tmp_path / "plans/7.problems.json"),
    ]
    environment = {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_TOKEN": TOKEN}
    said = CliRunner().invoke(cli.group, given, env=environment)
    assert said.exit_code == 0, said.output
    (body,) = github.bodies()
    assert NO_PLAN in body
    assert told in f"{body}\n", body


CONTENT: dict[str, tuple[dict[str, Any], str]] = {
    "another pull request": ({"review": {"number": 8}}, "made for another number: 8"),
    "another commit": ({"review": {"head": BEFORE}}, "made for another head"),
    "a laxer base": ({"review": {"base": "lax"}}, "made for another base: lax"),
    "another repository": ({"review": {"repository": "evil/data"}}, "made for another repository"),
    "no pull request at all": ({"review": None}, "does not say which change"),
    "errors": ({"errored": True}, "has errors"),
    "the future": ({"at": LATER}, "after it was approved"),
}


@pytest.mark.parametrize("what", CONTENT)
def test_a_plan_that_says_something_else_is_passed_over(github: GitHub, tmp_path: Path, what: str) -> None:
    """A run may leave any file: what counts is what its content was made for."""
    fields, why = CONTENT[what]
    content = a_plan(**fields) if fields.get("review", {}) is not None else sealed(plan_document(created_at=PLANNED))
    planned(github, content=content)
    said = ask(github, tmp_path)
    assert said.exit_code == 4, said.output
    assert why in said.output


def test_a_plan_that_passes_a_limit_is_not_an_approval(github: GitHub, tmp_path: Path) -> None:
    """Whoever merged it although the check was red."""
    violation = {"rule": "max_credits", "message": "x", "set_at": "y", "number": 6, "limit": 5, "contact": ""}
    planned(github, content=a_plan(violations=[violation]))
    said = ask(github, tmp_path)
    assert (said.exit_code, "it exceeds a limit" in said.output) == (4, True), said.output


def test_an_edited_plan_is_passed_over(github: GitHub, tmp_path: Path) -> None:
    """Its id is the digest of what was in it."""
    planned(github, content=a_plan() | {"created_at": MORNING})
    said = ask(github, tmp_path)
    assert (said.exit_code, "plan_id" in said.output or "edited" in said.output) == (4, True), said.output


@pytest.mark.parametrize("requires", [True, False], ids=["reviews required", "not required"])
def test_a_plan_made_again_after_the_approval_is_passed_over(github: GitHub, tmp_path: Path, *, requires: bool) -> None:
    """The job was run again and planned more: the plan that was reviewed counts, or the last one before the merge."""
    github.review(7, HEAD, NOON)
    if requires:
        github.require_reviews()
    planned(github)
    wider = a_plan(at="2026-03-01T13:00:00Z")
    planned(github, at="2026-03-01T13:00:00Z", content=wider)
    planned(github, at=LATER, content=a_plan(at=LATER))
    said = ask(github, tmp_path)
    assert said.exit_code == 0, said.output
    taken = json.loads((tmp_path / "plans/7.json").read_text())
    assert taken == (a_plan() if requires else wider)
    assert f"newer than {'the last approving review' if requires else 'the merge'}" in said.output


@pytest.mark.parametrize("by", [READER, "stranger", None])
def test_an_approval_by_whoever_may_not_write_is_not_a_review(github: GitHub, tmp_path: Path, by: str | None) -> None:
    """Anyone may approve in a public repository, and would make a later, wider plan the approved one."""
    github.require_reviews()
    github.review(7, HEAD, NOON)
    github.review(7, HEAD, "2026-03-01T13:30:00Z", by=by or "gone")
    if by is None:
        github.reviews[7][-1]["user"] = None
    planned(github)
    wider = a_plan(at="2026-03-01T13:00:00Z")
    planned(github, at="2026-03-01T13:00:00Z", content=wider)
    said = ask(github, tmp_path)
    assert (said.exit_code, "newer than the last approving review" in said.output) == (0, True), said.output
    assert json.loads((tmp_path / "plans/7.json").read_text()) == a_plan()
    github.reviews[7] = github.reviews[7][1:]
    assert ask(github, tmp_path).exit_code == 4


def test_an_approval_that_its_giver_took_back_is_not_a_review(github: GitHub, tmp_path: Path) -> None:
    """By asking for changes; a mere comment takes nothing back, and another person's approval still counts."""
    github.require_reviews()
    github.review(7, HEAD, NOON)
    github.review(7, HEAD, "2026-03-01T12:30:00Z", state="COMMENTED")
    planned(github)
    assert ask(github, tmp_path).exit_code == 0
    github.review(7, HEAD, "2026-03-01T13:00:00Z", state="CHANGES_REQUESTED")
    said = ask(github, tmp_path)
    assert (said.exit_code, "no approving review" in said.output) == (4, True), said.output
    github.review(7, HEAD, "2026-03-01T13:30:00Z", by=OWNER)
    assert ask(github, tmp_path).exit_code == 0


def test_a_failed_attempt_after_the_approval_takes_nothing_away(github: GitHub, tmp_path: Path) -> None:
    """The run now counts as failed; the attempt that was approved did not."""
    planned(github)
    github.run(99, HEAD, LATER, attempt=True, conclusion="failure")
    assert ask(github, tmp_path).exit_code == 0


def test_classic_protection_is_told_by_a_flag(github: GitHub, tmp_path: Path) -> None:
    """Only administrators may ask for it, so the workflow says that reviews are required."""
    github.rules = None
    planned(github)
    folder = ("--out-dir", str(tmp_path / "plans"))
    assert ask(github, tmp_path, *folder).exit_code == 0
    said = ask(github, tmp_path, *folder, "--require-review")
    assert (said.exit_code, "no approving review" in said.output) == (4, True)
    github.review(7, BEFORE, NOON)
    assert ask(github, tmp_path, *folder, "--require-review").exit_code == 4, "a review of an earlier commit"
    github.review(7, HEAD, NOON)
    assert ask(github, tmp_path, *folder, "--require-review").exit_code == 0


def test_a_merge_queue_pushes_several_pull_requests(github: GitHub, tmp_path: Path) -> None:
    """Each has its plan; the one without any is named, and the code says that not all was found."""
    github.commit(OTHER_HEAD, BEFORE)
    github.commit(OTHER_MERGE, MERGE, branch="main")
    github.pull(8, OTHER_HEAD, OTHER_MERGE, MERGED)
    planned(github)
    said = ask(github, tmp_path, after=OTHER_MERGE)
    assert (said.exit_code, "change 8 has no valid plan" in said.output) == (6, True), said.output
    planned(github, run=100, head_sha=OTHER_HEAD, content=a_plan(8, OTHER_HEAD))
    said = ask(github, tmp_path, after=OTHER_MERGE)
    assert said.exit_code == 0, said.output
    assert sorted(path.name for path in (tmp_path / "plans").glob("?.json")) == ["7.json", "8.json"]


@pytest.mark.parametrize("way", ["squash", "rebase", "merge"])
def test_every_way_to_merge_is_found(tmp_path: Path, way: str) -> None:
    """A squash and a rebase leave commits on the base that the pull request does not have."""
    with serve_github() as github:
        github.commit(BEFORE, branch="main")
        first = github.commit("1" * 40, BEFORE)
        github.commit(HEAD, first)
        if way == "merge":
            github.commit(MERGE, BEFORE, HEAD, branch="main")
        elif way == "squash":
            github.commit(MERGE, BEFORE, branch="main")
        else:
            github.commit(MERGE, github.commit("2" * 40, BEFORE), branch="main")
        github.pull(7, HEAD, MERGE, MERGED)
        planned(github)
        assert ask(github, tmp_path).exit_code == 0


def test_a_pull_request_merged_elsewhere_approves_nothing_here(github: GitHub, tmp_path: Path) -> None:
    """Its commits may come along in the push: it was merged into another branch, or by another push."""
    github.pulls.clear()
    github.pull(7, HEAD, MERGE, MERGED, base="lax")
    github.pull(8, HEAD, BEFORE, MERGED)
    github.pull(9, HEAD, None, MERGED)
    planned(github)
    said = ask(github, tmp_path)
    assert (said.exit_code, "merged no reviewed change" in said.output) == (4, True), said.output


def test_the_default_branch_may_have_another_name(tmp_path: Path) -> None:
    """And a push that made it has no commit before it."""
    with serve_github() as github:
        github.default_branch = "master"
        github.commit(HEAD)
        github.commit(MERGE, HEAD, branch="master")
        github.pull(7, HEAD, MERGE, MERGED, base="master")
        planned(github, content=a_plan(review={"base": "master"}))
        assert ask(github, tmp_path, before="0" * 40).exit_code == 0


def test_more_pages_than_one_are_read(github: GitHub, tmp_path: Path) -> None:
    """The file that counts may be the oldest of many."""
    planned(github)
    for number in range(1000, 1150):
        planned(github, run=number, at=LATER, conclusion="failure")
    assert ask(github, tmp_path).exit_code == 0


def test_a_permission_that_is_missing_is_named(github: GitHub, tmp_path: Path) -> None:
    """With what was asked for, and nothing is written."""
    github.failures[f"/repos/{REPOSITORY}/actions/workflows/plan.yml/runs"] = [(403, {})]
    said = ask(github, tmp_path)
    assert said.exit_code == 1
    assert "actions/workflows/plan.yml/runs: 403" in said.output
    assert "permissions" in said.output
    assert TOKEN not in said.output


def test_an_unreadable_zip_is_passed_over(github: GitHub, tmp_path: Path) -> None:
    """Also one with another file, or one that unpacks to more than a plan may have."""
    planned(github)
    for content in (b"no zip", b"PK\x05\x06" + b"\0" * 18):
        github.files[500] = content
        github.artifacts[0]["digest"] = None
        said = ask(github, tmp_path)
        assert (said.exit_code, "Passed over" in said.output) == (4, True), said.output


def test_a_list_of_too_many_files_is_not_read(github: GitHub, tmp_path: Path) -> None:
    """A small zip may list millions of them, and reading such a list takes gigabytes."""
    planned(github)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(MOST_ENTRIES + 1):
            archive.writestr(f"../{number}", b"")
    github.files[500], github.artifacts[0]["digest"] = packed.getvalue(), None
    said = ask(github, tmp_path)
    assert (said.exit_code, "not a zip file with one file in it" in said.output) == (4, True), said.output


def test_a_push_of_very_many_commits_is_looked_through(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A branch of many commits hides no pull request that the same push merged; too many are an error, not none."""
    planned(github)
    tip = BEFORE
    for number in range(600):
        tip = github.commit(f"{number:040x}", tip)
    github.commit(OTHER_MERGE, MERGE, tip, branch="main")
    github.pull(8, tip, OTHER_MERGE, MERGED)
    said = ask(github, tmp_path, after=OTHER_MERGE)
    assert said.exit_code == 6, said.output
    assert [path.name for path in (tmp_path / "plans").glob("?.json")] == ["7.json"]
    monkeypatch.setattr(github_runs, "MOST_LISTED", 500)
    said = ask(github, tmp_path, after=OTHER_MERGE)
    assert (said.exit_code, "more than 500 commits" in said.output) == (1, True), said.output


def test_commits_in_a_circle_end(github: GitHub, tmp_path: Path) -> None:
    """The compared commit comes from the forge."""
    planned(github)
    circle = [{"sha": MERGE, "parents": [{"sha": MERGE}]}]
    github.lies = lambda honest: {**honest, "commits": circle} if "commits" in honest else honest
    assert ask(github, tmp_path).exit_code == 0


def test_a_project_of_several_has_workflows_of_its_own(github: GitHub, tmp_path: Path) -> None:
    """Their files carry its name; a file that carries another one counts no more than any other workflow."""
    of: dict[str, Any] = {"name": "reconciler-plan-gtm", "path": ".github/workflows/plan-gtm.yml"}
    planned(github, **of)
    given = ("--name", "gtm", "--out-dir", str(tmp_path / "plans"))
    assert ask(github, tmp_path, *given).exit_code == 0
    github.artifacts.clear()
    planned(github, run=100, **of | {"path": ".github/workflows/plan-other.yml"})
    assert ask(github, tmp_path, *given).exit_code == 4


SUMS: dict[str, Any] = {"tables": 0, "calls": 0, "cells": 0, "credits": 0, "unpriced_cells": 0}
UNTOUCHED = {"ref": "main", "changes": [], "caused": SUMS, "due_anyway": SUMS, "no_longer_due": SUMS}


def test_a_change_that_touches_nothing_approves_nothing(github: GitHub, tmp_path: Path) -> None:
    """No comment showed what is due anyway; nor is it missing anything, alone or beside another change."""
    planned(github, content=a_plan(against=UNTOUCHED))
    said = ask(github, tmp_path)
    assert (said.exit_code, "touches nothing of the project" in said.output) == (0, True), said.output
    assert not list((tmp_path / "plans").glob("?.json"))


def test_a_plan_that_dependabot_started_is_passed_over(github: GitHub, tmp_path: Path) -> None:
    """Whoever else pushed to its branch: its jobs may not comment, so no one was shown what it would buy."""
    planned(github, actor={"login": "dependabot[bot]"})
    said = ask(github, tmp_path)
    assert (said.exit_code, "Dependabot started it, so no comment showed it" in said.output) == (4, True), said.output
    planned(github, run=100, content=a_plan(against=UNTOUCHED), actor={"login": "dependabot[bot]"})
    assert ask(github, tmp_path).exit_code == 0, "most of its changes touch nothing, and lack nothing"


def test_many_snapshots_are_not_all_asked_for(github: GitHub, tmp_path: Path) -> None:
    """Each push leaves one, and others may leave their own: GitHub answers a job a thousand times an hour."""
    of: dict[str, Any] = {"path": APPLY, "event": "push", "head_branch": "main"}
    for number in range(300):
        github.run(number, MERGE, PLANNED, **of)
        at = f"2026-03-01T10:{number // 60:02}:{number % 60:02}Z"
        github.upload(number, "reconciler-snapshot-default", "live.snapshot", str(number).encode(), at)
    for number in range(300, 400):
        github.run(number, HEAD, LATER, **of | {"head_branch": "feature"})
        where: dict[str, Any] = {
            "workflow_run": {"id": number, "head_branch": "feature", "head_repository_id": REPOSITORY_ID}
        }
        github.upload(number, "reconciler-snapshot-default", "live.snapshot", b"evil", LATER, **where)
    file = tmp_path / "live.snapshot"
    assert ask(github, tmp_path, "--snapshot", str(file)).exit_code == 0
    assert file.read_bytes() == b"299"
    assert len(github.requests) < 10


SNAPSHOTS: dict[str, tuple[dict[str, Any], bool]] = {
    "the apply workflow on main": ({"path": APPLY, "event": "push", "head_branch": "main", "head_sha": MERGE}, True),
    "the refresh workflow": ({"path": REFRESH, "event": "schedule", "head_branch": "main", "head_sha": MERGE}, True),
    "another branch": ({"path": APPLY, "event": "push", "head_branch": "feature", "head_sha": MERGE}, False),
    "a tag named main": ({"path": APPLY, "event": "push", "head_branch": "main", "head_sha": OTHER_HEAD}, False),
    "a pull request": ({"path": APPLY, "event": "pull_request", "head_branch": "main", "head_sha": MERGE}, False),
    "another workflow": ({"path": PLAN, "event": "push", "head_branch": "main", "head_sha": MERGE}, False),
    "a fork's main": (
        {"path": APPLY, "event": "push", "head_branch": "main", "head_sha": MERGE, "head_repository": {"id": FORK_ID}},
        False,
    ),
}


@pytest.mark.parametrize("of", SNAPSHOTS)
def test_a_snapshot_counts_only_if_the_default_branch_left_it(github: GitHub, tmp_path: Path, of: str) -> None:
    """And none is not an error: the plan then says what it needs."""
    github.commit(OTHER_HEAD, BEFORE)
    fields, counts = SNAPSHOTS[of]
    github.run(99, str(fields["head_sha"]), PLANNED, **{key: fields[key] for key in fields if key != "head_sha"})
    github.upload(99, "reconciler-snapshot-default", "live.snapshot", b"signed", PLANNED)
    said = ask(github, tmp_path, "--snapshot", str(tmp_path / "live.snapshot"))
    assert said.exit_code == 0, said.output
    assert (tmp_path / "live.snapshot").exists() == counts
    assert REPOSITORY_ID != FORK_ID
