"""The pull requests that a push merged, and the plan files that their workflow runs left on GitHub.

Source: GitHub's REST API reference, version 2022-11-28. A run's own `pull_requests` are not used: they list open pull
requests alone, and a merged one is open no more.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from operator import itemgetter
from typing import Any
from urllib.parse import quote

from reconciler.errors import BadResponse, Refused, SettingsError
from reconciler.forge.answers import in_known_shapes
from reconciler.forge.comments import pages
from reconciler.forge.github import repository_path
from reconciler.forge.http import ForgeClient, Query
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

MOST_LISTED = 10_000
"""Commits of a push, those of the merged branches included; GitHub lists them all."""
MOST_ATTEMPTS = 100
"""Of one run; GitHub allows 50."""
MOST_ENTRIES = 100
"""Of an artifact's list of files: reading a list of millions takes gigabytes."""
DEPENDABOT = "dependabot[bot]"
SNAPSHOT_EVENTS = ("push", "schedule", "workflow_dispatch")
_ENTRY = b"PK\x01\x02"
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


_NEVER, _EVER = (each.replace(tzinfo=UTC) for each in (datetime.min, datetime.max))
_DECISIONS = ("APPROVED", "CHANGES_REQUESTED")
_RETARGETED = ("base_ref_changed", "automatic_base_change_succeeded")


@dataclass(frozen=True, slots=True)
class _OtherTarget:
    """A time in which a branch was to be merged into another one, too."""

    begun: datetime
    until: datetime
    why: str


