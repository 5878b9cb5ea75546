"""The merge requests that a push merged, and the plan files that their pipelines left on GitLab.

Source: GitLab's REST API reference, version 4. A merge request's pipeline may run for its last commit or for the result
of merging it; the plan file says which commit it was made for. One that runs in a merge train comes after the decision
to merge, so its plan was shown too late.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from reconciler.errors import BadResponse, Refused, SettingsError
from reconciler.forge.answers import in_known_shapes
from reconciler.forge.comments import pages
from reconciler.forge.http import ForgeClient
from reconciler.model.merged_change import (
    LARGEST_PLAN,
    LARGEST_SNAPSHOT,
    MOST_COMMITS,
    Candidate,
    MergedChange,
    Push,
    all_of,
    field,
    moment,
)

MOST_PIPELINES = 20
"""Of the default branch, in which a snapshot is looked for."""

_UNKNOWN = datetime.max.replace(tzinfo=UTC)
"""When a file was made that GitLab tells no time of."""


class GitLabPipelines:
    """`ChangeHost` over GitLab's REST API."""

    def __init__(self, client: ForgeClient, project: str, branch: str, *, may_list: bool = True) -> None:
        """Take the project's number and its default branch. Raises SettingsError.

        `may_list` is false for a job's own token, which may download artifacts and list nothing.
        """
        if not (project.isascii() and project.isdigit()):
            raise SettingsError("the project must be its number", hint="CI_PROJECT_ID holds it, or --repository.")
        self._client = client
        self._project = project
        self._branch = branch
        self._path = f"/projects/{project}"
        self._may_list = may_list

    @in_known_shapes
    def merged_changes(self, push: Push, *, needs_review: bool) -> Iterator[MergedChange]:
        """Yield the merge requests that a push merged into the default branch, oldest first."""
        seen: set[int] = set()
        commits = self._commits(push)
        for commit in commits:
            path = f"{self._path}/repository/commits/{commit}/merge_requests"
            for merged in pages(self._client, path):
                found = self._merged(merged, path, commits)
                if found is None or found[0] in seen:
                    continue
                number, head, merged_at = found
                seen.add(number)
                author = int(field(field(merged, "author", path), "id", path))
                required, reviewed_at = self._reviews(number, author)
                yield MergedChange(
                    number, self._project, head, self._branch, merged_at, reviewed_at, needs_review or required
                )

    @in_known_shapes
    def plans(self, change: MergedChange, name: str) -> Iterator[Candidate]:
        """Yield the plan files that a merge request's pipelines left, newest first."""
        path = f"{self._path}/merge_requests/{change.number}"
        of_fork = str(self._client.get(path).content.get("source_project_id")) != self._project
        listed = f"{path}/pipelines"
        for pipeline in _newest_first(pages(self._client, listed), listed):
            number = int(pipeline["id"])
            if of_fork or str(pipeline.get("project_id", self._project)) != self._project:
                why_not = "it ran for a fork: push its commit to a branch of this project"
                yield Candidate(f"pipeline {number}", _UNKNOWN, why_not, bytes)
                continue
            why_not = self._pipeline_problem(number, change)
            for job in self._jobs(number, f"reconciler-plan-{name}"):
                yield self._candidate(job, "plan.json", LARGEST_PLAN, why_not or _job_problem(job))

    @in_known_shapes
    def snapshots(self, name: str) -> Iterator[Candidate]:
        """Yield the newest snapshots that the default branch left.

        A job's own token gets that of the last pipeline that succeeded, whatever its ref is: a branch or a tag.
        """
        job_name = f"reconciler-snapshot-{name}"
        if not self._may_list:
            path = f"{self._path}/jobs/artifacts/{quote(self._branch, safe='')}/raw/live.snapshot"
            made_by = f"the last pipeline of {self._branch} that succeeded"
            query = {"job": job_name}
            yield Candidate(made_by, _UNKNOWN, "", lambda: self._client.download(path, LARGEST_SNAPSHOT, query))
            return
        listed = f"{self._path}/pipelines"
        found = pages(self._client, listed, query={"ref": self._branch}, most=MOST_PIPELINES)
        for pipeline in _newest_first(found, listed):
            for job in self._jobs(int(pipeline["id"]), job_name):
                why_not = _job_problem(job) if job.get("tag") is False else f"it ran for a tag named {self._branch}"
                yield self._candidate(job, "live.snapshot", LARGEST_SNAPSHOT, why_not)

    def _jobs(self, pipeline: int, name: str) -> list[Any]:
        """Return the jobs of that name, newest first, also those that were run again."""
        path = f"{self._path}/pipelines/{pipeline}/jobs"
        found = pages(self._client, path, query={"include_retried": "true"})
        return _newest_first((job for job in found if field(job, "name", path) == name), path)

    def _candidate(self, job: Mapping[str, Any], name: str, most_bytes: int, why_not: str) -> Candidate:
        path = f"{self._path}/jobs/{int(job['id'])}"
        made_at = moment(job.get("finished_at") or job.get("created_at"), path)
        file = f"{path}/artifacts/{name}"
        return Candidate(f"job {job['id']}", made_at, why_not, lambda: self._client.download(file, most_bytes))

    def _pipeline_problem(self, number: int, change: MergedChange) -> str:
        """Say why a pipeline's files do not count; empty if they may."""
        path = f"{self._path}/pipelines/{number}"
        found = self._client.get(path).content
        if field(found, "source", path) != "merge_request_event":
            return f"its pipeline's source is {found['source']}"
        ref = str(field(found, "ref", path))
        if ref == f"refs/merge-requests/{change.number}/head":
            return "" if found.get("sha") == change.head else "it ran for another commit"
        if ref == f"refs/merge-requests/{change.number}/merge":
            return self._merge_problem(str(field(found, "sha", path)), change)
        if ref == f"refs/merge-requests/{change.number}/train":
            return "it ran in a merge train, after the decision to merge"
        return "it ran for another merge request"

    def _merge_problem(self, sha: str, change: MergedChange) -> str:
        """Say why a merge that GitLab tried does not count: with another target, its jobs may be another program's."""
        path = f"{self._path}/repository/commits/{quote(sha, safe='')}"
        try:
            target, *heads = field(self._client.get(path).content, "parent_ids", path)
        except Refused as error:
            if error.status != 404:
                raise
            return "its commit is no longer there"
        if heads != [change.head]:
            return "it ran for another commit"
        path = f"{self._path}/repository/merge_base"
        common = self._client.get(path, {"refs[]": (target, self._branch)}).content
        return "" if field(common, "id", path) == target else "it ran for another target branch"

    def _commits(self, push: Push) -> list[str]:
        """Return the commits that a push added to its branch itself, oldest first: first parents alone."""
        if not push.has_before:
            return [push.after]
        path = f"{self._path}/repository/commits"
        query = {"ref_name": f"{push.before}..{push.after}", "first_parent": "true"}
        listed = all_of(pages(self._client, path, query=query), MOST_COMMITS)
        return [str(field(each, "id", path)) for each in listed][::-1] or [push.after]

    def _merged(self, of: Any, path: str, commits: list[str]) -> tuple[int, str, datetime] | None:
        """Return number, last commit and time of a merge request that one of these commits merged."""
        try:
            made = {of[key] for key in ("merge_commit_sha", "squash_commit_sha", "sha")} - {None}
            if of["state"] != "merged" or of["target_branch"] != self._branch or not made & set(commits):
                return None
            if str(of["target_project_id"]) != self._project:
                return None
            return int(of["iid"]), str(of["sha"]), moment(of["merged_at"], path)
        except (KeyError, TypeError, ValueError):
            raise BadResponse(f"GET {path}: a merge request answered in a shape we do not know") from None

    def _reviews(self, number: int, author: int) -> tuple[bool, datetime | None]:
        """Tell whether approvals are required, and when the last one was given that still holds; none by its author."""
        path = f"{self._path}/merge_requests/{number}/approvals"
        found = self._client.get(path).content
        given_by = {
            int(field(field(each, "user", path), "id", path)): each for each in field(found, "approved_by", path)
        }
        given_by.pop(author, None)
        if all(each.get("approved_at") for each in given_by.values()):
            given = [moment(each["approved_at"], path) for each in given_by.values()]
        else:
            given = self._approvals_by(number, set(given_by))
        required = found.get("approvals_required")
        return isinstance(required, int) and required > 0, max(given, default=None)

    def _approvals_by(self, number: int, people: set[int]) -> list[datetime]:
        """Return when these people approved, from the project's events: an older GitLab tells it nowhere else."""
        path = f"{self._path}/events"
        query = {"action": "approved", "target_type": "merge_request"}
        return [
            moment(event.get("created_at"), path)
            for event in pages(self._client, path, query=query)
            if field(event, "target_iid", path) == number and field(event, "author_id", path) in people
        ]


def _newest_first(found: Iterable[Any], path: str) -> list[Any]:
    return sorted(found, key=lambda each: int(field(each, "id", path)), reverse=True)


def _job_problem(job: Mapping[str, Any]) -> str:
    if job.get("status") != "success":
        return f"it ended as {job.get('status')}"
    return "" if job.get("artifacts_file") else "its files are missing or have expired"
