"""The pipelines of `ci/`: their own commands follow an apply over several jobs, to its receipt and exit code."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.conftest import MakeFloor, make_floor, new_ledger, template
from tests.fork_server import fork_server
from tests.journey.desk import FILL, accounts
from tests.operations.conftest import documents
from tests.postgres import postgres_server

__all__ = ["make_floor", "new_ledger", "postgres_server", "template"]


def scripts() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each forge with the commands of its jobs; a follower looks once, and does not wait for minutes."""
    (github,) = documents("ci/github.yml")
    jobs = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in github["jobs"].items()}
    yield "github", {name: "\n".join(lines).replace("--timeout 500", "--timeout 0") for name, lines in jobs.items()}
    (gitlab,) = documents("ci/gitlab.yml")
    jobs = {name: job["script"] for name, job in gitlab.items() if isinstance(job, dict) and "script" in job}
    yield "gitlab", {name: "\n".join(lines).replace("--timeout 500", "--timeout 0") for name, lines in jobs.items()}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The program, as a fork of a process that has imported it."""
    with fork_server(tmp_path_factory.mktemp("fork")) as found:
        yield found


@pytest.mark.parametrize(("forge", "jobs"), list(scripts()), ids=lambda value: value if isinstance(value, str) else "")
def test_an_apply_is_followed_over_several_jobs(
    forge: str, jobs: dict[str, str], make_floor: MakeFloor, client: Path, tmp_path: Path
) -> None:
    """Parts that end before the apply are green, and the last job ends as the apply does: here, with a refused call."""
    floor = make_floor(accounts())
    floor.write(FILL)
    floor.write("apiVersion: reconciler/v1\nkind: Project\nspec: {}\n", "reconciler.yaml")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "reconciler").write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{client}" "$@"\n', encoding="utf-8")
    (tools / "reconciler").chmod(0o755)
    kept: dict[str, str] = {}

    def job(name: str, *, token: bool = False) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}", "EXTRUCT_API_URL": floor.simulator.url, **floor.extra, **kept,
            "GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        }  # fmt: skip
        environment |= floor.simulator.environment() if token else {}
        command = ["bash", "-eo", "pipefail", "-c", jobs[name]]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert job("plan", token=True).returncode == 0
    submitted = job("submit")
    assert submitted.returncode == 0, submitted.stderr
    left = tmp_path / ("output" if forge == "github" else "submit.env")
    kept["APPLY"] = left.read_text(encoding="utf-8").strip().partition("=")[2]
    for _ in range(2):
        assert job("follow").returncode == 0
    assert job("receipt").returncode == 8
    floor.simulator.fault("status", "POST", "/v1/tables/*/run", status=422, times=1)
    with floor.workers():
        floor.follow(kept["APPLY"])
    assert job("follow").returncode == 1
    receipt = job("receipt")
    assert receipt.returncode == 6
    shown = (tmp_path / "summary").read_text(encoding="utf-8") if forge == "github" else receipt.stdout
    assert "refused" in shown
