"""SIGKILL and SIGSTOP at random over several applies that share one PostgreSQL: nothing is bought twice, nothing lost.

Longer: `pytest tests/at_most_once/test_soak.py --soak 600`.
"""

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.at_most_once.processes import Driver, Process
from tests.at_most_once.projects import (
    LEASE,
    PACE,
    SPEED,
    D,
    Project,
    Q,
    Stores,
    T,
    recover,
    table,
    table_id,
    workspace,
)

APPLIES = 5
TABLES_A_ROUND = 8
ROWS = 6
CELLS_A_CALL = 2
SECONDS_A_ROUND = 12.0
SHOWS_AFTER = 0.5 * Q
"""Seconds until an accepted run shows in its table."""
AGAIN = 0.25
"""How many of the applies are of the one saved plan."""


def most_rounds(seconds: float) -> int:
    """Return how many rounds there are tables for."""
    return 5 + round(seconds)


@pytest.fixture
def simulator(soak_seconds: float) -> Iterator[LiveSimulator]:
    """Serve tables for many rounds, from a server that now and then is slow, cuts connections or answers nonsense.

    Its runs show late, on tables that look idle until then, and gateways answer for it after the work was done.
    """
    tables = [table(table_id(number), ROWS) for number in range(TABLES_A_ROUND * most_rounds(soak_seconds))]
    with serve(workspace(tables, pace={**PACE, "shows_after": SHOWS_AFTER * SPEED}), speed=SPEED) as simulator:
        run = "/v1/tables/*/run"
        simulator.fault("latency", "POST", run, seconds=0.05, distribution="exponential")
        simulator.fault("close_before", "POST", run, probability=0.03)
        simulator.fault("close_after", "POST", run, probability=0.05)
        simulator.fault("status", "POST", run, probability=0.03, status=503, when="after")
        for status in (408, 460, 499):
            simulator.fault("status", "POST", run, probability=0.02, status=status, when="after")
        simulator.fault("hang", "POST", run, probability=0.02, seconds=T + 0.3, when="before")
        yield simulator


class Trouble:
    """Whoever kills and stops the processes, in a thread of its own."""

    def __init__(self, luck: random.Random) -> None:
        self.figures: Counter[str] = Counter()
        self._luck = luck
        self._processes: list[Process] = []
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._make, name="trouble", daemon=True)

    def join(self, process: Process) -> None:
        """Let it be among the victims."""
        with self._lock:
            self._processes = [each for each in self._processes if not each.has_ended] + [process]

    def _make(self) -> None:
        asleep: list[tuple[float, Process]] = []
        while not self._over.wait(self._luck.uniform(0.05, 0.4)):
            now = time.monotonic()
            for waking, process in [each for each in asleep if each[0] <= now]:
                process.signal(SIGCONT)
                asleep.remove((waking, process))
            with self._lock:
                sleeping = {id(process) for _, process in asleep}
                awake = [
                    each for each in self._processes if each.pid and not each.has_ended and id(each) not in sleeping
                ]
            if not awake:
                continue
            victim = self._luck.choice(awake)
            if self._luck.random() < 0.5:
                victim.signal(SIGKILL)
                self.figures["kills"] += 1
            elif len(asleep) < 3:
                victim.signal(SIGSTOP)
                # Shorter than D, longer than T, long enough for others to recover its calls.
                lasts = self._luck.choice((D / 2, T + 0.2, LEASE + 0.5, Q + LEASE + 0.5))
                asleep.append((now + lasts, victim))
                self.figures["pauses"] += 1
        for _, process in asleep:
            process.signal(SIGCONT)

    def __enter__(self) -> "Trouble":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def play(project: Project, luck: random.Random, figures: Counter[str], seconds: float) -> None:
    """Keep several applies at work on a project, all in trouble, until nothing is due any more or the time is up."""
    began = time.monotonic()
    idle = 0
    with Trouble(luck) as trouble:
        running: list[Process] = []
        while time.monotonic() - began < seconds and idle < 4 * APPLIES:
            for process in [each for each in running if each.has_ended]:
                running.remove(process)
                figures[f"exit {process.code}"] += 1
                assert process.code in (-9, 0, 1, 5, 6, 7), process.err
                if process.code == 1:
                    # One that was stopped within a transaction keeps the row locked; nothing is sent then.
                    assert "lock" in process.err or "not in doubt" in process.err or "has begun" in process.err, (
                        process.err
                    )
                idle = idle + 1 if process.code == 0 and not process.json["calls"] else 0
            while len(running) < APPLIES:
                # Two tables each, so that some of them meet and others work side by side.
                names = luck.sample(range(TABLES_A_ROUND), 2)
                targets = [word for name in names for word in ("--target", f"accounts-{name}")]
                how = ["--yes", *targets]
                if luck.random() < AGAIN and (project.folder / "plan.json").exists():
                    # The plan of all tables, made in the beginning: every process approves the same cells once more.
                    how = ["--plan", "plan.json"]
                    figures["plans applied again"] += 1
                running.append(project.start("apply", "--no-wait", *how, "--format", "json"))
                trouble.join(running[-1])
            time.sleep(0.05)
    for process in running:
        process.signal(SIGCONT)
        process.wait()
    figures.update(trouble.figures)


def test_random_kills_and_pauses_over_many_processes(
    tmp_path: Path,
    simulator: LiveSimulator,
    driver: Driver,
    stores: Stores,
    soak_seconds: float,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """0 cells bought twice, 0 lost, whatever happens to the processes; the figures are printed."""
    seed = random.randrange(1_000_000)
    luck = random.Random(seed)
    figures: Counter[str] = Counter()
    began = time.monotonic()
    rounds = count()
    while (left := soak_seconds - (time.monotonic() - began)) > 0 or not figures["calls"]:
        number = next(rounds)
        if number == most_rounds(soak_seconds):
            break
        ids = [table_id(number * TABLES_A_ROUND + each) for each in range(TABLES_A_ROUND)]
        folder = tmp_path / str(number)
        project = Project.make(
            folder, simulator, driver, ids, stores.url("postgres", folder), max_cells_per_call=CELLS_A_CALL
        )
        assert project.run("plan", "--out", "plan.json").code == 0
        play(project, luck, figures, max(2.0, min(left, SECONDS_A_ROUND)))
        recovery = recover(project, patience=60.0)
        charges = project.charges()
        with project.ledger() as ledger:
            calls = [call for call in ledger.calls() if call.table_id in ids]
        figures["calls"] += sum(call.attempt for call in calls)
        figures["cells"] += sum(charges.values())
        figures["duplicates"] += sum(times - 1 for times in charges.values())
        figures["lost cells"] += len(project.every_cell(ROWS) - charges.keys())
        figures["ended by a person"] += recovery.in_doubt
    with capsys.disabled():
        shown = ", ".join(f"{value:,} {name}" for name, value in sorted(figures.items()))
        # The output of xdist's processes goes nowhere else.
        print(f"\nsoak: {time.monotonic() - began:.0f} s, seed {seed}: {shown}", file=sys.stderr)  # noqa: T201
    assert (figures["duplicates"], figures["lost cells"]) == (0, 0), f"seed {seed}"
    assert figures["kills"] > 0
    assert figures["pauses"] > 0
