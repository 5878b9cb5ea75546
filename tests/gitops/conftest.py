"""A repository made with the guide's commands, a simulator, GitHub, and the machine that runs its jobs."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.ledger import open_ledger
from reconciler.simulator.server import serve
from reconciler.simulator.world.workspace_file import load
from tests.gitops.act import ROOT
from tests.gitops.github_api import serve_github
from tests.gitops.gitlab_api import serve_gitlab
from tests.gitops.gitlab_project import SETUP as GITLAB_SETUP
from tests.gitops.gitlab_project import Project
from tests.gitops.hosted_repository import Hosted


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return a folder with `reconciler` in it."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "reconciler").write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -m reconciler "$@"\n')
    (folder / "reconciler").chmod(0o755)
    return folder


@pytest.fixture
def hosted(tmp_path: Path, tools: Path) -> Iterator[Hosted]:
    """Return a repository made with the guide's own commands."""
    with serve(load(ROOT / "examples/workspace.yaml"), speed=600) as simulator, serve_github() as github:
        hosted = Hosted(tmp_path, simulator, github, str(tmp_path / "ledger.db"), tools, simulator.token)
        with open_ledger(hosted.ledger) as ledger:
            ledger.initialise()  # as a team does once: no job makes one
        hosted.set_up()
        yield hosted


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project made with the guide's own commands, whose protected variables only the default branch sees."""
    ledger = str(tmp_path / "ledger.db")
    with open_ledger(ledger) as opened:
        opened.initialise()  # as a team does once: no job makes one
    with serve(load(ROOT / "examples/workspace.yaml"), speed=600) as simulator, serve_gitlab() as forge:
        made = Project(tmp_path, simulator, forge)
        made.git(f'reconciler="{ROOT}"\n{GITLAB_SETUP}')
        made.folder = tmp_path / "tables"
        made.git("git init --quiet --bare ../origin && git remote add origin ../origin && git push --quiet origin main")
        made.secrets = {"EXTRUCT_API_TOKEN": simulator.token, "RECONCILER_LEDGER": ledger}
        yield made
