"""Desks over two small tables, and the program as a process of its own where its streams matter."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.at_most_once.small_tables import small_table, two_tables
from tests.journey.conftest import MakeDesk, make_desk
from tests.journey.desk import ACCOUNTS, PARTNERS, Desk

__all__ = ["MakeDesk", "make_desk"]

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def office(make_desk: MakeDesk) -> Desk:
    """A desk with two tables, two calls due in each; the first call's answer is a 502 after the work."""
    office = two_tables(make_desk(small_table(ACCOUNTS, 10), small_table(PARTNERS, 20)))
    office.simulator.fault("status", "POST", f"/v1/tables/{ACCOUNTS}/run", when="after", status=502, times=1)
    return office


@pytest.fixture
def start(office: Desk) -> Start:
    """Return a function that starts the program, or a shell's line that does, at the office."""

    def begin(*arguments: str, shell: str = "", program: Path = ROOT, **more: Any) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-P", "-m", "reconciler", *arguments]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(program), "HOME": str(office.folder)}
        environment |= office.simulator.environment() | more.pop("environment", {})
        if shell:
            command = ["bash", "-c", shell.replace("reconciler", " ".join(command))]
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(command, cwd=office.folder, env=environment, **more)

    return begin
