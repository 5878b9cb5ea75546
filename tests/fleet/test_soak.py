"""Three workers over hundreds of tables, killed and frozen at random: each cell once, and how long it took.

Shorter: `SOAK_TABLES=40 pytest tests/fleet/test_soak.py --long`.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.at_most_once.processes import Driver, Process
from tests.at_most_once.projects import SPEED, Project, table, table_id, workspace

TABLES = int(os.environ.get("SOAK_TABLES", "500"))
KILLS, FREEZES = 20, 10
FROZEN_SECONDS = 6.0
"""Longer than a lease."""
WORKERS = 3
RATE = {"requests_per_second": 40}
"""So that it lasts long enough for every freeze, however fast the machine is."""
MODE = "{mode: new, columns: [fresh]}"


@pytest.fixture
def simulator() -> Iterator[LiveSimulator]:
    """Serve the tables from a server that takes a moment."""
    with serve(workspace(table(table_id(number)) for number in range(TABLES)), speed=SPEED) as simulator:
        simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.05)
        yield simulator


@pytest.mark.long
def test_random_kills_and_freezes_over_three_workers(
    tmp_path: Path, simulator: LiveSimulator, new_ledger: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """0 cells twice, 0 lost; back at work within the lease, the quiet period and 15 s."""
    seed = random.randrange(1_000_000)
    luck = random.Random(seed)
    url = new_ledger()
    times = {"send_within_seconds": 2.0, "call_seconds": 3.0, "quiet_seconds": 6.0, "lease_seconds": 4.0}
    with Driver(tmp_path) as driver:
        ids = [table_id(number) for number in range(TABLES)]
        project = Project.make(tmp_path / "project", simulator, driver, ids, url, spend=times, rate=RATE)
        for number, identity in enumerate(ids):
            path = project.folder / "manifests" / f"{number}.yaml"
            head = f"apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {{name: m-{number}}}\n"
            path.write_text(f"{head}spec:\n  table: {identity}\n  runs: [{MODE}]\n", encoding="utf-8")
        assert project.run("plan", "--out", "plan.json").code == 0
        submitted = project.run("submit", "--plan", "plan.json")
        assert submitted.code == 0, submitted.err
        apply_id = submitted.out.strip()
        began = time.monotonic()
        trouble = Trouble(project, luck)
        silences = _play(trouble, url)
        seconds = time.monotonic() - began
        done = project.run("follow", apply_id, "--format", "json", "--timeout", "1")
    charges = project.charges()
    twice = sum(times_ - 1 for times_ in charges.values())
    lost = 3 * TABLES - len(charges)
    with capsys.disabled():
        told = (
            f"{seconds:.0f} s, seed {seed}: {dict(trouble.figures)}, {len(charges)} cells, {twice} twice, {lost} lost"
        )
        print(f"\nworkers: {told}; longest silence {max(silences):.1f} s", file=sys.stderr)  # noqa: T201
    assert (twice, lost) == (0, 0), f"seed {seed}"
    assert done.code == 0, done.out
    assert (trouble.figures["kills"], trouble.figures["freezes"]) == (KILLS, FREEZES) or TABLES < 500
    assert max(silences) < times["lease_seconds"] + times["quiet_seconds"] + 15


class Trouble:
    """Keeps workers at work on an apply, and kills and freezes them."""

    def __init__(self, project: Project, luck: random.Random) -> None:
        self.figures: Counter[str] = Counter()
        self._project = project
        self._luck = luck
        self._workers: list[Process] = []
        self._asleep: list[tuple[float, Process]] = []

    def look(self, now: float, progress: float) -> None:
        """Start what has died, wake what has slept long enough, and strike others, in step with the progress."""
        self._workers = [each for each in self._workers if not each.has_ended]
        while len(self._workers) < WORKERS + len(self._asleep):
            self._workers.append(self._project.start("worker", "--concurrency", "2"))
        for waking, process in [each for each in self._asleep if each[0] <= now]:
            process.signal(signal.SIGCONT)
            self._asleep.remove((waking, process))
        asleep = [process for _, process in self._asleep]
        awake = [each for each in self._workers if each.pid and each not in asleep]
        if awake and self._luck.random() < 0.5:
            self._strike(self._luck.choice(awake), now, progress)

    def _strike(self, victim: Process, now: float, progress: float) -> None:
        # Freezes run ahead: few fit in at once, and each takes its time.
        if self.figures["freezes"] < FREEZES * min(1.0, progress * 2) and len(self._asleep) < 3:
            victim.signal(signal.SIGSTOP)
            self._asleep.append((now + FROZEN_SECONDS, victim))
            self.figures["freezes"] += 1
        elif self.figures["kills"] < KILLS * min(1.0, progress * 1.25):
            victim.signal(signal.SIGKILL)
            self.figures["kills"] += 1

    def end(self) -> None:
        """End all of them."""
        for process in self._workers:
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        for process in self._workers:
            process.wait()


def _play(trouble: Trouble, url: str) -> list[float]:
    """Make trouble until every unit has ended; return how long nothing was written, each time."""
    silences = [0.0]
    before: tuple[int, int] = (-1, -1)
    moved_at = time.monotonic()
    query = (
        "SELECT count(*) FILTER (WHERE phase NOT IN ('queued', 'waiting')), (SELECT count(*) FROM reconciler.events) "
        "FROM reconciler.units"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        while before[0] != TABLES:
            now = time.monotonic()
            trouble.look(now, before[0] / TABLES)
            row = connection.execute(query).fetchone()
            assert row is not None
            if row != before:
                silences.append(now - moved_at)
                before, moved_at = row, now
            time.sleep(0.2)
    trouble.end()
    return silences
