"""How a job looks up its push: the forge, the token and the commits that the CI's environment names."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reconciler.errors import SettingsError
from reconciler.forge.github_runs import GitHubRuns
from reconciler.forge.gitlab_pipelines import GitLabPipelines
from reconciler.forge.http import ForgeClient
from reconciler.model.merged_change import ChangeHost, Push
from reconciler.operations.ci_job import GITHUB_API, GITLAB_API, CiJob


@contextmanager
def github_host(job: CiJob, repository: str | None) -> Iterator[ChangeHost]:
    """Open GitHub for the length of a `with` block. Raises SettingsError."""
    with ForgeClient(job.options(job.named("GITHUB_API_URL", GITHUB_API), "GITHUB_TOKEN")) as client:
        yield GitHubRuns(client, repository or job.named("GITHUB_REPOSITORY"))


@contextmanager
def gitlab_host(job: CiJob, repository: str | None, *, by_job: bool) -> Iterator[ChangeHost]:
    """Open GitLab for the length of a `with` block; `by_job` lets the job's own token do. Raises SettingsError."""
    branch = job.named("CI_DEFAULT_BRANCH")
    if not branch:
        raise SettingsError("the default branch is not known", hint="In a job, CI_DEFAULT_BRANCH holds it.")
    by_job = by_job and not job.named("GITLAB_TOKEN")
    options = job.options(job.named("CI_API_V4_URL", GITLAB_API), "CI_JOB_TOKEN" if by_job else "GITLAB_TOKEN")
    with ForgeClient(options, header="JOB-TOKEN" if by_job else "Authorization") as client:
        yield GitLabPipelines(client, repository or job.named("CI_PROJECT_ID"), branch, may_list=not by_job)


def github_push(job: CiJob, before: str | None, after: str | None) -> Push:
    """Return the push that is meant: as given, else the one that started the job. Raises SettingsError."""
    started = _event(job.named("GITHUB_EVENT_PATH")).get("before")
    return _push(before or (started if isinstance(started, str) else ""), after or job.named("GITHUB_SHA"))


def gitlab_push(job: CiJob, before: str | None, after: str | None) -> Push:
    """Return the push that is meant: as given, else the one that started the job. Raises SettingsError."""
    return _push(before or job.named("CI_COMMIT_BEFORE_SHA"), after or job.named("CI_COMMIT_SHA"))


def _push(before: str, after: str) -> Push:
    if not after:
        raise SettingsError("there is no push to look at", hint="Give its commits with --before and --after.")
    return Push(before, after)


def _event(file: str) -> dict[str, Any]:
    """Return the event that started a job; empty if there is none."""
    try:
        found = json.loads(Path(file).read_bytes()) if file else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
