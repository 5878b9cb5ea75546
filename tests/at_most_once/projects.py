"""Projects to apply: tables that count their charges, manifests that want every mode, times short enough to wait."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.ledger import Ledger, open_ledger
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallFilter
from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.world.table import IN_FLIGHT
from tests.at_most_once.processes import Driver, Process

D, T, Q, LEASE = 0.5, 1.0, 2.6, 1.0
"""Seconds; the letters are those of the protocol."""

PACE = {"delay": 0.1, "fastest": 0.2, "slowest": 1.0}
SPEED = 5.0
"""Simulated seconds a second: a run takes a quarter of a second."""

ROWS = 3
COLUMNS = ("fresh", "broken", "stale")
"""Empty, failed and done at the beginning: one column for each mode."""


@dataclass(frozen=True)
class Stores:
    """Both stores a ledger can be kept in."""

    postgres: Callable[[], str]
    """Gives the URL of a ledger that all projects of a test share."""

    def url(self, name: str, folder: Path) -> str:
        """Return where a project keeps its ledger."""
        return self.postgres() if name == "postgres" else f"sqlite:///{folder}/.reconciler/ledger.db"


def table_id(number: int, family: int = 0) -> str:
    """Return the id of a table; a family has a fault of its own."""
    return f"{family:x}0000000-0000-4000-a000-{number:012x}"


def column_id(table: str, key: str) -> str:
    """Return a column's id."""
    return f"{table[0]}{table[24:31]}-c000-4000-a000-{table[31:]}{COLUMNS.index(key):07x}"


def row_id(table: str, number: int) -> str:
    """Return a row's id."""
    return f"{table[0]}{table[24:31]}-b000-4000-a000-{table[31:]}{number:07x}"


def table(identity: str, rows: int = ROWS) -> dict[str, Any]:
    """Return a table with something due in every mode."""
    states = {"broken": "failed", "stale": "done"}
    return {
        "id": identity,
        "name": f"Table {identity[-4:]}",
        "columns": [{"key": "site", "kind": "input"}, *({"key": k, "id": column_id(identity, k)} for k in COLUMNS)],
        "rows": [{"id": row_id(identity, number), "cells": dict(states)} for number in range(rows)],
    }


