"""A user's desk: a project folder, the command line, and a simulator that counts every charge."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.group import run
from reconciler.simulator.live import LiveSimulator

ACCOUNTS = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"
PARTNERS = "5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50"
NOWHERE = "91abf3a0-6f0e-4d7e-8a55-1b7f0c3d2e61"


def row_id(number: int) -> str:
    """Return the id of a row that is easy to recognise."""
    return f"00000000-0000-4000-b000-{number:012d}"


def agent(key: str, prompt: str = "Find it.", **more: Any) -> dict[str, Any]:
    """Return an agent column for a workspace."""
    return {"key": key, "value": {"agent_type": "llm", "prompt": prompt, "output_format": "text"}, **more}


def accounts(**cells: Any) -> dict[str, Any]:
    """Return a table of six rows: `news` and `notes` empty, done, failed by turns."""
    states: tuple[dict[str, str], ...]
    states = ({"news": "done", "notes": "done"}, {"news": "failed"}, {"notes": "done"}, {}, {"news": "done"}, {})
    return {
        "id": ACCOUNTS,
        "name": "Target Accounts",
        "columns": [{"kind": "input", "key": "site"}, agent("news"), agent("notes")],
        "rows": [
            {"id": row_id(number), "data": {"site": f"{number}.example"}, "cells": dict(state)}
            for number, state in enumerate(states, 1)
        ],
        **cells,
    }


FILL = f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: target-accounts
  labels: {{team: gtm}}
spec:
  table: {ACCOUNTS}
  runs:
    - name: fill
      mode: new
    - name: retry
      mode: failed
      max_attempts: 2
"""

REFRESH = f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: target-accounts
spec:
  table: {ACCOUNTS}
  runs:
    - name: refresh
      mode: all
      columns: [news]
      revision: r1
"""


@dataclass(frozen=True)
class Said:
    """A command's output and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer as JSON."""
        return json.loads(self.out)


@dataclass
class Desk:
    """Runs commands in a folder, in this process, against one simulator."""

    folder: Path
    simulator: LiveSimulator
    capture: pytest.CaptureFixture[str]
    extra: dict[str, str] = field(default_factory=dict)
    """More environment variables."""

    def write(self, text: str, name: str = "manifests/accounts.yaml") -> Path:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, *arguments: str) -> Said:
        """Run one command line."""
        self.capture.readouterr()
        with chdir(self.folder), environment({**self.simulator.environment(), **self.extra}):
            code = run(list(arguments))
        said = self.capture.readouterr()
        return Said(code, said.out, said.err)

    def posts(self) -> list[Any]:
        """Return the bodies of the run calls that the simulator saw, oldest first."""
        return [body for method, _, body in self.simulator.requests() if method == "POST"]

    def charged(self) -> dict[tuple[str, str], int]:
        """Return how often each cell was paid for, by (column key, row id), over all tables."""
        world = self.simulator.state
        keys = {column.id: column.key for table in world.tables.values() for column in table.columns}
        return {(keys[column], row): count for (_, column, row), count in self.simulator.charges().items()}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Replace the program's variables for the length of a `with` block; no CI and no terminal."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("EXTRUCT_", "RECONCILER_", "GITHUB_", "GITLAB_", "CI")):
            del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
