"""How a job looks up its push: the forge, the token and the commits that the CI's environment names."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reconciler.client import ApiOptions, Token
from reconciler.errors import SettingsError
from reconciler.forge.github_runs import GitHubRuns
from reconciler.forge.gitlab_pipelines import GitLabPipelines
from reconciler.forge.http import ForgeClient
from reconciler.model.merged_change import ChangeHost, Push
from reconciler.settings.network import network_of
from reconciler.text.codes import Code


@contextmanager
def github_host(environment: Mapping[str, str], repository: str | None) -> Iterator[ChangeHost]:
    """Open GitHub for the length of a `with` block. Raises SettingsError."""
    options = _options(environment, "GITHUB_API_URL", "https://api.github.com", "GITHUB_TOKEN")
    with ForgeClient(options) as client:
        yield GitHubRuns(client, repository or environment.get("GITHUB_REPOSITORY", ""))


@contextmanager
def gitlab_host(environment: Mapping[str, str], repository: str | None, *, by_job: bool) -> Iterator[ChangeHost]:
    """Open GitLab for the length of a `with` block; `by_job` lets the job's own token do. Raises SettingsError."""
    branch = environment.get("CI_DEFAULT_BRANCH", "")
    if not branch:
        raise SettingsError("the default branch is not known", hint="In a job, CI_DEFAULT_BRANCH holds it.")
    by_job = by_job and not environment.get("GITLAB_TOKEN")
    token = "CI_JOB_TOKEN" if by_job else "GITLAB_TOKEN"
    options = _options(environment, "CI_API_V4_URL", "https://gitlab.com/api/v4", token)
    with ForgeClient(options, header="JOB-TOKEN" if by_job else "Authorization") as client:
        yield GitLabPipelines(client, repository or environment.get("CI_PROJECT_ID", ""), branch, may_list=not by_job)


def github_push(environment: Mapping[str, str], before: str | None, after: str | None) -> Push:
    """Return the push that is meant: as given, else the one that started the job. Raises SettingsError."""
    started = _event(environment.get("GITHUB_EVENT_PATH", "")).get("before")
    return _push(before or (started if isinstance(started, str) else ""), after or environment.get("GITHUB_SHA", ""))


def gitlab_push(environment: Mapping[str, str], before: str | None, after: str | None) -> Push:
    """Return the push that is meant: as given, else the one that started the job. Raises SettingsError."""
    return _push(before or environment.get("CI_COMMIT_BEFORE_SHA", ""), after or environment.get("CI_COMMIT_SHA", ""))


def _push(before: str, after: str) -> Push:
    if not after:
        raise SettingsError("there is no push to look at", hint="Give its commits with --before and --after.")
    return Push(before, after)


def _options(environment: Mapping[str, str], url: str, default: str, token: str) -> ApiOptions:
    text = environment.get(token, "").strip()
    if not text:
        raise SettingsError(f"there is no token for the forge; {token} is not set", code=Code.NO_TOKEN)
    return ApiOptions(environment.get(url) or default, Token(text), network=network_of(environment))


def _event(file: str) -> dict[str, Any]:
    """Return the event that started a job; empty if there is none."""
    try:
        found = json.loads(Path(file).read_bytes()) if file else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
