"""What the README says of the simulator is true: its session, its workspace and its tests are run as they stand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from reconciler.simulator.faults import Kind
from reconciler.simulator.http.api import NOT_SIMULATED
from reconciler.simulator.http.encode import Assumptions
from reconciler.simulator.testing import ManualClock, serve
from reconciler.simulator.world.sample import sample
from reconciler.simulator.world.workspace_file import load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOOLS = ("curl", "jq", "bash")
MARK = "<!-- simulator {} -->"


def block(name: str) -> str:
    """Return the code block of the README after a mark."""
    match = re.match(r"\s*```\w+\n(.*?)```", README.split(MARK.format(name))[1], re.DOTALL)
    assert match is not None
    return match[1]


def _commands(text: str) -> list[tuple[str, str]]:
    """Return each command of a console session with the output that is shown for it."""
    commands: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], ""))
        elif line.startswith("> "):
            commands[-1] = (f"{commands[-1][0]}\n{line[2:]}", "")
        else:
            commands[-1] = (commands[-1][0], f"{commands[-1][1]}{line}\n")
    return commands


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="the session is run with curl, jq and bash")
def test_the_session_goes_as_it_is_shown(tmp_path: Path) -> None:
    """Every command of the session prints what is shown; `…` stands for anything."""
    commands = _commands(block("session"))
    script = "".join(f"{command}\necho; echo '@@'\n" for command, _ in commands)
    with serve(sample(), clock=ManualClock()) as live:
        environment = {**os.environ, **live.environment()}
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    told = done.stdout.split("@@\n")
    assert len(commands) == 10
    for (command, expected), output in zip(commands, told, strict=False):
        pattern = re.escape(expected.strip()).replace("…", ".*")
        assert re.fullmatch(pattern, output.strip()), f"{command}\n{output}"


def test_the_workspace_can_be_loaded_and_served(tmp_path: Path) -> None:
    """The workspace that is shown is one."""
    path = tmp_path / "workspace.yaml"
    path.write_text(block("workspace"), encoding="utf-8")
    workspace = load(path)
    assert [table.name for table in workspace.tables] == ["Target Accounts", "Large"]
    assert workspace.faults[0].when == "after"
    workspace.tables.pop()
    assert workspace.build(7, ManualClock()).find("Target Accounts").column("pitch").outcome.fail_first == 1


def test_the_tests_pass_in_a_project_of_their_own(tmp_path: Path) -> None:
    """The tests that are shown pass with one line of plugin."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["reconciler.simulator.testing"]\n')
    (tmp_path / "test_accounts.py").write_text(block("tests"))
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:schemathesis", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_command_prints_what_is_shown() -> None:
    """The first lines of `reconciler simulator` are those of the README, but for the port."""
    shown = README.split("$ reconciler simulator\n")[1].split("```")[0]
    command = [sys.executable, "-m", "reconciler", "simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = "".join(process.stdout.readline() for _ in shown.splitlines())
        process.kill()
    assert re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8420", told) == shown


def test_every_assumption_has_its_row() -> None:
    """The table of behaviours names every switch, and every part of the API that is not simulated."""
    switches = Assumptions.__struct_fields__
    assert [name for name in (*switches, *NOT_SIMULATED) if f"`{name}`" not in README] == []


def test_every_kind_of_fault_is_named() -> None:
    """The table of faults has all of them."""
    assert [kind for kind in get_args(Kind) if f"`{kind}`" not in README] == []
