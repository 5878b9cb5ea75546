"""1,000 tables with a call each, carried out by one process, and by 1, 2 and 4 workers on the same PostgreSQL.

`python -m tests.benchmarks.workers [--tables N] [--rows N]`. Prints a Markdown table: calls a second, CPU and
transactions a call, each to the moment when the ledger has the last acceptance, with the peak memory of a process, and
what a fetch takes beside 20,000 waiting units. Times of CPU are those of whole processes; beside them without their
starts, each as much as a process takes that has a single call to make.
"""

import argparse
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median

import psycopg

from reconciler.ledger import open_ledger
from reconciler.model.attempt import Actor
from reconciler.model.submitted import Phase, SubmittedApply, Unit, UnitOutcome
from reconciler.text.numbers import counted
from tests.benchmarks.measuring import COMPILES_ONCE, Project, ceiling, ledgers, project, run, serving
from tests.benchmarks.server import World, table_id
from tests.benchmarks.submit_rows import CELLS_A_CALL

PROGRAM = [sys.executable, "-P", "-m", "reconciler"]
TOKEN = {"EXTRUCT_API_TOKEN": "benchmark", "CI": "false"}
WAITING = 20_000


@dataclass(frozen=True)
class Cost:
    """The cost of calls."""

    calls: int
    seconds: float
    cpu_seconds: float
    transactions: int
    peak_bytes: int
    processes: int = 1

    def line(self, name: str, start_seconds: float) -> str:
        """Return a line of the table; a process takes `start_seconds` of CPU to start and make a call."""
        started = self.cpu_seconds - self.processes * start_seconds
        each = self.cpu_seconds / self.calls, started / (self.calls - self.processes)
        spent = " | ".join(f"{seconds * 1000:.1f} ms" for seconds in each)
        rate, commits = self.calls / self.seconds, self.transactions / self.calls
        return f"| {name} | {rate:.0f} | {spent} | {commits:.1f} | {self.peak_bytes / 1e6:.0f} MB |"


def cpu(process: int) -> float:
    """Return the seconds of CPU that a process took so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(process: int) -> int:
    """Return the most bytes of memory that a process had so far."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def transactions(url: str) -> int:
    """Return how many transactions a database has seen."""
    time.sleep(1.5)  # the server counts them with a delay
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int((row.fetchone() or (0,))[0])


def prepared(made: Project, url: str) -> None:
    """Have a ledger and a plan."""
    os.environ["RECONCILER_LEDGER"] = url
    run([*PROGRAM, "ledger", "init"], made.folder)
    made.run("plan", "--out", "plan.json")


def in_process(made: Project, url: str, calls: int) -> Cost:
    """Apply in one process."""
    prepared(made, url)
    before = transactions(url)
    spent, profile = made.run("apply", "--plan", "plan.json", "--no-wait")
    assert profile["sizes"]["calls"] == calls
    return Cost(calls, spent.seconds, spent.cpu_seconds, transactions(url) - before, spent.peak_bytes)


def by_workers(made: Project, url: str, calls: int, count: int) -> Cost:
    """Have workers do it."""
    prepared(made, url)
    run([*PROGRAM, "submit", "--plan", "plan.json"], made.folder)
    before = transactions(url)
    environment = {**os.environ, **COMPILES_ONCE, **TOKEN}
    with ExitStack() as opened, psycopg.connect(url, autocommit=True) as connection:
        workers = []
        for _ in range(count):
            command = [*PROGRAM, "worker", "--concurrency", "4"]
            worker = subprocess.Popen(command, cwd=made.folder, env=environment, stderr=subprocess.DEVNULL)
            opened.callback(worker.wait)
            opened.callback(worker.terminate)
            workers.append(worker)
        query = "SELECT count(*) FROM reconciler.calls WHERE state = 'accepted'"
        began = first = time.perf_counter()
        accepted = polls = 0
        while accepted < calls:
            assert time.perf_counter() - began < 600
            time.sleep(0.1)
            found = connection.execute(query.encode()).fetchone()
            assert found is not None
            polls += 1
            if accepted == 0:
                first = time.perf_counter()
            accepted = found[0]
        seconds = time.perf_counter() - first
        spent = sum(cpu(worker.pid) for worker in workers)
        most = max(peak(worker.pid) for worker in workers)
        return Cost(calls, seconds, spent, transactions(url) - before - polls, most, count)


def fetch(url: str) -> float:
    """Return how long it takes to ask for units that are due, beside many that are not."""
    os.environ["RECONCILER_LEDGER"] = url
    with open_ledger(url) as ledger:
        ledger.initialise()
        apply = SubmittedApply("a" * 32, "plan", "default", b"{}", WAITING, None, Actor("benchmark"))
        parts = (Unit(apply.id, number, (table_id(number),), b"{}") for number in range(WAITING))
        applies = ledger.applies
        applies.submit(apply, parts, lambda _, __: None, 0.0)
        while taken := applies.claim_due(["default"], "one", 3600, 1000):
            applies.conclude(apply.id, [UnitOutcome(each.number, Phase.WAITING, 3600) for each in taken], "one")
        times = []
        for _ in range(200):
            began = time.perf_counter()
            assert applies.claim_due(["default"], "one", 60, 200) == []
            times.append(time.perf_counter() - began)
    return median(times)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=3)
    chosen = parser.parse_args()
    tables = chosen.tables
    calls = tables * ceil(chosen.rows / CELLS_A_CALL)
    world = World(tables=tables, rows=chosen.rows, columns=1, latency=0.05, done=False, random_ids=True)

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    with ledgers() as fresh, serving(world) as url, project(url, tables) as made:
        say(f"Load {os.getloadavg()[0]:.1f} at the start; the server alone: {ceiling(world)}.\n")
        with project(url, 1) as single:
            apply_start = in_process(single, fresh(), 1).cpu_seconds
            worker_start = by_workers(single, fresh(), 1, 1).cpu_seconds
        say(f"CPU of a start with one call: {apply_start:.2f} s in one process, {worker_start:.2f} s for a worker.\n")
        say("| by | calls a second | CPU a call | without starts | transactions a call | memory of a process |")
        say("|---|---|---|---|---|---|")
        say(in_process(made, fresh(), calls).line("`apply --no-wait`", apply_start))
        for count in (1, 2, 4):
            say(by_workers(made, fresh(), calls, count).line(counted(count, "worker"), worker_start))
        say(f"\nA fetch beside {WAITING:,} waiting units: {fetch(fresh()) * 1000:.1f} ms.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
