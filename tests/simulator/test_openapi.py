"""The OpenAPI document is true: schemathesis asks thousands of things and finds nothing else."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from reconciler.simulator.http.api import Api
from reconciler.simulator.testing import serve
from tests.example_counts import examples
from tests.simulator.workspaces import WORKSPACE, World

HERE = Path(__file__).parent


@pytest.mark.long
def test_schemathesis_runs_clean(tmp_path: Path) -> None:
    """Generated requests, good and bad, get answers of the documented statuses and shapes."""
    with serve(WORKSPACE, speed=60) as live:
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]
        command += [f"{live.url}/openapi.json", "-H", f"Authorization: Bearer {live.token}", "--no-color"]
        command += ["--phases", "coverage,fuzzing,stateful", "--max-examples", str(examples(16)), "--seed", "7"]
        command += ["--generation-database", "none"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(live.requests()) > 500


def test_every_endpoint_is_in_the_document() -> None:
    """The document lists what is routed, and nothing else."""
    world = World(WORKSPACE)
    paths = world.get("/openapi.json")["paths"]
    listed = {f"{method.upper()} {path}" for path, item in paths.items() for method in item if method != "parameters"}
    assert listed == set(Api(world.live.state).routes())


def test_the_document_needs_no_token() -> None:
    """Anybody may read what the endpoints are."""
    with serve() as live:
        assert httpx.get(f"{live.url}/openapi.json").json()["openapi"] == "3.1.0"
        assert httpx.post(f"{live.url}/openapi.json").status_code == 405
