"""Git looks at files that others wrote: it runs no program that they name, and what it runs anyway knows no secret."""

import os
from pathlib import Path

import pytest

from reconciler.settings.git import run_git
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


def test_a_repository_among_the_files_of_a_project_is_not_one(tmp_path: Path) -> None:
    """A change can hold the files of a bare repository, configuration and all."""
    Repository.at(tmp_path).commit()
    inner = tmp_path / "manifests"
    Repository.at(tmp_path).git("init", "--quiet", "--bare", str(inner))
    program(tmp_path / "monitor", f"touch {tmp_path}/ran")
    (inner / "config").write_text(f"[core]\nworktree = {tmp_path}\nfsmonitor = {tmp_path}/monitor\n")
    git_state(inner)
    assert not (tmp_path / "ran").exists()
    done = run_git(inner, "rev-parse", "--is-bare-repository")
    assert done is not None
    assert done.returncode
    assert b"safe.bareRepository" in done.stderr


def test_git_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither token nor ledger nor key, whatever they are called; it finds what it needs itself."""
    program(tmp_path / "git", f"env > {tmp_path}/seen; exec /usr/bin/env -i /bin/true")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    names = (
        "EXTRUCT_API_TOKEN",
        "EXTRUCT_API_TOKEN_FILE",
        "RECONCILER_LEDGER",
        "RECONCILER_SNAPSHOT_KEY",
        "PGPASSWORD",
    )
    for name in (*names, "GITHUB_TOKEN", "GITLAB_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git_state(tmp_path)
    seen = (tmp_path / "seen").read_text()
    assert "s3cret" not in seen
    assert "GIT_CONFIG_GLOBAL=/dev/null" in seen
    assert f"HOME={os.environ['HOME']}" in seen
