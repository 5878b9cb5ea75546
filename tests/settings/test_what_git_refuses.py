"""Git's refusals are shown in its own words, with the way out; a plan that needs no commit is made all the same."""

import os
import shutil

import pytest

from tests.journey.desk import Desk
from tests.limits.repository import Repository
from tests.settings.test_git_is_only_read import program
from tests.settings.test_which_project import HEAD


@pytest.fixture
def checkout(desk: Desk) -> Repository:
    """Return the desk's folder as a repository with two commits."""
    desk.write(f"{HEAD}spec: {{limits: {{max_cells: 100}}}}\n", "reconciler.yaml")
    repository = Repository.at(desk.folder)
    repository.commit("first")
    desk.write(f"{HEAD}spec: {{limits: {{max_cells: 200}}}}\n", "reconciler.yaml")
    repository.commit("second")
    return repository


def told(desk: Desk, *says: str, extra: dict[str, str] | None = None) -> None:
    """Check that what needs a commit stops with git's reason, and that a plan without one says it and goes on."""
    desk.extra = extra or {}
    for option in ("--against", "--limits-from"):
        said = desk.run("plan", option, "main")
        assert (said.code, said.out) == (1, ""), said.out
        assert [each for each in says if each not in said.err] == [], said.err
    said = desk.run("plan", "--out", "plan.json")
    assert said.code == 0
    assert "The commit is not known: " in said.err
    assert [each for each in says if each not in said.err] == [], said.err


def test_a_checkout_of_another_user(desk: Desk, checkout: Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As in a container that runs as another user than the checkout was made by."""
    folder = tmp_path_factory.mktemp("bin")
    program(folder / "git", f'export GIT_TEST_ASSUME_DIFFERENT_OWNER=1; exec {shutil.which("git")} "$@"')
    path = {"PATH": f"{folder}:{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": "/dev/null"}
    told(desk, "dubious ownership", f"git config --global --add safe.directory {desk.folder}", extra=path)


@pytest.mark.parametrize("gone", ["HEAD", "objects"])
def test_a_damaged_repository(desk: Desk, checkout: Repository, gone: str) -> None:
    """Not that the branch does not exist."""
    path = desk.folder / ".git" / gone
    (path.unlink if gone == "HEAD" else lambda: shutil.rmtree(path))()
    told(desk, "not a git repository", "git fsck", extra={"GIT_CEILING_DIRECTORIES": str(desk.folder.parent)})


def test_a_damaged_commit(desk: Desk, checkout: Repository) -> None:
    """Which object it is."""
    commit = checkout.git("rev-parse", "HEAD")
    path = desk.folder / ".git" / "objects" / commit[:2] / commit[2:]
    path.chmod(0o600)
    path.write_text("x")
    told(desk, f"loose object {commit}", "is corrupt", "git fsck")


def test_no_git(desk: Desk, checkout: Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As in a small image: a commit cannot be read, and everything else works."""
    told(desk, "git is not found", "Install git", extra={"PATH": str(tmp_path_factory.mktemp("bin"))})


def test_a_clone_without_its_history(
    desk: Desk, checkout: Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As CI checks out: how to fetch the commit is said."""
    folder = tmp_path_factory.mktemp("clone")
    checkout.git("clone", "--quiet", "--depth=1", f"file://{desk.folder}", str(folder))
    said = desk.run("-C", str(folder), "plan", "--against", checkout.git("rev-parse", "HEAD~1"))
    assert (said.code, "shallow" in said.err, "git fetch --depth=1 origin" in said.err) == (1, True, True)


def test_the_commit_before_a_forced_push(desk: Desk, checkout: Repository) -> None:
    """No clone has it and no branch leads to it, so fetching a branch would not help."""
    said = desk.run("plan", "--limits-from", "c" * 40)
    assert (said.code, "BRANCH" in said.err, "after a forced push: plan the branch itself" in said.err) == (
        1,
        False,
        True,
    )


def test_a_clone_without_its_files(desk: Desk, checkout: Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    """They cannot be fetched without the user's credentials, which git is not given here."""
    folder = tmp_path_factory.mktemp("clone")
    checkout.git("config", "uploadpack.allowFilter", "true")
    checkout.git("clone", "--quiet", "--filter=blob:none", f"file://{desk.folder}", str(folder))
    Repository(folder).git("remote", "set-url", "origin", "file:///nowhere")
    said = desk.run("-C", str(folder), "plan", "--against", "HEAD~1")
    assert (said.code, "promisor remote" in said.err, "git fetch --refetch --no-filter" in said.err) == (1, True, True)


def test_no_repository(desk: Desk) -> None:
    """Said as such, not as a branch that is missing; a plan needs none."""
    said = desk.run("plan", "--against", "main")
    assert (said.code, "there is no git repository here" in said.err) == (1, True)
    said = desk.run("plan")
    assert (said.code, "commit" in said.err) == (0, False)
