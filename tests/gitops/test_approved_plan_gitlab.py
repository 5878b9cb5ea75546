"""Which plan counts as approved for a push, asked of GitLab's API by the command itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reconciler.cli import group as cli
from reconciler.client import ApiOptions, Token
from reconciler.client.http.retry import RetryTiming
from reconciler.errors import BadResponse
from reconciler.forge import gitlab_pipelines
from reconciler.forge.gitlab_pipelines import GitLabPipelines
from reconciler.forge.http import ForgeClient
from reconciler.model.merged_change import ChangeHost, Push
from reconciler.operations.approved_plan import approved_plans, newest_snapshot
from tests.gitops.gitlab_api import AUTHOR, FORK, JOB_TOKEN, PROJECT, TOKEN, GitLab, serve_gitlab
from tests.review.plans_and_reports import plan as plan_document
from tests.review.plans_and_reports import sealed

MORNING, PLANNED, NOON, MERGED, LATER = (f"2026-03-01T{hour}:00:00.000Z" for hour in ("08", "10", "12", "14", "16"))
BEFORE, HEAD, MERGE, RESULT = "a" * 40, "b" * 40, "c" * 40, "f" * 40
OTHER_HEAD, OTHER_MERGE = "d" * 40, "e" * 40


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    """A project whose default branch merge request 7 was merged into, by a merge commit."""
    with serve_gitlab() as forge:
        forge.commit(BEFORE)
        forge.commit(HEAD, BEFORE)
        forge.branches["main"] = forge.commit(MERGE, BEFORE, HEAD)
        forge.commit(RESULT, BEFORE, HEAD)
        forge.merge_request(7, HEAD, MERGED, merge_commit_sha=MERGE)
        yield forge


def a_plan(number: int = 7, head: str = HEAD, at: str = PLANNED, **more: Any) -> dict[str, Any]:
    """Return a plan file's content as the pipeline of a merge request writes it."""
    review = {"repository": str(PROJECT), "number": number, "head": head, "base": "main"} | more.pop("review", {})
    return sealed(plan_document(created_at=at, review=review, **more))


def planned(gitlab: GitLab, at: str = PLANNED, content: dict[str, Any] | None = None, **of: Any) -> int:
    """Have a pipeline of merge request 7, or one that is given, leave a plan file; return the job."""
    of_job = {key: of.pop(key) for key in ("name", "job_status", "retried", "pipeline") if key in of}
    pipeline = of_job.pop("pipeline", None) or gitlab.pipeline(of.pop("of", 7), of.pop("sha", HEAD), **of)
    data = json.dumps(content or a_plan(at=at)).encode()
    status = {"status": of_job.pop("job_status", "success")}
    name = of_job.pop("name", "reconciler-plan-default")
    return gitlab.job(pipeline, name, at, {"plan.json": data}, **status, **of_job)


def ask(gitlab: GitLab, folder: Path, *arguments: str, after: str = MERGE, before: str = BEFORE, **more: str) -> Result:
    """Run `approved-plan gitlab` as a job of the push does."""
    environment = {
        "CI_API_V4_URL": gitlab.url,
        "CI_PROJECT_ID": str(PROJECT),
        "CI_DEFAULT_BRANCH": gitlab.default_branch,
        "CI_COMMIT_BEFORE_SHA": before,
        "CI_COMMIT_SHA": after,
        "GITLAB_TOKEN": TOKEN,
        "CI_JOB_TOKEN": JOB_TOKEN,
        **more,
    }
    given = arguments or ("--out-dir", str(folder / "plans"))
    return CliRunner().invoke(cli.group, ["approved-plan", "gitlab", *given], env=environment, prog_name="reconciler")


def taken(folder: Path) -> Any:
    """Return the plan that was taken for merge request 7."""
    return json.loads((folder / "plans/7.json").read_text())


def test_the_plan_of_the_merged_merge_request_is_taken(gitlab: GitLab, tmp_path: Path) -> None:
    """Byte for byte, later jobs hear its number, and the store of the files hears no token."""
    planned(gitlab)
    said = ask(gitlab, tmp_path, "--out-dir", str(tmp_path / "plans"), "--outputs", str(tmp_path / "outputs"))
    assert said.exit_code == 0, said.output
    assert taken(tmp_path) == a_plan()
    assert (tmp_path / "outputs").read_text() == "numbers=[7]\nmissing=[]\nexit-code=0\n"
    assert gitlab.leaked == []


