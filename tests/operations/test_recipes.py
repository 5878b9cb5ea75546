"""The recipes for other orchestrators, carried out by these, with real workers; they are installed from the index."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fleet.conftest import Floor, MakeFloor, make_floor, new_ledger, template
from tests.journey.desk import FILL, accounts
from tests.operations.conftest import OPERATIONS, documents, program
from tests.postgres import postgres_server

__all__ = ["make_floor", "new_ledger", "postgres_server", "template"]

RECIPES = OPERATIONS / "recipes"
SHIM = """\
#!/bin/sh
# A follower looks once, and the worker starts only after it was told that the apply still runs.
case " $* " in *" follow "*)
  set -- $(echo "$*" | sed 's/--timeout [0-9]*/--timeout 0/')
  "{python}" -I -m reconciler "$@"; code=$?
  if [ $code = 8 ]; then echo >> "{runs}"; sleep 0.2; fi
  exit $code ;;
esac
exec "{python}" -I -m reconciler "$@"
"""

pytestmark = pytest.mark.story


@pytest.fixture
def floor(make_floor: MakeFloor) -> Floor:
    """Return a project with something to buy."""
    floor = make_floor(accounts())
    floor.write(FILL)
    floor.write("apiVersion: reconciler/v1\nkind: Project\nspec: {}\n", "reconciler.yaml")
    return floor


def installed(folder: Path, package: str) -> Path:
    """Make an environment with a package from the index; return its folder of programs."""
    uv = program("uv")
    assert uv is not None
    subprocess.run([uv, "venv", "--quiet", folder], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", package], check=True)
    return folder / "bin"


@contextmanager
def environment(floor: Floor, folder: Path) -> Iterator[dict[str, str]]:
    """Give the variables of an orchestrator's worker; ours starts once a follower was told to come again."""
    tools, runs = folder / "tools", folder / "runs"
    tools.mkdir()
    (tools / "reconciler").write_text(SHIM.format(python=sys.executable, runs=runs), encoding="utf-8")
    (tools / "reconciler").chmod(0o755)
    over = threading.Event()

    def work() -> None:
        while not runs.exists() and not over.is_set():
            time.sleep(0.1)
        with floor.workers():
            over.wait()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield {
            "PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder), "RECONCILER_FOLDER": str(floor.folder),
            "PYTHONPATH": "", **floor.simulator.environment(), **floor.extra,
        }  # fmt: skip
    finally:
        over.set()
        thread.join()
    assert runs.exists(), "it was never told that the apply still runs"


def bought_once(floor: Floor) -> None:
    """Assert that all was bought, and once."""
    assert set(floor.charged().values()) == {1}
    assert len(floor.charged()) == 8


def test_dagster_submits_and_follows(floor: Floor, tmp_path: Path) -> None:
    """In its own process, with retries for as long as the apply runs."""
    programs = installed(tmp_path / "dagster", "dagster")
    script = (
        "import dagster_definitions as d\n"
        "done = d.definitions.get_job_def('refresh_tables').execute_in_process(raise_on_error=True)\n"
        "print(done.output_for_node('follow'))\n"
    )
    with environment(floor, tmp_path) as variables:
        command = [str(programs / "python"), "-c", script]
        done = subprocess.run(command, cwd=RECIPES, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["exit_code"] == 0
    bought_once(floor)


def test_airflow_submits_and_follows(floor: Floor, tmp_path: Path) -> None:
    """As `airflow dags test` runs it, over a database of its own."""
    programs = installed(tmp_path / "airflow", "apache-airflow")
    with environment(floor, tmp_path) as variables:
        variables |= {
            "AIRFLOW_HOME": str(tmp_path / "home"), "AIRFLOW__CORE__DAGS_FOLDER": str(RECIPES),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }  # fmt: skip
        for arguments in (["db", "migrate"], ["dags", "test", "refresh_tables"]):
            command = [str(programs / "airflow"), *arguments]
            done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    bought_once(floor)


def test_argo_understands_the_workflow(tmp_path: Path) -> None:
    """By the types of its Python client: a key that they do not know would be lost."""
    programs = installed(tmp_path / "argo", "hera")
    written = documents("recipes/argo_workflow.yml")[0]
    script = (
        "import sys\n"
        "from hera.workflows.models import CronWorkflow\n"
        "print(CronWorkflow.model_validate_json(sys.stdin.read()).model_dump_json(exclude_none=True, by_alias=True))\n"
    )
    command = [str(programs / "python"), "-c", script]
    done = subprocess.run(command, input=json.dumps(written), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == written
