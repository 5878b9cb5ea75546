"""All of it on one machine: the script of the guide, as it stands there."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, block
from tests.postgres import PROGRAMS


@pytest.mark.long
def test_the_script_of_the_guide_carries_out_a_plan(tmp_path: Path) -> None:
    """PostgreSQL, the simulator and two workers start; each cell is bought once; nothing is left of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    before = set(Path("/tmp").glob("reconciler-*"))
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{PROGRAMS}:{os.environ['PATH']}", "HOME": str(tmp_path),
        "METRICS_PORT": str(port), "CHARGES": str(tmp_path / "charges.json"),
    }  # fmt: skip
    script = block("examples/operations/README.md", "sh", "machine").text
    done = subprocess.run(
        ["bash", "-euc", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Applied: 3 calls accepted, 37 cells, 37 credits." in done.stdout
    assert 'reconciler_run_calls_total{state="accepted",workspace="default"}' in done.stdout
    charges = json.loads((tmp_path / "charges.json").read_text(encoding="utf-8"))
    assert [charge["times"] for charge in charges] == [1] * 37
    assert set(Path("/tmp").glob("reconciler-*")) <= before