@pytest.mark.parametrize("way", ["merge", "semi-linear", "squash", "squash and merge", "fast-forward"])
def test_every_way_to_merge_is_found(tmp_path: Path, way: str) -> None:
    """Semi-linear history is a merge commit over a rebased branch; a fast-forward leaves the branch's own commits."""
    with serve_gitlab() as gitlab:
        gitlab.commit(BEFORE)
        gitlab.commit(HEAD, gitlab.commit("1" * 40, BEFORE))
        fields: dict[str, Any] = {"merge_commit_sha": MERGE}
        after = MERGE
        if way in ("merge", "semi-linear"):
            gitlab.commit(MERGE, BEFORE, HEAD)
        elif way == "squash":
            gitlab.commit(MERGE, BEFORE)
            fields = {"squash_commit_sha": MERGE}
        elif way == "squash and merge":
            gitlab.commit(MERGE, BEFORE, gitlab.commit("2" * 40, BEFORE))
            fields |= {"squash_commit_sha": "2" * 40}
        else:
            fields, after = {}, HEAD
        gitlab.merge_request(7, HEAD, MERGED, **fields)
        planned(gitlab)
        assert ask(gitlab, tmp_path, after=after).exit_code == 0


def test_a_merged_results_pipeline_counts(gitlab: GitLab, tmp_path: Path) -> None:
    """It runs for a commit of GitLab's own; the plan says for which head."""
    planned(gitlab, ref="refs/merge-requests/7/merge", sha=RESULT)
    assert ask(gitlab, tmp_path).exit_code == 0
    planned(gitlab, ref="refs/merge-requests/7/merge", sha=RESULT, content=a_plan(head=BEFORE))
    said = ask(gitlab, tmp_path)
    assert (said.exit_code, "made for another head" in said.output) == (0, True), said.output
    assert taken(tmp_path) == a_plan()


def test_a_merge_train_plans_too_late(gitlab: GitLab, tmp_path: Path) -> None:
    """It runs after the decision to merge: the plan that was looked at counts."""
    planned(gitlab)
    planned(gitlab, NOON, a_plan(at=NOON), ref="refs/merge-requests/7/train", sha=RESULT)
    said = ask(gitlab, tmp_path)
    assert (said.exit_code, "merge train" in said.output) == (0, True), said.output
    assert taken(tmp_path) == a_plan()


def test_a_merge_train_merges_several(gitlab: GitLab, tmp_path: Path) -> None:
    """One push may bring them all. The one without a plan is named, and the code says that not all was found."""
    gitlab.commit(OTHER_HEAD, BEFORE)
    gitlab.commit(OTHER_MERGE, MERGE, OTHER_HEAD)
    gitlab.merge_request(12, OTHER_HEAD, MERGED, merge_commit_sha=OTHER_MERGE)
    planned(gitlab)
    said = ask(gitlab, tmp_path, after=OTHER_MERGE)
    assert (said.exit_code, "change 12 has no valid plan" in said.output) == (6, True), said.output
    planned(gitlab, of=12, sha=OTHER_HEAD, content=a_plan(12, OTHER_HEAD))
    outputs = tmp_path / "outputs"
    said = ask(
        gitlab, tmp_path, "--out-dir", str(tmp_path / "plans"), "--outputs", str(outputs), after=OTHER_MERGE
    )  # fmt: skip
    assert (said.exit_code, outputs.read_text()) == (0, "numbers=[7, 12]\nmissing=[]\nexit-code=0\n"), said.output