def workspace(tables: Iterable[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return a world of `tables` in which a run takes a moment."""
    return {"tables": list(tables), "pace": PACE, **more}


def manifest(identity: str, name: str = "accounts", revision: str = "r1") -> str:
    """Return a manifest that wants all three columns, each in another mode."""
    return f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: {name}
spec:
  table: {identity}
  runs:
    - {{mode: new, columns: [fresh]}}
    - {{mode: failed, columns: [broken], max_attempts: 2}}
    - {{mode: all, columns: [stale], revision: {revision}}}
"""


def project_file(
    ledger: str,
    *,
    spend: Mapping[str, float] | None = None,
    limits: Mapping[str, Any] | None = None,
    **api: Any,
) -> str:
    """Return a project file with short times."""
    times = {"send_within_seconds": D, "call_seconds": T, "quiet_seconds": Q, "lease_seconds": LEASE}
    settings = {"spend": {**times, **(spend or {})}, "concurrency": 2, **api}
    # One on a server is named in the environment, as its URL has settings that no file may have.
    named = {} if ledger.startswith("postgres") else {"ledger": ledger}
    spec = {**named, "manifests": ["manifests/"], "api": settings, "prices": {"default": 1}, "limits": limits or {}}
    # JSON is YAML too.
    return json.dumps({"apiVersion": "reconciler/v1", "kind": "Project", "spec": spec}, indent=1)


@dataclass
class Project:
    """A folder with a project in it, its tables, and the ways to look at what became of them."""

    folder: Path
    simulator: LiveSimulator
    driver: Driver
    tables: tuple[str, ...]
    ledger_url: str
    extra: dict[str, str] = field(default_factory=dict)
    """More environment variables."""

    @classmethod
    def make(
        cls,
        folder: Path,
        simulator: LiveSimulator,
        driver: Driver,
        tables: Iterable[str],
        ledger_url: str,
        **settings: Any,
    ) -> "Project":
        """Write a project whose manifests want everything of `tables`."""
        tables = tuple(tables)
        (folder / "manifests").mkdir(parents=True)
        (folder / "reconciler.yaml").write_text(project_file(ledger_url, **settings), encoding="utf-8")
        for number, identity in enumerate(tables):
            path = folder / "manifests" / f"{number}.yaml"
            path.write_text(manifest(identity, f"accounts-{number}"), encoding="utf-8")
        return cls(folder, simulator, driver, tables, ledger_url)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        named = {"RECONCILER_LEDGER": self.ledger_url} if self.ledger_url.startswith("postgres") else {}
        return {**self.simulator.environment(), **named, **self.extra}

    def start(self, *arguments: str, **more: Any) -> Process:
        """Start a command line in it."""
        return self.driver.start(list(arguments), self.folder, self.environment, **more)

    def run(self, *arguments: str, **more: Any) -> Process:
        """Run a command line in it to its end."""
        return self.driver.run(list(arguments), self.folder, self.environment, **more)

    def apply(self, *arguments: str, **more: Any) -> Process:
        """Apply, with the report as JSON."""
        return self.run("apply", "--yes", "--no-wait", "--format", "json", *arguments, **more)

    def ledger(self) -> Ledger:
        """Open its ledger, for a look."""
        return open_ledger(self.ledger_url)

    def charges(self) -> Counter[tuple[str, str]]:
        """Return how often each cell of its tables was paid for, by column and row."""
        found = self.simulator.charges()
        return Counter({(column, row): times for (owner, column, row), times in found.items() if owner in self.tables})

    def is_at_rest(self) -> bool:
        """Whether a plan finds nothing due, and nothing that may fall due when a table has stopped running."""
        plan = self.run("plan", "--format", "json").json
        waiting = {"in_progress", "waiting_for_table", "in_doubt", "blocked"}
        return not plan["calls"] and not waiting & {skip["reason"] for skip in plan["skipped"]}

    def is_still(self) -> bool:
        """Whether no cell of its tables is on its way."""
        with self.simulator.state.lock:
            self.simulator.state.settle()
            return all(not self.simulator.state.tables[identity].count(*IN_FLIGHT) for identity in self.tables)

    def resolve_by_looking(self) -> int:
        """End every doubt as a person would who looks at the bill; return how many there were."""
        charges = self.charges()
        with self.ledger() as ledger:
            doubtful = [call.id for call in self.open_calls(ledger)]
            blocks = {call: ledger.past(call).covered for call in doubtful}
        for call, covered in blocks.items():
            column, row = covered[0].columns[0], covered[0].rows[0]
            verdict = "--landed" if charges[column, row] else "--not-landed"
            words = ("ledger", "resolve", call, verdict, "--reason", "the bill says so")
            done = self.run(*words)
            while "may still be in flight" in done.err:
                done = self.run(*words)
            if done.code == 1 and "locked" in done.err:
                raise LockedError
            with self.ledger() as ledger:
                is_open = call in [each.id for each in self.open_calls(ledger)]
            # Whoever was stopped may have written its ending meanwhile.
            assert done.code == 0 or not is_open, done.err
        return len(doubtful)

    def open_calls(self, ledger: Ledger) -> list[Any]:
        """Return its calls that are in doubt."""
        states = [CallState.INTENT, CallState.IN_DOUBT]
        return [call for call in ledger.calls(CallFilter(states=states)) if call.table_id in self.tables]

    def story(self) -> list[str]:
        """Return, to be read after a failure, what its ledger and the API saw of its calls, in order."""
        with self.ledger() as ledger:
            ids = [call.id for call in ledger.calls() if call.table_id in self.tables]
            events = sorted((event for each in ids for event in ledger.events(each)), key=lambda event: event.at)
        runs = {f"/v1/tables/{identity}/run" for identity in self.tables}
        posts = [seen for seen in self.simulator.seen() if seen.path in runs]
        return [
            *(f"ledger {e.at:.3f} {e.call_id} attempt {e.attempt} {e.kind.value} {dict(e.detail)}" for e in events),
            *(f"API {seen.at:.3f} (simulated) {seen.path} {seen.content.decode()}" for seen in posts),
        ]

    def every_cell(self, rows: int = ROWS) -> set[tuple[str, str]]:
        """Return every cell that its manifests want."""
        return {
            (column_id(identity, key), row_id(identity, number))
            for identity in self.tables
            for key in COLUMNS
            for number in range(rows)
        }


class LockedError(Exception):
    """A process was stopped in the middle of a transaction: none can write, so none sends."""


@dataclass
class Recovery:
    """How a project came to rest after something was done to it."""

    applies: int = 0
    in_doubt: int = 0
    """Calls that only a person could decide about."""
    codes: list[int] = field(default_factory=list)


class NotAtRestError(AssertionError):
    """Applies did not come to an end in time: on a busy machine each may lose its lease, which lasts a second."""


def recover(project: Project, patience: float = 90.0) -> Recovery:
    """Apply until nothing is due and nothing in doubt; a person decides what no evidence can."""
    recovery = Recovery()
    began = time.monotonic()
    while time.monotonic() - began < patience:
        done = project.apply()
        recovery.applies += 1
        recovery.codes.append(done.wait())
        if done.code == 0 and not done.json["calls"] and project.is_at_rest():
            return recovery
        if done.code == 7 and not done.json["calls"]:
            with project.ledger() as ledger:
                youngest = min(call.age_seconds for call in project.open_calls(ledger))
            if youngest < Q + 0.2:
                time.sleep(Q + 0.2 - youngest)
            elif project.is_still():
                recovery.in_doubt += project.resolve_by_looking()
        elif done.code == 5:
            time.sleep(0.3)
        elif done.code in (0, 6, 7):
            time.sleep(0.15)
        elif done.code == 1 and "locked" in done.err:
            raise LockedError
        else:
            raise AssertionError(f"exit {done.code}: {done.out} {done.err}")
    raise NotAtRestError(f"not at rest after {patience} s: exits {recovery.codes}, {done.out} {done.err}")
