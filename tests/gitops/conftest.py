"""A repository made with the guide's commands, a simulator, GitHub, and the machine that runs its jobs."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reconciler.ledger import open_ledger
from reconciler.simulator.server import serve
from reconciler.simulator.world.workspace_file import load
from tests.fork_server import fork_server
from tests.gitops.act import ROOT
from tests.gitops.github_api import serve_github
from tests.gitops.gitlab_api import serve_gitlab
from tests.gitops.gitlab_project import MANIFEST, Project
from tests.gitops.gitlab_project import SETUP as GITLAB_SETUP
from tests.gitops.hosted_repository import Hosted

STARTED_AGAIN = f"""#!{sys.executable} -I
import os, sys
if sys.argv[1:4] == ["-I", "-m", "reconciler"]:  # started as Python is
    del sys.argv[1:4]
sys.argv[0] = "reconciler"
told = os.environ.get("STAND_IN_CONNECTIONS")

def tell(event, given):
    if told and event in ("socket.connect", "socket.getaddrinfo"):
        address = given[1] if event == "socket.connect" else given[:2]
        with open(told, "a") as file:
            file.write(f"{{address[0]}}:{{address[1]}}\\n" if isinstance(address, tuple) else f"{{address}}\\n")

sys.addaudithook(tell)
from reconciler.cli import main
main()
"""
FORKED = """#!/bin/sh
if [ "$1$2$3" = -I-mreconciler ]; then shift 3; fi # started as Python is
exec "{python}" -I -S "{client}" "$@"
"""
"""Much faster, and deaf to signals: those go to the client."""


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return an executable that starts the program: with `--stories` a process of its own each time, as in a job."""
    folder = tmp_path_factory.mktemp("program")
    with ExitStack() as opened:
        script = STARTED_AGAIN
        if not request.config.getoption("--stories"):
            client = opened.enter_context(fork_server(folder))
            script = FORKED.format(python=sys.executable, client=client)
        executable = folder / "program"
        executable.write_text(script)
        executable.chmod(0o755)
        yield executable


@pytest.fixture
def hosted(tmp_path: Path, program: Path) -> Iterator[Hosted]:
    """Return a repository made with the guide's own commands."""
    with serve(load(ROOT / "examples/workspace.yaml"), speed=600) as simulator, serve_github() as github:
        hosted = Hosted(tmp_path, simulator, github, str(tmp_path / "ledger.db"), program, simulator.token)
        with open_ledger(hosted.ledger) as ledger:
            ledger.initialise()  # as a team does once: no job makes one
        hosted.set_up()
        yield hosted


@pytest.fixture
def project(tmp_path: Path, program: Path) -> Iterator[Project]:
    """A project made with the guide's own commands, whose protected variables only the default branch sees."""
    ledger = str(tmp_path / "ledger.db")
    with open_ledger(ledger) as opened:
        opened.initialise()  # as a team does once: no job makes one
    with serve(load(ROOT / "examples/workspace.yaml"), speed=600) as simulator, serve_gitlab() as forge:
        made = Project(tmp_path, simulator, forge, program)
        made.git(f'reconciler() {{ "{program}" "$@"; }}\n{GITLAB_SETUP}')
        made.folder = tmp_path / "tables"
        shutil.copy(ROOT / "examples/three-modes/manifest.yaml", made.folder / MANIFEST)
        file = made.folder / "reconciler.yaml"
        file.write_text(file.read_text().replace("max_credits: 200", "max_credits: 2000"))
        made.git("git commit --quiet --all --message 'Its own tables'")
        made.git("git init --quiet --bare ../origin && git remote add origin ../origin && git push --quiet origin main")
        made.secrets = {"EXTRUCT_API_TOKEN": simulator.token, "RECONCILER_LEDGER": ledger}
        yield made
