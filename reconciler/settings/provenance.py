"""The person or CI job that runs the program, and the commit, read from git and the environment."""

import getpass
import socket
from collections.abc import Mapping
from pathlib import Path

from reconciler.model.attempt import Actor
from reconciler.model.origin import GitState
from reconciler.settings.git_commit import run_git


def is_ci(environment: Mapping[str, str]) -> bool:
    """Return whether this is a CI job: `CI` is set, and neither empty, `0` nor `false`."""
    return environment.get("CI", "").strip().lower() not in ("", "0", "false")


def git_state(folder: Path) -> GitState | None:
    """Return the commit checked out at `folder` and whether files differ from it; None if git knows none."""
    sha = _git(folder, "rev-parse", "HEAD")
    if sha is None:
        return None
    return GitState(sha=sha, dirty=bool(_git(folder, "status", "--porcelain")))


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


def _user() -> str:
    try:
        name = getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container's user without a name, or Windows without USERNAME
        name = "unknown"
    return f"{name}@{socket.gethostname()}"


def _git(folder: Path, *arguments: str) -> str | None:
    done = run_git(folder, *arguments)
    return None if done is None or done.returncode else done.stdout.decode("utf-8", "replace").strip()
