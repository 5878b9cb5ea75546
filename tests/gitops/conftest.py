"""A repository made with the guide's commands, a simulator, a forge, and the tools of a job's machine."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.ledger import open_ledger
from reconciler.simulator.server import serve
from reconciler.simulator.world.workspace_file import load
from tests.gitops.fake_gh import Store
from tests.gitops.gitlab_api import serve_gitlab
from tests.gitops.gitlab_project import SETUP as GITLAB_SETUP
from tests.gitops.gitlab_project import Project
from tests.gitops.hosted_repository import ROOT, SETUP, Hosted
from tests.review.forge_server import serve_forge


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return a folder with `gh` and `reconciler` in it."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, command in (("reconciler", "-I -m reconciler"), ("gh", f'"{Path(__file__).parent}/fake_gh.py"')):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def hosted(tmp_path: Path, tools: Path) -> Iterator[Hosted]:
    """Return a repository made with the guide's own commands."""
    with serve(load(ROOT / "examples/workspace.yaml"), speed=600) as simulator, serve_forge() as forge:
        hosted = Hosted(
            tmp_path, simulator, forge, Store(tmp_path / "github"), tools, str(tmp_path / "ledger.db"), simulator.token
        )
        with open_ledger(hosted.ledger) as ledger:
            ledger.initialise()  # as a team does once: no job makes one
        hosted.shell(SETUP, reconciler=str(ROOT))
        hosted.folder = tmp_path / "tables"
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
