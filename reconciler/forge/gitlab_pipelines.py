"""GitLab's record of a push: the merge requests that it merged, and the plan files that their pipelines left.

Source: GitLab's REST API reference, version 4. A merge request's pipeline may run for its last commit, for the
result of merging it, or in a merge train; the plan file says which commit it was made for.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from reconciler.errors import BadResponse, SettingsError
from reconciler.forge.comments import pages
from reconciler.forge.http import ForgeClient
from reconciler.model.merged_change import (
    LARGEST_PLAN,
    LARGEST_SNAPSHOT,
    MOST_COMMITS,
    Candidate,
    MergedChange,
    Push,
    field,
    moment,
)

_UNKNOWN = datetime.max.replace(tzinfo=UTC)
"""When a file was made that GitLab tells no time of."""


class GitLabPipelines:
    """`ChangeHost` over GitLab's REST API."""

    def __init__(self, client: ForgeClient, project: str, branch: str) -> None:
        """Take the project's number and its default branch. Raises SettingsError."""
        if not (project.isascii() and project.isdigit()):
            raise SettingsError("the project must be its number", hint="CI_PROJECT_ID holds it, or --repository.")
        self._client = client
        self._project = project
        self._branch = branch
        self._path = f"/projects/{project}"

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
                required, reviewed_at = self._reviews(number)
                yield MergedChange(
                    number, self._project, head, self._branch, merged_at, reviewed_at, needs_review or required
                )

    def plans(self, change: MergedChange, name: str) -> Iterator[Candidate]:
        """Yield the plan files that a merge request's pipelines left, newest first."""
        path = f"{self._path}/merge_requests/{change.number}/pipelines"
        for pipeline in pages(self._client, path):
            number = int(field(pipeline, "id", path))
            if str(pipeline.get("project_id", self._project)) != self._project:
                continue  # a fork's own, which this project's API cannot show
            of_jobs = f"{self._path}/pipelines/{number}/jobs"
            why_not = self._pipeline_problem(number, change)
            jobs = pages(self._client, of_jobs, query={"include_retried": "true"})
            ours = [job for job in jobs if field(job, "name", of_jobs) == f"reconciler-plan-{name}"]
            for job in sorted(ours, key=lambda each: int(field(each, "id", of_jobs)), reverse=True):
                yield self._candidate(job, of_jobs, why_not or _job_problem(job))

    def snapshots(self, name: str) -> Iterator[Candidate]:
        """Yield the newest snapshot that a pipeline of the default branch left: a job's own token may fetch it."""
        branch, job = quote(self._branch, safe=""), f"reconciler-snapshot-{name}"
        path = f"{self._path}/jobs/artifacts/{branch}/raw/live.snapshot"
        made_by = f"the last pipeline of {self._branch} that succeeded"
        yield Candidate(made_by, _UNKNOWN, "", lambda: self._client.download(path, LARGEST_SNAPSHOT, {"job": job}))

    def _candidate(self, job: Mapping[str, Any], path: str, why_not: str) -> Candidate:
        number = int(field(job, "id", path))
        made_at = job.get("finished_at") or job.get("created_at")
        file = f"{self._path}/jobs/{number}/artifacts/plan.json"
        return Candidate(
            f"job {number}", moment(made_at, path), why_not, lambda: self._client.download(file, LARGEST_PLAN)
        )

    def _pipeline_problem(self, number: int, change: MergedChange) -> str:
        """Say why a pipeline's files do not count; empty if they may."""
        path = f"{self._path}/pipelines/{number}"
        found = self._client.get(path).content
        if field(found, "source", path) != "merge_request_event":
            return f"its pipeline's source is {found['source']}"
        ref = str(field(found, "ref", path))
        if ref == f"refs/merge-requests/{change.number}/head":
            return "" if found.get("sha") == change.head else "it ran for another commit"
        if ref in (f"refs/merge-requests/{change.number}/{kind}" for kind in ("merge", "train")):
            return ""  # of a commit that GitLab made; the plan file names the one it was made for
        return "it ran for another merge request"

    def _commits(self, push: Push) -> list[str]:
        """Return the commits that a push added to its branch itself, oldest first: first parents alone."""
        if not push.has_before:
            return [push.after]
        path = f"{self._path}/repository/commits"
        query = {"ref_name": f"{push.before}..{push.after}", "first_parent": "true"}
        found = [str(field(each, "id", path)) for each in pages(self._client, path, query=query, most=MOST_COMMITS)]
        return found[::-1] or [push.after]

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

    def _reviews(self, number: int) -> tuple[bool, datetime | None]:
        """Tell whether approvals are required, and when the last one was given."""
        path = f"{self._path}/merge_requests/{number}/approvals"
        found = self._client.get(path).content
        given = [
            moment(each["approved_at"], path)
            for each in field(found, "approved_by", path)
            if isinstance(each, dict) and each.get("approved_at")
        ]
        required = found.get("approvals_required")
        return isinstance(required, int) and required > 0, max(given, default=None)


def _job_problem(job: Mapping[str, Any]) -> str:
    status = str(job.get("status"))
    return "" if status == "success" else f"it ended as {status}"