def test_a_push_of_too_many_commits_is_an_error(
    gitlab: GitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look at some of them would lose the approvals of the others without a word."""
    gitlab.commit(OTHER_MERGE, MERGE)
    planned(gitlab)
    monkeypatch.setattr(gitlab_pipelines, "MOST_COMMITS", 1)
    said = ask(gitlab, tmp_path, after=OTHER_MERGE)
    assert (said.exit_code, "more than 1 commits" in said.output) == (1, True), said.output


TRUSTED: dict[str, tuple[dict[str, Any], str]] = {
    "a branch's pipeline with a job of that name": ({"source": "push", "ref": "feature"}, "source is push"),
    "a pipeline by hand": ({"source": "web"}, "source is web"),
    "a child pipeline": ({"source": "parent_pipeline"}, "source is parent_pipeline"),
    "a job that failed": ({"job_status": "failed"}, "ended as failed"),
    "a job that was cancelled": ({"job_status": "canceled"}, "ended as canceled"),
    "an earlier commit": ({"sha": BEFORE}, "ran for another commit"),
    "another merge request": ({"ref": "refs/merge-requests/8/head"}, "ran for another merge request"),
    "a fork's own pipeline": ({"project_id": FORK}, "ran for a fork"),
    "a job of another project of the repository": ({"name": "reconciler-plan-other"}, ""),
}


@pytest.mark.parametrize("of", TRUSTED)
def test_a_plan_of_anything_else_is_passed_over(gitlab: GitLab, tmp_path: Path, of: str) -> None:
    """Only our job, in a merge request's pipeline of this project, for its last commit, that succeeded."""
    fields, why = TRUSTED[of]
    planned(gitlab, **fields)
    said = ask(gitlab, tmp_path)
    assert said.exit_code == 4, said.output
    assert why in said.output
    assert not list((tmp_path / "plans").glob("?.json"))


def test_a_forks_plan_is_not_applied_even_if_it_was_made_here(gitlab: GitLab, tmp_path: Path) -> None:
    """A member may start the fork's pipeline in this project; what the fork wrote decides what its job does."""
    gitlab.merge_requests[0]["source_project_id"] = FORK
    planned(gitlab)
    said = ask(gitlab, tmp_path)
    assert (said.exit_code, "push its commit to a branch of this project" in said.output) == (4, True), said.output


def test_expired_artifacts_are_named(gitlab: GitLab, tmp_path: Path) -> None:
    """And an older plan of the same commit, which is kept, still counts."""
    kept = planned(gitlab)
    gitlab.expire(planned(gitlab, NOON))
    said = ask(gitlab, tmp_path)
    assert (said.exit_code, "have expired" in said.output) == (0, True), said.output
    gitlab.expire(kept)
    assert ask(gitlab, tmp_path).exit_code == 4


CONTENT: dict[str, tuple[dict[str, Any], str]] = {
    "another merge request": ({"review": {"number": 8}}, "made for another number: 8"),
    "another commit": ({"review": {"head": BEFORE}}, "made for another head"),
    "a laxer base": ({"review": {"base": "lax"}}, "made for another base: lax"),
    "a fork": ({"review": {"repository": str(FORK)}}, "made for another repository"),
    "errors": ({"errored": True}, "has errors"),
    "the future": ({"at": LATER}, "after it was approved"),
}


@pytest.mark.parametrize("what", CONTENT)
def test_a_plan_that_says_something_else_is_passed_over(gitlab: GitLab, tmp_path: Path, what: str) -> None:
    """A job may leave any file: what counts is what its content was made for."""
    fields, why = CONTENT[what]
    planned(gitlab, content=a_plan(**fields))
    said = ask(gitlab, tmp_path)
    assert (said.exit_code, why in said.output) == (4, True), said.output


def test_an_edited_plan_is_passed_over(gitlab: GitLab, tmp_path: Path) -> None:
    """Its id is the digest of what was in it."""
    planned(gitlab, content=a_plan() | {"created_at": MORNING})
    assert ask(gitlab, tmp_path).exit_code == 4


@pytest.mark.parametrize("requires", [True, False], ids=["approvals required", "not required"])
def test_a_job_run_again_after_the_approval_is_passed_over(gitlab: GitLab, tmp_path: Path, *, requires: bool) -> None:
    """The job was retried and planned more: the plan that was approved counts, or the last one before the merge."""
    gitlab.required = int(requires)
    gitlab.approve(7, NOON)
    pipeline = gitlab.pipeline(7, HEAD)
    planned(gitlab, pipeline=pipeline, retried=True)
    between = a_plan(at="2026-03-01T13:00:00Z")
    planned(gitlab, "2026-03-01T13:00:00Z", between, pipeline=pipeline, retried=True)
    planned(gitlab, LATER, a_plan(at=LATER), pipeline=pipeline)
    said = ask(gitlab, tmp_path)
    assert said.exit_code == 0, said.output
    assert taken(tmp_path) == (a_plan() if requires else between)
    assert f"newer than {'the last approving review' if requires else 'the merge'}" in said.output


@pytest.mark.parametrize("tells", [True, False], ids=["approved_at", "an older GitLab"])
def test_required_approvals_need_one_that_holds(gitlab: GitLab, tmp_path: Path, *, tells: bool) -> None:
    """An older GitLab tells its time only in the project's events. One that was taken back does not count."""
    gitlab.required, gitlab.tells_approved_at = 1, tells
    planned(gitlab, at=NOON)
    said = ask(gitlab, tmp_path)
    assert (said.exit_code, "no approving review" in said.output) == (4, True), said.output
    gitlab.approve(7, LATER, by=6)
    gitlab.approvals.clear()
    gitlab.approve(7, PLANNED)
    gitlab.approve(8, LATER)
    assert ask(gitlab, tmp_path).exit_code == 4, "approved before it was planned"
    gitlab.approve(7, MERGED)
    assert ask(gitlab, tmp_path).exit_code == 0


def test_an_author_s_own_approval_is_not_a_review(gitlab: GitLab, tmp_path: Path) -> None:
    """Where GitLab lets authors approve, one could make a later, wider plan the approved one."""
    gitlab.required = 1
    gitlab.approve(7, MERGED, by=AUTHOR)
    planned(gitlab, at=NOON)
    assert ask(gitlab, tmp_path).exit_code == 4
    gitlab.approve(7, PLANNED)
    assert ask(gitlab, tmp_path).exit_code == 4, "the other approval came before the plan"


def test_approvals_without_any_time_approve_nothing(gitlab: GitLab, tmp_path: Path) -> None:
    """The events may be gone: then it is not known what was looked at."""
    gitlab.required, gitlab.tells_approved_at = 1, False
    gitlab.approve(7, NOON)
    gitlab.events.clear()
    planned(gitlab)
    said = ask(gitlab, tmp_path)
    assert (said.exit_code, "no approving review" in said.output) == (4, True), said.output


def test_optional_approvals_count_by_a_flag(gitlab: GitLab, tmp_path: Path) -> None:
    """GitLab requires none below Premium, so the pipeline may."""
    planned(gitlab)
    folder = ("--out-dir", str(tmp_path / "plans"))
    assert ask(gitlab, tmp_path, *folder, "--require-review").exit_code == 4
    gitlab.approve(7, NOON)
    assert ask(gitlab, tmp_path, *folder, "--require-review").exit_code == 0


def test_a_merge_request_merged_elsewhere_approves_nothing_here(gitlab: GitLab, tmp_path: Path) -> None:
    """Its commits may come along in the push: it was merged into another branch, by another push, or not at all."""
    gitlab.merge_requests.clear()
    gitlab.merge_request(7, HEAD, MERGED, merge_commit_sha=MERGE, target_branch="lax")
    gitlab.merge_request(8, HEAD, MERGED, merge_commit_sha=BEFORE)
    gitlab.merge_request(9, HEAD, MERGED, merge_commit_sha=MERGE, state="opened", merged_at=None)
    gitlab.merge_request(10, HEAD, MERGED, merge_commit_sha=MERGE, target_project_id=FORK)
    planned(gitlab)
    said = ask(gitlab, tmp_path)
    assert (said.exit_code, "merged no reviewed change" in said.output) == (4, True), said.output


def test_the_default_branch_may_have_another_name(gitlab: GitLab, tmp_path: Path) -> None:
    """And a push that made it has no commit before it."""
    gitlab.default_branch = "master"
    gitlab.merge_requests[0]["target_branch"] = "master"
    planned(gitlab, content=a_plan(review={"base": "master"}))
    assert ask(gitlab, tmp_path, before="0" * 40).exit_code == 0


def test_more_pages_than_one_are_read(gitlab: GitLab, tmp_path: Path) -> None:
    """The file that counts may be the oldest of many."""
    pipeline = gitlab.pipeline(7, HEAD)
    planned(gitlab, pipeline=pipeline, retried=True)
    for _ in range(150):
        planned(gitlab, LATER, pipeline=pipeline, job_status="failed", retried=True)
    assert ask(gitlab, tmp_path).exit_code == 0


def test_a_permission_that_is_missing_is_named(gitlab: GitLab, tmp_path: Path) -> None:
    """With what was asked for, and nothing is written."""
    gitlab.failures["/merge_requests/7/pipelines"] = [(403, {})]
    said = ask(gitlab, tmp_path)
    assert (said.exit_code, "merge_requests/7/pipelines: 403" in said.output) == (1, True), said.output
    assert TOKEN not in said.output


def host(gitlab: GitLab, **more: bool) -> tuple[ForgeClient, ChangeHost]:
    """Return a host that waits without waiting."""
    options = ApiOptions(base_url=gitlab.url, token=Token(TOKEN))
    client = ForgeClient(options, RetryTiming(lambda _: None, lambda: 0.0))
    return client, GitLabPipelines(client, str(PROJECT), "main", **more)


@pytest.mark.parametrize("file", ["plan.json", "live.snapshot"])
def test_a_busy_forge_is_waited_for(gitlab: GitLab, file: str) -> None:
    """503 says nothing about a file: it is asked for again, and if that goes on, no older file takes its place."""
    planned(gitlab)
    gitlab.job(gitlab.pipeline(None, MERGE), "reconciler-snapshot-default", NOON, {"live.snapshot": b"signed"})
    client, forge = host(gitlab)
    busy: list[tuple[int, dict[str, str]]] = [(503, {})]

    def look() -> int:
        if file == "live.snapshot":
            return int(newest_snapshot(forge, "default")[0] == b"signed")
        return len(approved_plans(forge, Push(BEFORE, MERGE), "default", needs_review=False).plans)

    with client:
        gitlab.failures[f"/artifacts/{file}"] = busy * 3
        assert look() == 1
        gitlab.failures[f"/artifacts/{file}"] = busy * 9
        with pytest.raises(BadResponse, match="503"):
            look()


def snapshot(gitlab: GitLab, content: bytes, **of: Any) -> int:
    """Have a pipeline of the default branch leave a snapshot."""
    fields = {"status": of.pop("job_status")} if "job_status" in of else {}
    pipeline = gitlab.pipeline(None, MERGE, **of)
    return gitlab.job(pipeline, "reconciler-snapshot-default", NOON, {"live.snapshot": content}, **fields)


@pytest.mark.parametrize("token", ["", TOKEN], ids=["the job's own token", "a token"])
def test_the_newest_snapshot_of_the_default_branch_is_fetched(gitlab: GitLab, tmp_path: Path, token: str) -> None:
    """A merge request's job can do that without any secret. None is not an error: the plan then says what it needs."""
    file = tmp_path / "live.snapshot"
    assert ask(gitlab, tmp_path, "--snapshot", str(file), GITLAB_TOKEN=token).exit_code == 0
    assert not file.exists()
    snapshot(gitlab, b"old")
    snapshot(gitlab, b"new", source="schedule")
    assert ask(gitlab, tmp_path, "--snapshot", str(file), GITLAB_TOKEN=token).exit_code == 0
    assert file.read_bytes() == b"new"
    assert gitlab.leaked == []


@pytest.mark.parametrize("of", [{"tag": True}, {"job_status": "failed"}], ids=["a tag named main", "a job that failed"])
def test_a_snapshot_of_anything_else_is_passed_over(gitlab: GitLab, tmp_path: Path, of: dict[str, Any]) -> None:
    """With a token. The job's own cannot tell a tag from a branch, which is why tags are to be protected."""
    file = tmp_path / "live.snapshot"
    snapshot(gitlab, b"good")
    snapshot(gitlab, b"evil", **of)
    said = ask(gitlab, tmp_path, "--snapshot", str(file))
    assert (said.exit_code, "Passed over" in said.output) == (0, True), said.output
    assert file.read_bytes() == b"good"
