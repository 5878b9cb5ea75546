"""The person or CI job that runs the program, and the commit, read from git and the environment."""

import getpass
import json
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.errors import SettingsError
from reconciler.model.attempt import Actor
from reconciler.model.origin import GitState, Review
from reconciler.settings.ci import is_ci
from reconciler.settings.git import ask_git, refusal, run_git, work_tree

_PULL_REF = re.compile(r"refs/pull/([0-9]{1,12})/(?:merge|head)")
_LARGEST_EVENT = 32 * 1024**2
"""Bytes of the file that GitHub describes an event in."""


def git_state(folder: Path, tell: Callable[[str], None] = lambda _: None) -> GitState | None:
    """Return the commit checked out at `folder` and whether files differ from it; None where there is none.

    Nothing depends on it, so if git refuses to look, `tell` receives the reason.
    """
    try:
        return read_git_state(folder)
    except SettingsError as error:
        tell(f"The commit is not known: {error.message}\n  {error.hint}")
        return None


def read_git_state(folder: Path) -> GitState | None:
    """Return what `git_state` does. Raises SettingsError if git refuses to look."""
    top = work_tree(folder)
    if top is None:
        return None
    head = run_git(top, "rev-parse", "--verify", "HEAD")
    if b"Needed a single revision" in head.stderr:  # nothing is committed yet
        return None
    if head.returncode:
        raise refusal(top, head)
    changed = ask_git(top, "status", "--porcelain")
    return GitState(sha=head.stdout.decode("ascii", "replace").strip(), dirty=bool(changed))


def actor(environment: Mapping[str, str], git: GitState | None) -> Actor:
    """Return who applies: the user and run of the CI job, or else the user of this machine."""
    sha = git.sha if git else None
    if environment.get("GITHUB_ACTIONS") == "true":
        server, repository = environment.get("GITHUB_SERVER_URL", ""), environment.get("GITHUB_REPOSITORY", "")
        url = f"{server}/{repository}/actions/runs/{environment.get('GITHUB_RUN_ID', '')}"
        return Actor(environment.get("GITHUB_ACTOR", "github"), url, sha)
    if environment.get("GITLAB_CI") == "true":
        return Actor(environment.get("GITLAB_USER_LOGIN", "gitlab"), environment.get("CI_JOB_URL"), sha)
    if is_ci(environment):
        run = environment.get("BUILD_URL") or environment.get("CI_BUILD_URL") or environment.get("BUILD_ID")
        return Actor(_user(), run, sha)
    return Actor(_user(), None, sha)


def review(environment: Mapping[str, str]) -> Review | None:
    """Return the pull or merge request whose pipeline this is, from what the CI tells; None elsewhere.

    GitHub names its last commit only in the event's own file, and its commit is a merge with the base.
    """
    if environment.get("GITHUB_EVENT_NAME") == "pull_request":
        number = _PULL_REF.fullmatch(environment.get("GITHUB_REF", ""))
        head = _pull_head(environment.get("GITHUB_EVENT_PATH", ""))
        found = (environment.get("GITHUB_REPOSITORY"), number and number[1], head, environment.get("GITHUB_BASE_REF"))
    else:
        head = environment.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or environment.get("CI_COMMIT_SHA")
        number_text, base = (
            environment.get("CI_MERGE_REQUEST_IID"),
            environment.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
        )
        found = (environment.get("CI_PROJECT_ID"), number_text, head, base)
    repository, number_, commit, branch = found
    if not (repository and number_ and commit and branch and number_.isascii() and number_.isdigit()):
        return None
    return Review(repository, int(number_), commit, branch)


def _pull_head(event_file: str) -> str | None:
    try:
        with Path(event_file).open("rb") as file:
            event = json.loads(file.read(_LARGEST_EVENT))
        return str(event["pull_request"]["head"]["sha"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _user() -> str:
    try:
        name = getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container's user without a name, or Windows without USERNAME
        name = "unknown"
    return f"{name}@{socket.gethostname()}"
