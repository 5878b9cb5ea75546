"""Workers that are killed, frozen, doubled and raced: every cell is charged once at the wire, and none is lost."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.at_most_once.driver import Point, place, points
from tests.at_most_once.processes import Driver, Process
from tests.at_most_once.projects import LEASE, SPEED, Project, Q, table, table_id, workspace

pytestmark = pytest.mark.long
TABLES = 2
"""Of each case."""
CASES = 600
WAITS = 60.0
"""Seconds within which everything is over, on a busy machine."""
PATH: dict[str, tuple[str, ...]] = {
    "reconciler.fleet.worker": (
        "Worker.send",
        "Worker._work",
        "Worker._step",
        "Worker._conclude",
        "Worker.tick",
        "Worker._look",
    ),
    "reconciler.fleet.engine": ("_Running._send", "_Running._sweep"),
    "reconciler.operations.apply_step": ("apply_step", "_StepRunner.step"),
    "reconciler.operations.fold": ("settle_shown", "record_endings"),
    "reconciler.spending.protocol": ("SpendProtocol._attempt", "SpendProtocol._post", "SpendProtocol._record"),
    "reconciler.ledger.journal": ("begin", "end", "settle", "resolve"),
    "reconciler.ledger.applies": ("Applies.claim", "Applies.claim_due", "Applies.conclude", "refuse_stopped"),
    "reconciler.client.run_call": ("SpendClient.send", "SpendClient._exchange", "SpendClient._judged"),
}
"""Module → the functions on a worker's way from a job to a settled unit."""
NAMED = {
    "before its units are claimed": ("reconciler.fleet.worker", "Worker.send", 0),
    "after it sent, before its units wait": ("reconciler.fleet.worker", "Worker._conclude", 0),
    "while it settles": ("reconciler.ledger.journal", "settle", 0),
    "while a unit waits": ("reconciler.fleet.worker", "Worker._look", 0),
    "with a request on its way": ("reconciler.spending.protocol", "SpendProtocol._post", -1),
    "in the sweep": ("reconciler.fleet.engine", "_Running._sweep", 0),
}

_numbers = count()


@pytest.fixture(scope="module")
def simulator() -> Iterator[LiveSimulator]:
    """Serve tables for every case."""
    with serve(workspace(table(table_id(number)) for number in range(TABLES * CASES)), speed=SPEED) as simulator:
        simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.05)
        yield simulator


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """Return a launcher of command lines as processes."""
    with Driver(tmp_path_factory.mktemp("processes")) as driver:
        yield driver


MakeCase = Callable[[], "Case"]


@dataclass
class Case:
    """A project with tables of its own, whose plan is carried out by workers of a workspace of its own."""

    project: Project
    workspace: str

    def plan(self) -> None:
        """Save a plan."""
        assert self.project.run("plan", "--out", "plan.json").code == 0

    def submit(self) -> str:
        """Submit the plan; return the apply's id."""
        done = self.project.run("submit", "--plan", "plan.json", "--workspace", self.workspace)
        assert done.code == 0, done.err
        return done.out.strip()

    def worker(self, **more: object) -> Process:
        """Start a worker."""
        return self.project.start("worker", "--workspace", self.workspace, **more)

    def follow(self, apply_id: str) -> Process:
        """Follow an apply to its end."""
        done = self.project.run("follow", apply_id, "--format", "json", "--timeout", str(WAITS))
        assert done.code in (0, 6, 7), done.err
        return done

    def finish(self, apply_id: str) -> int:
        """Follow it, and let a person end what evidence cannot; return how many doubts those were.

        Whoever would look at the bill ends them, and what is due then is planned and submitted again.
        """
        ended = 0
        for _ in range(8):
            # On a busy machine an answer comes too late, or an intent takes too long: that is not its fault.
            if self.follow(apply_id).code == 0:
                return ended
            ended += self.project.resolve_by_looking()
            self.plan()
            apply_id = self.submit()
        raise AssertionError("it does not come to rest")

    def check(self) -> None:
        """Each cell was charged once, and the ledger says so too."""
        charges = self.project.charges()
        assert set(charges.values()) == {1}, self.project.story()
        assert charges.keys() == self.project.every_cell()
        with self.project.ledger() as ledger:
            calls = [call for call in ledger.calls() if call.table_id in self.project.tables]
            assert {call.payments for call in calls if call.state == "accepted"} == {1}
            assert sum(call.cells for call in calls if call.state == "accepted") == len(charges)


