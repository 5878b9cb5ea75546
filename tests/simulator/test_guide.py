"""The simulator's guide is true: its workspace and its tests are run as they stand."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from reconciler.simulator.faults import Kind
from reconciler.simulator.http.api import NOT_SIMULATED
from reconciler.simulator.http.encode import Assumptions
from reconciler.simulator.testing import ManualClock
from reconciler.simulator.world.workspace_file import load
from tests.documentation.pages import block, page

PAGE = "reconciler/simulator/README.md"
GUIDE = page(PAGE).text


def test_the_workspace_can_be_loaded_and_served(tmp_path: Path) -> None:
    """The workspace that is shown is one."""
    path = tmp_path / "workspace.yaml"
    path.write_text(block(PAGE, "yaml", "workspace").text, encoding="utf-8")
    workspace = load(path)
    assert [table.name for table in workspace.tables] == ["Target Accounts", "Large"]
    assert workspace.faults[0].when == "after"
    workspace.tables.pop()
    assert workspace.build(7, ManualClock()).find("Target Accounts").column("pitch").outcome.fail_first == 1


def test_the_tests_pass_in_a_project_of_their_own(tmp_path: Path) -> None:
    """The tests that are shown pass with one line of plugin."""
    (tmp_path / "conftest.py").write_text(block(PAGE, "python", "conftest").text)
    (tmp_path / "test_accounts.py").write_text(block(PAGE, "python", "tests").text)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:schemathesis", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_command_prints_what_is_shown() -> None:
    """The first lines of `reconciler simulator` are those of the guide, but for the port."""
    shown = block(PAGE, "console", "simulator").text.removeprefix("$ reconciler simulator\n")
    command = [sys.executable, "-P", "-m", "reconciler", "simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = "".join(process.stdout.readline() for _ in shown.splitlines())
        process.kill()
    assert re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8420", told) == shown


def test_every_assumption_has_its_row() -> None:
    """The table of behaviours names every switch, and every part of the API that is not simulated."""
    switches = Assumptions.__struct_fields__
    assert [name for name in (*switches, *NOT_SIMULATED) if f"`{name}`" not in GUIDE] == []


def test_every_kind_of_fault_is_named() -> None:
    """The table of faults has all of them."""
    assert [kind for kind in get_args(Kind) if f"`{kind}`" not in GUIDE] == []
