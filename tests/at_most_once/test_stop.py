"""Signals in a real process: what cancels it, what lets the call in flight end, and what ends the waiting for it."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.model.attempt import Actor
from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.at_most_once.processes import LONGEST, ROOT, Driver, Process
from tests.at_most_once.projects import SPEED, Project, Stores, T, recover, table, table_id, workspace

SIGNALS = pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["SIGINT", "SIGTERM", "SIGHUP"]
)
SLACK = 5
"""Seconds that a busy machine may add."""
PATIENT = {"call_seconds": 10, "quiet_seconds": 15}
"""A T within which an answer comes that is two seconds late, however busy the machine."""
ANSWERED = pytest.mark.parametrize("spend", [PATIENT], indirect=True, ids=[""])


@pytest.fixture
def simulator() -> Iterator[LiveSimulator]:
    """Serve two tables, three calls due in each."""
    with serve(workspace(table(table_id(number)) for number in (1, 2)), speed=SPEED) as simulator:
        yield simulator


@pytest.fixture
def project(
    tmp_path: Path, simulator: LiveSimulator, driver: Driver, stores: Stores, store: str, spend: dict[str, float]
) -> Project:
    """A project over both tables."""
    folder = tmp_path / "project"
    ids = [table_id(1), table_id(2)]
    return Project.make(folder, simulator, driver, ids, stores.url(store, folder), run_concurrency=1, spend=spend)


@pytest.fixture
def spend(request: pytest.FixtureRequest) -> dict[str, float]:
    """The times of the ground, or those that a test names."""
    return dict(getattr(request, "param", {}))


@pytest.fixture
def store() -> str:
    """Stopping does not depend on the store."""
    return "sqlite"


def posts(simulator: LiveSimulator) -> int:
    """Return how many run calls came."""
    return sum(method == "POST" for method, _, _ in simulator.requests())


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_post(simulator: LiveSimulator, count: int = 1) -> None:
    """Wait until a run call has come."""
    wait_until(lambda: posts(simulator) >= count)


def states(process: Process) -> list[str]:
    """Return what became of each call."""
    return [call["state"] for call in process.json["calls"]]


@ANSWERED
@SIGNALS
def test_the_call_in_flight_is_finished_and_recorded(
    project: Project, simulator: LiveSimulator, number: signal.Signals
) -> None:
    """Exit 6 within T, the answer is in the ledger, the leases are back, and the rest is bought later, once."""
    simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=2, times=1)
    process = project.start("apply", "--yes", "--no-wait", "--format", "json")
    wait_for_post(simulator)
    process.signal(number)
    began = time.monotonic()
    assert process.wait() == 6, process.err
    assert time.monotonic() - began < PATIENT["call_seconds"]
    assert states(process) == ["accepted", *["not_attempted"] * 5]
    assert process.json["stopped"]["cause"] == "interrupted"
    assert posts(simulator) == 1
    with project.ledger() as ledger:
        assert [call.state for call in ledger.calls()] == ["accepted"]
        assert ledger.leases() == []
    recover(project)
    assert set(project.charges().values()) == {1}


@SIGNALS
def test_a_call_that_hangs_ends_within_t(project: Project, simulator: LiveSimulator, number: signal.Signals) -> None:
    """The deadline of the call bounds the stop as well; the call is in doubt, so it is exit 7."""
    simulator.fault("hang", "POST", "/v1/tables/*/run", seconds=8, when="after", times=1)
    process = project.start("apply", "--yes", "--no-wait", "--format", "json")
    wait_for_post(simulator)
    process.signal(number)
    began = time.monotonic()
    assert process.wait() == 7, process.err
    assert time.monotonic() - began < T + SLACK
    assert states(process) == ["in_doubt", *["not_attempted"] * 5]
    with project.ledger() as ledger:
        assert ledger.leases() == []
    recover(project)
    assert set(project.charges().values()) == {1}


def test_calls_of_several_tables_in_flight_are_all_recorded(
    tmp_path: Path, simulator: LiveSimulator, driver: Driver, stores: Stores
) -> None:
    """With more than one run call at once, the stop waits for each of them."""
    folder = tmp_path / "project"
    project = Project.make(
        folder,
        simulator,
        driver,
        [table_id(1), table_id(2)],
        stores.url("sqlite", folder),
        run_concurrency=2,
        spend=PATIENT,
    )
    simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=2)
    process = project.start("apply", "--yes", "--no-wait", "--format", "json")
    wait_for_post(simulator, 2)
    process.signal(signal.SIGTERM)
    assert process.wait() == 6, process.err
    assert sorted(states(process)) == ["accepted"] * 2 + ["not_attempted"] * 4
    simulator.clear_faults()
    recover(project)
    assert set(project.charges().values()) == {1}


def test_stopping_while_waiting_for_the_tables(project: Project, simulator: LiveSimulator) -> None:
    """Everything is sent by then: the stop only ends the waiting, and the report still comes."""
    process = project.start("apply", "--yes", "--wait", "--format", "json")
    wait_for_post(simulator, 6)
    time.sleep(0.3)
    process.signal(signal.SIGINT)
    assert process.wait(10) in (0, 6)
    assert states(process) == ["accepted"] * 6


def test_stopping_while_waiting_for_a_lease(project: Project, simulator: LiveSimulator) -> None:
    """Nothing is sent yet, so a signal cancels the apply, long before its patience ends."""
    with project.ledger() as holder:
        holder.acquire([table_id(1)], owner="elsewhere", actor=Actor("another"), seconds=60)
        process = project.start("apply", "--yes", "--no-wait", "--lease-timeout", "600")
        deadline = time.monotonic() + 20
        while "another apply holds" not in process.err:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        assert process.wait() == 130
        assert time.monotonic() - began < T + SLACK
    assert posts(simulator) == 0


HOURS = {"call_seconds": 3600, "quiet_seconds": 7200, "lease_seconds": 60}
"""A T that no test waits for."""
AT_ONCE = pytest.mark.parametrize("spend", [HOURS], indirect=True, ids=[""])


@AT_ONCE
@SIGNALS
def test_a_second_signal_ends_the_waiting_for_the_call_in_flight(
    project: Project, simulator: LiveSimulator, number: signal.Signals
) -> None:
    """Its answer would come in an hour: it is in doubt, in the ledger and in the report, and exit 7 says so."""
    simulator.fault("hang", "POST", "/v1/tables/*/run", seconds=3600, when="after", times=1)
    process = project.start("apply", "--yes", "--no-wait", "--format", "json")
    wait_for_post(simulator)
    process.signal(number)
    wait_until(lambda: "Stopping" in process.err)
    process.signal(signal.SIGTERM)
    assert process.wait() == 7, process.err
    assert states(process) == ["in_doubt", *["not_attempted"] * 5]
    assert "the apply was stopped" in process.json["calls"][0]["detail"]
    with project.ledger() as ledger:
        assert [call.state for call in ledger.calls()] == ["in_doubt"]
        assert ledger.leases() == []
    recover(project)
    assert set(project.charges().values()) == {1}


@AT_ONCE
def test_a_second_signal_while_waiting_for_the_tables_ends_that_too(project: Project, simulator: LiveSimulator) -> None:
    """A server that does not answer for a table's status holds up nothing: everything is sent and reported."""
    process = project.start("apply", "--yes", "--wait", "--format", "json")
    wait_for_post(simulator, 6)
    simulator.fault("hang", "GET", "/v1/tables/**", seconds=3600)
    asked = len(simulator.requests())
    wait_until(lambda: len(simulator.requests()) > asked)
    process.signal(signal.SIGINT)
    wait_until(lambda: "Stopping" in process.err)
    process.signal(signal.SIGINT)
    assert process.wait() == 6, process.err
    assert (states(process), process.json["stopped"]["cause"]) == (["accepted"] * 6, "interrupted")