class GitHubRuns:
    """`ChangeHost` over GitHub's REST API."""

    def __init__(self, client: ForgeClient, repository: str) -> None:
        """Take `owner/name`. Raises SettingsError."""
        self._client = client
        self._name = repository
        self._path = repository_path(repository)
        self._about: Mapping[str, Any] | None = None

    @in_known_shapes
    def merged_changes(self, push: Push, *, needs_review: bool) -> Iterator[MergedChange]:
        """Yield the pull requests that a push merged into the default branch, oldest first."""
        commits = self._commits(push)
        base, seen = self._default_branch(), set()
        required = needs_review or self._requires_review(base)
        for commit in commits:
            path = f"{self._path}/commits/{commit}/pulls"
            for pull in pages(self._client, path):
                found = _merged(pull, path, base, commits)
                if found is None or found[0] in seen:
                    continue
                number, head, merged_at = found
                seen.add(number)
                reviewed_at = self._reviewed_at(number, head) if required else None
                yield MergedChange(number, self._name, head, base, merged_at, reviewed_at, required)

    @in_known_shapes
    def plans(self, change: MergedChange, name: str) -> Iterator[Candidate]:
        """Yield the plan files of a pull request's last commit, newest first."""
        query, branch, others = {"event": "pull_request", "head_sha": change.head}, "", None
        for workflow in _workflows("plan", name):
            path = f"{self._path}/actions/workflows/{workflow}/runs"
            for run in self._runs(path, query):
                if others is None:
                    branch, others = self._other_targets(change.number)
                why_not = _run_problem(run, self._id(), ("pull_request",), (workflow,))
                if not why_not and run["head_sha"] != change.head:
                    why_not = "it ran for another commit"
                why_not = why_not or _target_problem(run, branch, others, path)
                yield from self._files(run, f"reconciler-plan-{name}", "plan.json", LARGEST_PLAN, why_not)

    def _other_targets(self, number: int) -> tuple[str, list[_OtherTarget]]:
        """Return a pull request's branch, and when a run for that branch may have been merged with another base.

        GitHub takes the workflow from the merge of the two, so such a run may have been another program's, although
        the pull request changes no workflow. A run does not tell its base.
        """
        pull = self._client.get(f"{self._path}/pulls/{number}").content
        branch = str(field(field(pull, "head", self._path), "ref", self._path))
        found = []
        path, query = f"{self._path}/pulls", {"state": "all", "head": f"{self._name.partition('/')[0]}:{branch}"}
        for other in pages(self._client, path, query=query):
            if field(other, "number", path) != number:
                until = other.get("closed_at")
                why = f"pull request {int(other['number'])} of the same branch was open then"
                begun = moment(field(other, "created_at", path), path)
                found.append(_OtherTarget(begun, moment(until, path) if until else _EVER, why))
        path = f"{self._path}/issues/{number}/events"
        for event in pages(self._client, path):
            if field(event, "event", path) in _RETARGETED:
                until = moment(field(event, "created_at", path), path)
                found.append(_OtherTarget(_NEVER, until, "its pull request was for another branch then"))
        return branch, found

    def _runs(self, path: str, query: Query) -> Iterator[Any]:
        """Yield the runs of a workflow; none if there is no such workflow."""
        try:
            yield from pages(self._client, path, "workflow_runs", query)
        except Refused as error:
            if error.status != 404:
                raise

    @in_known_shapes
    def snapshots(self, name: str) -> Iterator[Candidate]:
        """Yield the snapshots that the default branch's workflows left, newest first."""
        base, artifact = self._default_branch(), f"reconciler-snapshot-{name}"
        workflows = (*_workflows("apply", name), *_workflows("refresh", name))
        path = f"{self._path}/actions/artifacts"
        # Every push leaves one, and each run is asked for by itself: GitHub answers a job a thousand times an hour.
        for kept in _newest_first(pages(self._client, path, "artifacts", {"name": artifact}), path):
            run, why_not = field(kept, "workflow_run", path), f"it did not run on the branch {base}"
            told = (run.get("head_branch", base), run.get("head_repository_id", self._id()))
            if told == (base, self._id()) and not kept.get("expired"):
                run = self._client.get(f"{self._path}/actions/runs/{int(field(run, 'id', path))}").content
                found = _run_problem(run, self._id(), SNAPSHOT_EVENTS, workflows)
                if found or (run["head_branch"] == base and self._is_on(base, str(run["head_sha"]))):
                    why_not = found
            yield self._candidate(kept, run, "live.snapshot", LARGEST_SNAPSHOT, why_not)

    def _files(
        self, run: Mapping[str, Any], artifact: str, file: str, most_bytes: int, why_not: str
    ) -> Iterator[Candidate]:
        """Yield what each attempt of a run left under a name, newest first."""
        path = f"{self._path}/actions/runs/{int(run['id'])}"
        kept = _newest_first(pages(self._client, f"{path}/artifacts", "artifacts", {"name": artifact}), path)
        attempts = [] if why_not or not kept else self._attempts(path, run)
        for each in kept:
            if field(each, "name", path) != artifact:
                continue
            yield self._candidate(each, run, file, most_bytes, why_not or _attempt_problem(each, attempts, path))

    def _attempts(self, path: str, run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return a run's attempts, newest first: each starts from the beginning, and any of them may have failed."""
        count = int(run.get("run_attempt") or 1)
        earlier = range(count - 1, max(0, count - MOST_ATTEMPTS), -1)
        return [run] + [self._client.get(f"{path}/attempts/{number}").content for number in earlier]

    def _candidate(
        self, kept: Mapping[str, Any], run: Mapping[str, Any], file: str, most_bytes: int, why_not: str
    ) -> Candidate:
        path = f"{self._path}/actions/artifacts/{int(field(kept, 'id', self._path))}/zip"
        if not why_not and kept.get("expired"):
            why_not = "it has expired"

        def download() -> bytes:
            packed = self._client.download(path, most_bytes)
            named = str(kept.get("digest") or "")
            if named.startswith("sha256:") and named != f"sha256:{sha256(packed).hexdigest()}":
                raise BadResponse(f"GET {path}: the file is not the one that its digest names")
            return _unzipped(packed, file, most_bytes, path)

        made_by = f"run {int(run['id'])}, attempt {int(run.get('run_attempt') or 1)}"
        made_at = moment(field(kept, "created_at", path), path)
        return Candidate(made_by, made_at, why_not, download, _why_unseen(run))

    def _commits(self, push: Push) -> list[str]:
        """Return the commits that a push added to its branch itself, oldest first: first parents alone."""
        for sha in (push.after, push.before) if push.has_before else (push.after,):
            if not _SHA.fullmatch(sha):
                raise SettingsError("a push goes from one commit's id to another's", hint="Give them whole.")
        if not push.has_before:
            return [push.after]
        path = f"{self._path}/compare/{push.before}...{push.after}"
        parents = {
            str(each["sha"]): [str(parent["sha"]) for parent in each["parents"]]
            for each in all_of(pages(self._client, path, "commits"), MOST_LISTED)
        }
        found, at = [], push.after
        while at in parents:
            found.append(at)
            at = (parents.pop(at) or [""])[0]  # taken out, so that a circle ends
        return all_of(found, MOST_COMMITS)[::-1] or [push.after]

    def _requires_review(self, branch: str) -> bool:
        """Tell whether a ruleset asks for approving reviews. Classic protection tells that to administrators alone."""
        try:
            rules = list(pages(self._client, f"{self._path}/rules/branches/{quote(branch)}"))
        except Refused as error:
            if error.status not in (403, 404):
                raise
            return False
        counts = [
            each.get("parameters", {}).get("required_approving_review_count", 0)
            for each in rules
            if isinstance(each, dict) and each.get("type") == "pull_request"
        ]
        return any(isinstance(count, int) and count > 0 for count in counts)

    def _reviewed_at(self, number: int, head: str) -> datetime | None:
        """Return when a commit was last approved by a person who may write, as anyone may approve in public.

        Of each person the last decision counts: one who asks for changes takes an approval back.
        """
        path = f"{self._path}/pulls/{number}/reviews"
        given = [
            (moment(each["submitted_at"], path), str(field(each["user"], "login", path)), each)
            for each in pages(self._client, path)
            if field(each, "state", path) in _DECISIONS and each.get("user")
        ]
        last = {login: (at, review) for at, login, review in sorted(given, key=itemgetter(0))}
        approved = [
            (at, login)
            for login, (at, review) in last.items()
            if review["state"] == "APPROVED" and review.get("commit_id") == head
        ]
        return next((at for at, login in sorted(approved, reverse=True) if self._may_write(login)), None)

    def _may_write(self, login: str) -> bool:
        path = f"{self._path}/collaborators/{quote(login, safe='')}/permission"
        try:
            return field(self._client.get(path).content, "permission", path) in ("admin", "write")
        except Refused as error:
            if error.status != 404:  # not a collaborator
                raise
            return False

    def _is_on(self, branch: str, sha: str) -> bool:
        """Tell whether a commit is part of a branch: a tag may carry the branch's name."""
        if not _SHA.fullmatch(sha):
            return False
        compared = self._client.get(f"{self._path}/compare/{sha}...refs/heads/{quote(branch)}", {"per_page": 1}).content
        return field(compared, "status", self._path) in ("ahead", "identical")

    def _default_branch(self) -> str:
        return str(field(self._repository(), "default_branch", self._path))

    def _id(self) -> int:
        return int(field(self._repository(), "id", self._path))

    def _repository(self) -> Mapping[str, Any]:
        if self._about is None:
            self._about = self._client.get(self._path).content
        return self._about or {}


def _workflows(kind: str, name: str) -> tuple[str, ...]:
    """Return the files that a project's workflow may be in: its own, or one that has a job for each project."""
    return (f"{kind}.yml", f"{kind}-{quote(name, safe='')}.yml")


def _newest_first(found: Iterable[Any], path: str) -> list[Any]:
    return sorted(found, key=lambda each: moment(field(each, "created_at", path), path), reverse=True)


def _merged(pull: Any, path: str, base: str, commits: list[str]) -> tuple[int, str, datetime] | None:
    """Return number, last commit and time of a pull request that one of these commits merged into the base."""
    try:
        if not pull["merged_at"] or pull["merge_commit_sha"] not in commits or pull["base"]["ref"] != base:
            return None
        return int(pull["number"]), str(pull["head"]["sha"]), moment(pull["merged_at"], path)
    except (KeyError, TypeError, ValueError):
        raise BadResponse(f"GET {path}: a pull request answered in a shape we do not know") from None


def _run_problem(run: Any, repository: int, events: tuple[str, ...], workflows: tuple[str, ...]) -> str:
    """Say why a run's files do not count; empty if they may."""
    try:
        workflow = str(run["path"]).partition("@")[0]
        if workflow not in [f".github/workflows/{name}" for name in workflows]:
            return "another workflow made it"
        if run["event"] not in events:
            return f"its event is {run['event']}"
        if run["head_repository"]["id"] != repository or run["repository"]["id"] != repository:
            return "it ran for a fork"
    except (KeyError, TypeError):
        raise BadResponse("a workflow run answered in a shape we do not know") from None
    return ""


def _why_unseen(run: Mapping[str, Any]) -> str:
    """Say why no comment shows a run's plan: what Dependabot starts may not write, whoever runs it again."""
    actor = run.get("actor") or {}
    return "Dependabot started it, so no comment showed it" if actor.get("login") == DEPENDABOT else ""


def _target_problem(run: Any, branch: str, others: list[_OtherTarget], path: str) -> str:
    """Say why the program of a run may be that of another base."""
    if run["head_branch"] != branch:
        return "it ran for another branch"
    began = moment(field(run, "created_at", path), path)
    return next((other.why for other in others if other.begun <= began <= other.until), "")


def _attempt_problem(kept: Mapping[str, Any], attempts: list[Mapping[str, Any]], path: str) -> str:
    """Say why the attempt that left a file does not count: only one that succeeded approves."""
    made_at = moment(field(kept, "created_at", path), path)
    for attempt in attempts:
        if made_at >= moment(field(attempt, "run_started_at", path), path):
            conclusion = attempt.get("conclusion")
            return "" if conclusion == "success" else f"its run ended as {conclusion or 'nothing yet'}"
    return "no attempt of its run made it"


def _unzipped(packed: bytes, file: str, most_bytes: int, path: str) -> bytes:
    """Return the one file of an artifact."""
    try:
        if packed.count(_ENTRY) > MOST_ENTRIES:
            raise ValueError
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            (entry,) = archive.infolist()
            if entry.filename != file:
                raise BadResponse(f"GET {path}: the artifact holds no {file}")
            with archive.open(entry) as content:
                data = content.read(most_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, RuntimeError, EOFError):
        raise BadResponse(f"GET {path}: the artifact is not a zip file with one file in it") from None
    if len(data) > most_bytes:
        raise BadResponse(f"GET {path}: the file is larger than {most_bytes:,} bytes")
    return data
