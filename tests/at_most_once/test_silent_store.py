"""A ledger that says nothing any more, or stays locked: one SIGINT ends the program meanwhile, and no money is lost."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.at_most_once.processes import Driver
from tests.at_most_once.projects import SPEED, Project, Stores, recover, table, table_id, workspace
from tests.ledger.losing_proxy import LosingProxy

END = 10.0
"""Seconds from one SIGINT to the end."""
TIMES = {"call_seconds": 4, "quiet_seconds": 5}


@pytest.fixture
def simulator() -> Iterator[LiveSimulator]:
    """Serve a table, three calls due in it."""
    with serve(workspace([table(table_id(1))]), speed=SPEED) as simulator:
        yield simulator


@contextmanager
def behind_proxy(
    folder: Path, simulator: LiveSimulator, driver: Driver, stores: Stores
) -> Iterator[tuple[Project, LosingProxy]]:
    """Make a project whose ledger is on a server behind a proxy, and give both."""
    with LosingProxy(stores.url("postgres", folder)) as proxy:
        yield Project.make(folder, simulator, driver, [table_id(1)], proxy.address, spend=TIMES), proxy


def wait_for_post(simulator: LiveSimulator) -> None:
    """Wait until a run call has come."""
    deadline = time.monotonic() + 20
    while not [1 for method, _, _ in simulator.requests() if method == "POST"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("command", ["plan", "status", "apply --yes", "ledger list", "ledger export", "ledger init"])
def test_one_interrupt_ends_a_command_that_waits_for_a_silent_store(
    tmp_path: Path, simulator: LiveSimulator, driver: Driver, stores: Stores, command: str
) -> None:
    """In a word, and without a traceback."""
    with behind_proxy(tmp_path / "project", simulator, driver, stores) as (project, proxy):
        proxy.fall_silent()
        process = project.start(*command.split())
        assert proxy.seen.wait(30)
        process.signal(signal.SIGINT)
        assert process.wait(END) != 0
    assert process.err.startswith(("reconciler: ", "\nreconciler: "))
    assert "Traceback" not in process.err
    assert simulator.charges() == {}


def test_one_interrupt_ends_an_apply_whose_store_fell_silent_while_it_sent(
    tmp_path: Path, simulator: LiveSimulator, driver: Driver, stores: Stores
) -> None:
    """It says which outcome the ledger did not keep; nothing is bought twice later."""
    simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.5, times=1)
    with behind_proxy(tmp_path / "project", simulator, driver, stores) as (project, proxy):
        process = project.start("apply", "--yes", "--no-wait", "--format", "json")
        wait_for_post(simulator)
        proxy.fall_silent()
        process.signal(signal.SIGINT)
        assert process.wait(END) != 0
        assert [call["state"] for call in process.json["calls"]] == ["accepted", "not_attempted", "not_attempted"]
        assert "keep it yourself" in process.err
        assert "Traceback" not in process.err
        project.ledger_url = proxy.url
        project.extra["RECONCILER_LEDGER"] = proxy.url
        recover(project)
    assert set(project.charges().values()) == {1}
    assert project.charges().keys() == project.every_cell()


def test_one_interrupt_ends_an_apply_whose_file_is_locked_for_good(
    tmp_path: Path, simulator: LiveSimulator, driver: Driver
) -> None:
    """Another program has it open and left a transaction open."""
    folder = tmp_path / "project"
    path = folder / ".reconciler" / "ledger.db"
    project = Project.make(folder, simulator, driver, [table_id(1)], f"sqlite:///{path}", spend=TIMES)
    simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.5, times=1)
    process = project.start("apply", "--yes", "--no-wait", "--format", "json")
    wait_for_post(simulator)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    process.signal(signal.SIGINT)
    assert process.wait(END) != 0
    assert "keep it yourself" in process.err
    blocker.close()
    recover(project)
    assert set(project.charges().values()) == {1}
