"""Comments on a pull or merge request, for a pipeline.

They need no project and so no session: a broken project file is also worth a comment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.client import ApiOptions, Token
from reconciler.errors import SettingsError
from reconciler.forge import GitHub, GitLab, post
from reconciler.forge.comments import Kind, marker
from reconciler.forge.http import ForgeClient
from reconciler.operations.read_plan import read_plan_document
from reconciler.operations.read_report import read_report_document
from reconciler.settings.network import network_of
from reconciler.text.digest import digest

_PULL_REF = re.compile(r"refs/pull/([0-9]{1,12})/(merge|head)")


@dataclass(frozen=True, slots=True)
class Review:
    """A pull or merge request."""

    forge: type[GitHub] | type[GitLab]
    url: str
    """Base URL of the forge's API."""
    token_variable: str
    environment: Mapping[str, str]
    repository: str
    number: int
    run: str | None
    """URL of the job that runs here."""

    def post(self, first_line: str, text: str) -> str:
        """Write or update the comment that begins with that line; return the effect in one word.

        Raises SettingsError if there is no token or the repository is misspelled, Refused, BadResponse.
        """
        with ForgeClient(forge_options(self.url, self.token_variable, self.environment)) as client:
            return post(self.forge(client, self.repository, self.number), first_line, text).value


def forge_options(url: str, variable: str, environment: Mapping[str, str]) -> ApiOptions:
    """Return how to reach a forge with the token of a variable. Raises SettingsError if it is not set."""
    token = environment.get(variable, "").strip()
    if not token:
        raise SettingsError(f"there is no token for {url}; {variable} is not set")
    return ApiOptions(base_url=url, token=Token(token), network=network_of(environment))


def github_review(environment: Mapping[str, str], repository: str | None, number: int | None) -> Review:
    """Return the given pull request, or else the job's. Raises SettingsError if there is none."""
    server, run = environment.get("GITHUB_SERVER_URL"), environment.get("GITHUB_RUN_ID")
    repository = repository or environment.get("GITHUB_REPOSITORY", "")
    found = _PULL_REF.fullmatch(environment.get("GITHUB_REF", ""))
    number = number or (int(found[1]) if found else None)
    if number is None:
        raise SettingsError("there is no pull request", hint="Give its number with --number.")
    return Review(
        GitHub,
        environment.get("GITHUB_API_URL") or "https://api.github.com",
        "GITHUB_TOKEN",
        environment,
        repository,
        number,
        f"{server}/{repository}/actions/runs/{run}" if server and run else None,
    )


def gitlab_review(environment: Mapping[str, str], repository: str | None, number: int | None) -> Review:
    """Return the given merge request, or else the job's. Raises SettingsError if there is none."""
    named = environment.get("CI_MERGE_REQUEST_IID", "")
    number = number or (int(named) if named.isascii() and named.isdigit() else None)
    if not number:
        raise SettingsError("there is no merge request", hint="Give its number with --number.")
    return Review(
        GitLab,
        environment.get("CI_API_V4_URL") or "https://gitlab.com/api/v4",
        "GITLAB_TOKEN",
        environment,
        repository or environment.get("CI_PROJECT_ID", ""),
        number,
        environment.get("CI_JOB_URL"),
    )


def plan_marker(name: str) -> str:
    """Return the hidden first line of a project's plan, by which a later plan finds it. Raises SettingsError."""
    return marker(Kind.PLAN, name)


def receipt_marker(name: str, report: Any = None) -> str:
    """Return the hidden first line of a report's receipt, unique to it; None stands for a missing report."""
    return marker(Kind.REPORT, name, "none" if report is None else digest(report).removeprefix("sha256:")[:16])


def read_plan(file: str) -> Any:
    """Return the JSON of a plan file. Raises StalePlan if it is not understood, OSError."""
    return read_plan_document(Path(file))


def read_report(file: str) -> Any:
    """Return the JSON of a report file. Raises SettingsError if it is not understood, OSError."""
    return read_report_document(Path(file))