@pytest.fixture
def make_case(tmp_path: Path, simulator: LiveSimulator, driver: Driver, new_ledger: Callable[[], str]) -> MakeCase:
    """Return a function that makes cases on one ledger."""
    url = new_ledger()

    def make() -> Case:
        number = next(_numbers)
        ids = [table_id(TABLES * number + each) for each in range(TABLES)]
        name = f"workspace-{number}"
        return Case(Project.make(tmp_path / name, simulator, driver, ids, url), name)

    return make


def killed(case: Case, point: Point, nth: int) -> tuple[bool, int]:
    """Kill a worker at a point, and have another go on; return whether it got there, and doubts a person ended."""
    case.plan()
    apply_id = case.submit()
    victim = case.worker(at=(point, nth))
    began = time.monotonic()
    while not victim.has_ended and time.monotonic() - began < 8 * LEASE:
        time.sleep(0.05)
    other = case.worker()
    try:
        in_doubt = case.finish(apply_id)
    finally:
        was_killed = victim.has_ended
        for each in (victim, other):
            each.signal(signal.SIGTERM)
            each.wait()
    case.check()
    return was_killed, in_doubt


@pytest.mark.parametrize("name", NAMED)
def test_another_worker_goes_on_where_one_was_killed(make_case: MakeCase, name: str) -> None:
    """At each point between a job and a settled unit."""
    assert killed(make_case(), place(*NAMED[name]), 1)[0]


def test_a_submit_killed_between_rows_and_jobs_has_done_nothing(make_case: MakeCase) -> None:
    """Both are one transaction: there is no apply then, and the next submit is carried out whole."""
    case = make_case()
    case.plan()
    point = place("reconciler.fleet.engine", "Engine.enqueue", 1)
    done = case.project.run("submit", "--plan", "plan.json", "--workspace", case.workspace, at=(point, 1))
    assert done.code == -9
    listed = case.project.run("applies", "list", "--format", "json").json
    assert [each for each in listed["applies"] if each["workspace"] == case.workspace] == []
    worker = case.worker()
    case.finish(case.submit())
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    case.check()


def test_a_worker_may_be_killed_at_every_point(make_case: MakeCase, capsys: pytest.CaptureFixture[str]) -> None:
    """Every line of what a worker does, each for a plan of its own, several plans at once."""
    every = list(points(PATH))
    with ThreadPoolExecutor(6) as pool:
        ends = list(pool.map(lambda at: killed(make_case(), at[1], 1 + at[0] % 2), enumerate(every)))
    with capsys.disabled():
        kills = sum(was for was, _ in ends)
        told = f"{len(every)} points, {kills} kills, {sum(each for _, each in ends)} doubts ended by a person"
        print(f"\nworkers killed: {told}, 0 cells twice, 0 lost", file=sys.stderr)  # noqa: T201
    assert kills > len(every) / 2


def is_stopped(process: Process) -> bool:
    """Return True if a process is stopped by a signal."""
    state = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii") if process.pid else ""
    return state.rpartition(")")[2].split()[:1] == ["T"]


@pytest.mark.parametrize(
    "function",
    [
        pytest.param("SpendProtocol._attempt", id="intent"),
        pytest.param("SpendProtocol._post", id="request"),
    ],
)
def test_the_fence_refuses_a_worker_that_was_frozen(make_case: MakeCase, function: str) -> None:
    """Stopped just before an intent or a request, for longer than its lease and the quiet period: no cell twice."""
    case = make_case()
    case.plan()
    apply_id = case.submit()
    point = place("reconciler.spending.protocol", function, 0)
    victim = case.worker(at=(point, 1), blow=signal.SIGSTOP)
    while not is_stopped(victim):
        time.sleep(0.05)
    other = case.worker()
    time.sleep(Q + LEASE + 0.5)
    victim.signal(signal.SIGCONT)
    case.finish(apply_id)
    for each in (victim, other):
        each.signal(signal.SIGTERM)
        assert each.wait() == 0, each.err
    case.check()


def test_one_plan_submitted_twice_and_every_job_delivered_twice(make_case: MakeCase) -> None:
    """Two workers at once on the same plan, under two names: the ledger lets one of them buy each cell."""
    case = make_case()
    case.plan()
    ids = [case.submit(), case.submit()]
    workers = [case.worker(), case.worker()]
    for each in ids:
        case.finish(each)
    for worker in workers:
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0, worker.err
    case.check()
