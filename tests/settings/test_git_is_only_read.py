"""Git looks at files that others wrote: it runs no program that they name, and what it runs anyway knows no secret."""

import os
from pathlib import Path

import pytest

from reconciler.errors import SettingsError
from reconciler.settings.git import ask_git
from reconciler.settings.git_commit import find_commit
from reconciler.settings.provenance import git_state
from tests.limits.repository import Repository


def program(path: Path, text: str) -> Path:
    """Write a program that leaves a trace when it is run."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_file_system_monitor_is_not_run(tmp_path: Path) -> None:
    """Git would start what the repository's configuration names, at every `status`."""
    repository = Repository.at(tmp_path)
    (tmp_path / "a").write_text("a")
    commit = repository.commit()
    monitor = program(tmp_path / "monitor", f"touch {tmp_path}/ran")
    repository.git("config", "core.fsmonitor", str(monitor))
    repository.git("status")
    assert (tmp_path / "ran").exists()  # as git does without being told
    (tmp_path / "ran").unlink()
    state = git_state(tmp_path)
    assert state is not None
    assert (state.sha, state.dirty, (tmp_path / "ran").exists()) == (commit, True, False)


@pytest.mark.parametrize("start", [".", "manifests"])
def test_a_repository_among_the_files_of_a_project_is_not_one(tmp_path: Path, start: str) -> None:
    """A change can hold the files of a bare repository, configuration and all; it is passed by, whatever git's age."""
    repository = Repository.at(tmp_path)
    inner = tmp_path / "manifests"
    repository.git("init", "--quiet", "--bare", str(inner))
    trap = program(tmp_path / "trap", f"touch {tmp_path}/ran")
    programs = "".join(f"{name} = {trap}\n" for name in ("fsmonitor", "sshCommand", "pager", "editor", "askPass"))
    more = f'[diff]\nexternal = {trap}\n[filter "x"]\nclean = {trap}\nprocess = {trap}\n[alias]\nstatus = !{trap}\n'
    (inner / "config").write_text(f"[core]\nworktree = {tmp_path}\nhooksPath = {tmp_path}\n{programs}{more}")
    for folder in (tmp_path, inner):
        (folder / ".gitattributes").write_text("* filter=x diff=x\n")
    commit = repository.commit()
    (tmp_path / "trap").touch()
    state = git_state(tmp_path / start)
    found = find_commit("main", tmp_path / start)
    assert state is not None
    assert found is not None
    assert (state.sha, found.id, (tmp_path / "ran").exists()) == (commit, commit, False)
    with pytest.raises(SettingsError, match=r"safe\.bareRepository"):
        ask_git(inner, "rev-parse", "--is-bare-repository")


@pytest.mark.parametrize("where", ["bin", ".", "", "inside", "link"])
def test_a_git_among_the_files_of_a_change_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whatever PATH says: neither from a relative folder, nor from one in the work tree, nor from a link to one."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    commit = Repository.at(folder).commit()
    (folder / "bin").mkdir()
    for name in ("git", "bin/git"):
        program(folder / name, f"touch {tmp_path}/ran")
    (tmp_path / "link").symlink_to(folder / "bin")
    entry = {"inside": str(folder / "bin"), "link": str(tmp_path / "link")}.get(where, where)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{entry}:{os.environ['PATH']}")
    state = git_state(Path())
    assert state is not None
    assert (state.sha, (tmp_path / "ran").exists()) == (commit, False)


def test_git_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither token nor ledger nor key, whatever they are called; it finds what it needs itself."""
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "git", f"env > {tmp_path}/seen; exec /usr/bin/env -i /bin/true")
    (tmp_path / "checkout").mkdir()
    Repository.at(tmp_path / "checkout")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    names = (
        *("EXTRUCT_API_TOKEN", "EXTRUCT_API_TOKEN_FILE", "RECONCILER_LEDGER", "RECONCILER_SNAPSHOT_KEY", "PGPASSWORD"),
        *("GITHUB_TOKEN", "GITLAB_TOKEN", "AWS_SECRET_ACCESS_KEY", "GIT_TOKEN", "GIT_PASSWORD", "GIT_CONFIG_VALUE_0"),
        *("GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_ASKPASS", "GIT_TRACE"),
    )
    for name in names:
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git_state(tmp_path / "checkout")
    seen = (tmp_path / "seen").read_text()
    assert "s3cret" not in seen
    assert "GIT_CONFIG_GLOBAL=/dev/null" in seen
    assert f"HOME={os.environ['HOME']}" in seen
    assert f"PATH={tmp_path}/bin:" in seen


def test_a_filter_that_a_change_chooses_is_the_users_own_and_knows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git's large files, say: attributes only name what the user's configuration has, and it is run as little else."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    own = program(tmp_path / "own", f"env > {tmp_path}/seen; cat")
    (tmp_path / "config").write_text(f'[filter "lfs"]\nclean = {own}\n')
    repository = Repository.at(folder)
    (folder / "a").write_text("a")
    repository.commit()
    (folder / "a").write_text("b")
    (folder / ".gitattributes").write_text("* filter=lfs\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("EXTRUCT_API_TOKEN", "s3cret")
    monkeypatch.setenv("GIT_TOKEN", "s3cret")
    assert git_state(folder) is not None
    assert "s3cret" not in (tmp_path / "seen").read_text()