def at_the_prompt(project: Project, answer: Callable[[int, int], object]) -> tuple[int, str]:
    """Apply on a terminal, do something to the process or its terminal when it asks; return how it ended."""
    terminal, theirs = pty.openpty()
    with os.fdopen(theirs) as stream:
        # A session's first process that opens a terminal gets its signals.
        process = subprocess.Popen(
            [
                "bash",
                "-c",
                'exec "$@" <"$(tty)"',
                "bash",
                sys.executable,
                "-P",
                "-m",
                "reconciler",
                "apply",
                "--no-wait",
            ],
            cwd=project.folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "TERM": "dumb",
                **project.simulator.environment(),
            },
            stdin=stream,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    guard = threading.Timer(LONGEST, process.kill)
    guard.start()
    said = b""
    with suppress(OSError):  # the terminal's other end has gone
        while b"Send these calls?" not in said:
            said += os.read(terminal, 4096)
        answer(process.pid, terminal)
        while more := os.read(terminal, 4096):
            said += more
    code = process.wait()
    guard.cancel()
    os.close(terminal)
    return code, said.decode()


@pytest.mark.parametrize(
    "answer",
    [
        lambda _, terminal: os.write(terminal, b"\x03"),
        lambda _, terminal: os.write(terminal, b"\x04"),
        lambda pid, _: os.kill(pid, signal.SIGTERM),
        lambda pid, _: os.kill(pid, signal.SIGHUP),
    ],
    ids=["Ctrl-C", "Ctrl-D", "SIGTERM", "SIGHUP"],
)
def test_whoever_leaves_at_the_prompt_has_sent_nothing(
    project: Project, simulator: LiveSimulator, answer: Callable[[int, int], object]
) -> None:
    """At once, and with the exit code that shells know."""
    code, said = at_the_prompt(project, answer)
    assert (code, posts(simulator)) == (130, 0), said
    assert "cancelled; nothing was sent" in said


@ANSWERED
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, *(pytest.param(each, marks=pytest.mark.long) for each in (signal.SIGINT, signal.SIGHUP))]
)
def test_a_program_started_from_a_shell_stops_the_same_way(
    project: Project, simulator: LiveSimulator, number: signal.Signals
) -> None:
    """The same with `python -m reconciler`, as a CI runner starts and ends it."""
    simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=2, times=1)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "reconciler", "apply", "--yes", "--no-wait", "--format", "json"],
        cwd=project.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **simulator.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for_post(simulator)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 6, err
    assert [call["state"] for call in json.loads(out)["calls"]] == ["accepted", *["not_attempted"] * 5]
    assert b"Stopping" in err


@ANSWERED
def test_a_hangup_that_is_ignored_stays_ignored(project: Project, simulator: LiveSimulator) -> None:
    """As `nohup` starts it: the terminal may go, the apply goes on."""
    simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.3)
    process = subprocess.Popen(
        ["bash", "-c", f"trap '' HUP; exec {sys.executable} -P -m reconciler apply --yes --format json"],
        cwd=project.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **simulator.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for_post(simulator)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert {call["state"] for call in json.loads(out)["calls"]} == {"accepted"}
