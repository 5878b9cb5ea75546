"""A day of refreshes in minutes: 2,000 tables, three workspaces, schedules, and kills all the while.

An hour is a minute here. Shorter: `DAY_TABLES=60 DAY_HOURS=8 pytest tests/fleet/test_day.py --long`.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.at_most_once.processes import Driver, Process
from tests.at_most_once.projects import SPEED, Project, column_id, project_file, row_id, table, table_id, workspace

TABLES = int(os.environ.get("DAY_TABLES", "2000"))
HOURS = int(os.environ.get("DAY_HOURS", "24"))
EVERY = 6
"""Hours after which a cell is bought again."""
ROWS = 2
WORKSPACES = ("east", "west", "south")
WORKERS = 2
"""Of each workspace."""
KILL_EVERY = 5.0
"""Seconds: a worker looks at the schedules every 15 s."""
TIMES = {"send_within_seconds": 2.0, "call_seconds": 3.0, "quiet_seconds": 6.0, "lease_seconds": 4.0}
LOOKS_EVERY = 30.0
"""Seconds after which a person ends the doubts: a refresh leaves no sign on cells that were done before."""
OLDEST_DOUBT = LOOKS_EVERY + TIMES["lease_seconds"] + TIMES["quiet_seconds"] + 20
"""Seconds until nothing of a killed worker is open."""


@pytest.fixture
def simulators() -> Iterator[dict[str, LiveSimulator]]:
    """Serve a third of the tables to each workspace, from a server that takes a moment."""
    with ExitStack() as opened:
        served = {}
        for family, name in enumerate(WORKSPACES):
            world = workspace(table(each, rows=ROWS) for each in _ids(family))
            served[name] = opened.enter_context(serve(world, speed=SPEED))
            served[name].fault("latency", "POST", "/v1/tables/*/run", seconds=0.02)
        yield served


@pytest.mark.long
def test_a_day_of_refreshes(
    tmp_path: Path,
    simulators: dict[str, LiveSimulator],
    new_ledger: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each cell is bought once it falls due and not before, within the budget; no call stays open for long."""
    seed = random.randrange(1_000_000)
    url = new_ledger()
    cells = ROWS * sum(len(_ids(family)) for family in range(len(WORKSPACES)))
    budget = cells * max(4, HOURS // EVERY * 3) // 4
    with Driver(tmp_path) as driver:
        projects = {
            name: _project(tmp_path / name, family, simulators[name], driver, url, budget)
            for family, name in enumerate(WORKSPACES)
        }
        day = Day(projects, random.Random(seed), url)
        day.play(HOURS * 60.0)
    charges = Counter({name: sum(simulators[name].charges().values()) for name in WORKSPACES})
    shortest, least = _gaps(simulators)
    with psycopg.connect(url) as connection:
        ((bought,),) = connection.execute("SELECT sum(cells) FROM reconciler.calls WHERE state = 'accepted'")
    with capsys.disabled():
        told = f"seed {seed}: {dict(day.figures)}, charges {dict(charges)} of {budget}, least {least} a cell, "
        told += f"{bought} accepted, oldest doubt {day.oldest_doubt:.1f} s, "
        sys.stderr.write(f"\nday: {told}shortest gap {shortest:.1f} s\n")
    assert charges.total() == bought <= budget, f"seed {seed}"
    assert least >= 1
    assert shortest >= EVERY * 60
    assert day.oldest_doubt < OLDEST_DOUBT
    assert charges.total() > cells or HOURS <= EVERY


def _ids(family: int) -> list[str]:
    return [table_id(number, family) for number in range(family, TABLES, len(WORKSPACES))]


def _project(folder: Path, family: int, simulator: LiveSimulator, driver: Driver, url: str, budget: int) -> Project:
    name = WORKSPACES[family]
    project = Project.make(folder, simulator, driver, _ids(family), url)
    # Not a day that ends meanwhile.
    now = datetime.now(UTC)
    zone = "UTC" if (now + timedelta(hours=2)).date() == now.date() else "Asia/Tokyo"
    limits = {"per_day": {"max_credits": budget}, "timezone": zone}
    content: dict[str, Any] = json.loads(project_file(url, spend=TIMES, limits=limits))
    content["spec"]["schedules"] = {"hourly": {"at": "* * * * *", "max_credits": budget, "workspace": name}}
    (folder / "reconciler.yaml").write_text(json.dumps(content), encoding="utf-8")
    run = f"{{mode: all, columns: [fresh], refresh: {{every: {EVERY}m}}}}"
    for number, identity in enumerate(project.tables):
        head = f"apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {{name: m-{number}}}\n"
        text = f"{head}spec:\n  table: {identity}\n  runs: [{run}]\n"
        (folder / "manifests" / f"{number}.yaml").write_text(text, encoding="utf-8")
    return project


class Day:
    """Keeps workers at work for each workspace, kills them, and ends the doubts."""

    def __init__(self, projects: dict[str, Project], luck: random.Random, url: str) -> None:
        self.figures: Counter[str] = Counter()
        self.oldest_doubt = 0.0
        self._projects = projects
        self._luck = luck
        self._url = url
        self._workers: list[tuple[str, Process]] = []

    def play(self, seconds: float) -> None:
        """Have a day of so many seconds pass, a kill every few seconds; then let the work end undisturbed."""
        oldest = (
            "SELECT coalesce(extract(epoch FROM clock_timestamp()) - min(begun_at), 0) FROM reconciler.calls "
            "WHERE state IN ('intent', 'in_doubt')"
        )
        with psycopg.connect(self._url, autocommit=True) as connection:
            until = time.monotonic() + seconds
            kill_at = look_at = 0.0
            while time.monotonic() < until:
                self._keep_at_work()
                if time.monotonic() > kill_at:
                    self._kill()
                    kill_at = time.monotonic() + KILL_EVERY
                if time.monotonic() > look_at:
                    self._end_doubts(connection)
                    look_at = time.monotonic() + LOOKS_EVERY
                ((age,),) = connection.execute(oldest)
                self.oldest_doubt = max(self.oldest_doubt, float(age))
                time.sleep(1)
            for project in self._projects.values():
                self._end_schedule(project)
            units = "SELECT count(*) FROM reconciler.units WHERE phase IN ('queued', 'waiting')"
            until = time.monotonic() + 120
            while connection.execute(units).fetchone() != (0,):
                assert time.monotonic() < until, "work is left"
                self._keep_at_work()
                time.sleep(0.5)
            ((applies,),) = connection.execute("SELECT count(*) FROM reconciler.applies")
            self.figures["applies"] = applies
            for _, process in self._workers:
                process.signal(signal.SIGTERM)
            for _, process in self._workers:
                process.wait()
            self._end_doubts(connection)

    def _keep_at_work(self) -> None:
        self._workers = [(name, each) for name, each in self._workers if not each.has_ended]
        there = Counter(name for name, _ in self._workers)
        for name, project in self._projects.items():
            for _ in range(WORKERS - there[name]):
                self._workers.append((name, project.start("worker", "--workspace", name)))

    def _kill(self) -> None:
        _, victim = self._luck.choice(self._workers)
        victim.signal(signal.SIGKILL)
        self.figures["kills"] += 1

    def _end_doubts(self, connection: "psycopg.Connection[Any]") -> None:
        """Say of each call in doubt, as a person does who looks at the bill, whether it was charged."""
        query = (
            "SELECT id, table_id, (SELECT count(*) FROM reconciler.calls o WHERE o.table_id = c.table_id "
            "AND o.state = 'accepted') FROM reconciler.calls c WHERE state IN ('intent', 'in_doubt') "
            "AND begun_at < extract(epoch FROM clock_timestamp()) - %s"
        )
        for call, of, accepted in connection.execute(
            query, [TIMES["lease_seconds"] + TIMES["quiet_seconds"]]
        ).fetchall():
            project = next(each for each in self._projects.values() if of in each.tables)
            charged = project.charges()[column_id(of, "fresh"), row_id(of, 0)]
            verdict = "--landed" if charged > accepted else "--not-landed"
            ended = project.run("ledger", "resolve", call, verdict, "--reason", "the bill says so")
            self.figures[f"doubts {verdict}"] += ended.code == 0

    @staticmethod
    def _end_schedule(project: Project) -> None:
        path = project.folder / "reconciler.yaml"
        content = json.loads(path.read_text(encoding="utf-8"))
        del content["spec"]["schedules"]
        path.write_text(json.dumps(content), encoding="utf-8")


def _gaps(simulators: dict[str, LiveSimulator]) -> tuple[float, int]:
    """Return the shortest time between two runs of a cell, in seconds, and how often the least bought cell was run."""
    runs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for family, name in enumerate(WORKSPACES):
        for each in _ids(family):
            runs.update({(each, row_id(each, number)): [] for number in range(ROWS)})
        for seen in simulators[name].seen():
            if seen.method == "POST" and seen.path.endswith("/run"):
                of = seen.path.split("/")[3]
                for row in seen.body["rows"]:
                    runs[of, row].append(seen.at / SPEED)
    gaps = [later - earlier for times in runs.values() for earlier, later in pairwise(times)]
    return min(gaps, default=float("inf")), min(map(len, runs.values()))
