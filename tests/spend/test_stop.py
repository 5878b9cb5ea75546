"""SIGINT and SIGTERM in a real process: the call in flight is finished and recorded, then it is over, within T."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.outcome import Actor
from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.spend.ground import SPEED, Project, Stores, T, recover, table, table_id, workspace
from tests.spend.processes import ROOT, Driver, Process

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
SLACK = 5
"""Seconds that a busy machine may add."""
PATIENT = {"call_seconds": 10, "quiet_seconds": 15}
"""A T within which an answer comes that is half a second late, however busy the machine."""
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


def wait_for_post(simulator: LiveSimulator, count: int = 1) -> None:
    """Wait until a run call has come."""
    deadline = time.monotonic() + 20
    while posts(simulator) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def states(process: Process) -> list[str]:
    """Return what became of each call."""
    return [call["state"] for call in process.json["calls"]]


@ANSWERED
@SIGNALS
def test_the_call_in_flight_is_finished_and_recorded(
    project: Project, simulator: LiveSimulator, number: signal.Signals
) -> None:
    """Exit 6 within T, the answer is in the ledger, the leases are back, and the rest is bought later, once."""
    simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.6, times=1)
    process = project.start("apply", "--yes", "--format", "json")
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
    process = project.start("apply", "--yes", "--format", "json")
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
    simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.6)
    process = project.start("apply", "--yes", "--format", "json")
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
        holder.acquire([table_id(1)], owner="elsewhere", actor=Actor("somebody"), seconds=60)
        process = project.start("apply", "--yes", "--lease-timeout", "600")
        deadline = time.monotonic() + 20
        while "another apply holds" not in process.err:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        assert process.wait() == 130
        assert time.monotonic() - began < T + SLACK
    assert posts(simulator) == 0


def test_a_second_signal_stops_at_once_and_leaves_a_doubt(project: Project, simulator: LiveSimulator) -> None:
    """Whoever insists gets out; the call in flight is in doubt, and it is not sent again without proof."""
    simulator.fault("hang", "POST", "/v1/tables/*/run", seconds=0.8, when="before", times=1)
    process = project.start("apply", "--yes")
    wait_for_post(simulator)
    process.signal(signal.SIGINT)
    time.sleep(0.2)
    process.signal(signal.SIGINT)
    assert process.wait() != 0
    with project.ledger() as ledger:
        (call,) = ledger.calls()
        assert call.state in ("in_doubt", "accepted")
    recover(project)
    assert set(project.charges().values()) == {1}


@ANSWERED
@SIGNALS
def test_a_program_started_from_a_shell_stops_the_same_way(
    project: Project, simulator: LiveSimulator, number: signal.Signals
) -> None:
    """The same with `python -m reconciler`, as a CI runner starts and ends it."""
    simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.6, times=1)
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "apply", "--yes", "--format", "json"],
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
