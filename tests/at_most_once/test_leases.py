"""One apply a table at a time: who holds it, waiting for it, taking it away, and stopping the moment it is lost."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from reconciler.ledger import Lease, open_ledger
from reconciler.model.attempt import Actor
from reconciler.simulator.server import serve
from tests.at_most_once.processes import Driver
from tests.at_most_once.projects import ROWS, SPEED, Project, Stores, manifest, recover, table, table_id, workspace
from tests.at_most_once.small_tables import ledger_path, let_pass, small_table, two_tables
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, PARTNERS, Desk

CI = Actor("alice", "https://ci.example/runs/7", "abc1234")


@pytest.fixture
def office(make_desk: MakeDesk) -> Desk:
    """A desk with two tables, two calls due in each."""
    return two_tables(make_desk(small_table(ACCOUNTS, 10), small_table(PARTNERS, 20)))


@contextmanager
def another_apply_at(desk: Desk, table_id: str = ACCOUNTS, seconds: float = 60) -> Iterator[Lease]:
    """Let another apply, of a CI run, hold a table."""
    with open_ledger(str(ledger_path(desk))) as ledger:
        (lease,) = ledger.acquire([table_id], owner=str(uuid.uuid4()), actor=CI, seconds=seconds)
        yield lease


def test_a_second_apply_says_who_holds_the_table(office: Desk) -> None:
    """Exit 5, nothing sent; the holder, since when, until when and the CI run are named."""
    with another_apply_at(office):
        said = office.run("apply", "--yes", "--no-wait")
    assert (said.code, office.posts()) == (5, [])
    for words in (f"another apply holds table {ACCOUNTS}", "alice", "CI run https://ci.example/runs/7", "since 20"):
        assert words in said.err
    assert "UTC" in said.err


def test_one_held_table_keeps_the_whole_apply_from_sending(office: Desk) -> None:
    """Leases are taken together or not at all: the free table is not sent for either, and stays free."""
    with another_apply_at(office, PARTNERS):
        assert office.run("apply", "--yes", "--no-wait").code == 5
        assert office.posts() == []
        assert office.run("apply", "--yes", "--no-wait", "--target", "accounts").code == 0


def test_a_lease_runs_out_by_itself(office: Desk) -> None:
    """A killed apply keeps others out no longer than its lease."""
    with another_apply_at(office, seconds=60):
        assert office.run("apply", "--yes", "--no-wait").code == 5
        let_pass(office, 61)
        assert office.run("apply", "--yes", "--no-wait").code == 0


def test_waiting_for_a_lease(office: Desk) -> None:
    """`--lease-timeout` waits as long as it says, tells so, and goes on as soon as the table is free."""
    with another_apply_at(office, seconds=1.5):
        began = time.monotonic()
        said = office.run("apply", "--yes", "--no-wait", "--lease-timeout", "30")
    assert said.code == 0
    assert 1.0 < time.monotonic() - began < 15
    assert "another apply holds table" in said.err
    assert len(office.posts()) == 4


def test_waiting_in_vain(office: Desk) -> None:
    """When the time has run out it is exit 5, and nothing was sent."""
    with another_apply_at(office):
        began = time.monotonic()
        said = office.run("apply", "--yes", "--no-wait", "--lease-timeout", "0.5")
    assert (said.code, office.posts()) == (5, [])
    assert 0.4 < time.monotonic() - began < 10


def test_leases_are_listed_and_released(office: Desk) -> None:
    """`ledger leases` shows the holder; `ledger release` takes the table away, with a reason that is kept."""
    assert office.run("ledger", "leases").code == 0
    with another_apply_at(office):
        listed = office.run("ledger", "leases").out
        assert all(words in listed for words in (ACCOUNTS, "alice", "https://ci.example/runs/7"))
        assert office.run("ledger", "release", ACCOUNTS).code == 64  # without a reason
        assert office.run("ledger", "release", ACCOUNTS, "--reason", "the job is gone").code == 0
        assert ACCOUNTS not in office.run("ledger", "leases").out
        assert office.run("ledger", "release", ACCOUNTS, "--reason", "again").code == 1
    assert office.run("apply", "--yes", "--no-wait").code == 0
    exported = [json.loads(line) for line in office.run("ledger", "export").out.splitlines()]
    assert any("the job is gone" in json.dumps(line) for line in exported)


def test_the_leases_are_given_back_at_the_end(office: Desk) -> None:
    """After an apply, however it ended, no table is held."""
    for trouble in ({"kind": "close_after"}, {"kind": "status", "status": 402}, {"kind": "latency"}):
        office.simulator.fault(method="POST", path="/v1/tables/*/run", times=1, **trouble)
        office.run("apply", "--yes", "--no-wait")
        assert "No leases" in office.run("ledger", "leases").out or ACCOUNTS not in office.run("ledger", "leases").out
        office.simulator.finish()
        let_pass(office, 1000)


def test_a_lease_that_is_taken_away_stops_sending_at_once(
    tmp_path: Path, driver: Driver, stores: Stores, store: str
) -> None:
    """The call in flight is finished and recorded; the next is not begun; what is left is bought once by others."""
    with serve(workspace([table(table_id(1))]), speed=SPEED) as simulator:
        folder = tmp_path / "project"
        project = Project.make(folder, simulator, driver, [table_id(1)], stores.url(store, folder))
        simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.8, times=1)
        first = project.start("apply", "--yes", "--no-wait", "--format", "json")
        while not [1 for method, _, _ in simulator.requests() if method == "POST"]:
            time.sleep(0.02)
        assert project.run("ledger", "release", table_id(1), "--reason", "looks dead").code == 0
        assert first.wait() == 6, first.err
        report = first.json
        assert [call["state"] for call in report["calls"]] == ["accepted", "not_attempted", "not_attempted"]
        assert report["stopped"]["cause"] == "leased"
        recover(project)
        assert set(project.charges().values()) == {1}
        assert project.charges().keys() == project.every_cell()


@pytest.mark.parametrize("store", ["sqlite"])
def test_a_call_that_another_apply_is_sending_is_waited_for(
    tmp_path: Path, driver: Driver, stores: Stores, store: str
) -> None:
    """An apply that may wait takes it for no doubt, also if it has nothing to send for that table itself."""
    with serve(workspace([table(table_id(1)), table(table_id(2))]), speed=SPEED) as simulator:
        folder = tmp_path / "project"
        project = Project.make(folder, simulator, driver, [table_id(1), table_id(2)], stores.url(store, folder))
        kept = manifest(table_id(2), "accounts-1").partition("    - {mode: failed")[0]
        (folder / "manifests/1.yaml").write_text(kept)
        simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.8, times=1)
        first = project.start("apply", "--yes", "--no-wait", "--target", "accounts-1")
        while not [1 for method, _, _ in simulator.requests() if method == "POST"]:
            time.sleep(0.02)
        second = project.run("apply", "--yes", "--no-wait", "--lease-timeout", "30")
        assert (first.wait(), second.code) == (0, 0), second.out
        assert set(project.charges().values()) == {1}
        assert len(project.charges()) == 4 * ROWS


@pytest.mark.parametrize("store", ["postgres"])
def test_a_lease_is_renewed_while_calls_take_long(tmp_path: Path, driver: Driver, stores: Stores, store: str) -> None:
    """Three calls that take longer together than a lease: no other apply gets the table in between."""
    with serve(workspace([table(table_id(2))]), speed=SPEED) as simulator:
        folder = tmp_path / "project"
        project = Project.make(folder, simulator, driver, [table_id(2)], stores.url(store, folder))
        simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.6)
        first = project.start("apply", "--yes", "--no-wait", "--format", "json")
        others = []
        while not first.has_ended:
            if [1 for method, _, _ in simulator.requests() if method == "POST"]:
                others.append(project.apply())
            time.sleep(0.1)
        assert first.wait() == 0, first.err
        # 0: all that is due is on its way already; 7: the first apply's call has no ending yet.
        assert [other.err for other in others if other.code not in (0, 5, 7)] == []
        assert all(other.out == "" or other.json["calls"] == [] for other in others)
        recover(project)
        assert set(project.charges().values()) == {1}


@pytest.mark.parametrize("store", ["sqlite"])
def test_an_apply_that_slept_through_its_lease_sends_nothing_more(
    tmp_path: Path, driver: Driver, stores: Stores, store: str
) -> None:
    """Stopped in the middle and woken after others took over: exit 6, and every cell is bought once."""
    with serve(workspace([table(table_id(3))]), speed=SPEED) as simulator:
        folder = tmp_path / "project"
        project = Project.make(folder, simulator, driver, [table_id(3)], stores.url(store, folder))
        simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.4, times=1)
        first = project.start("apply", "--yes", "--no-wait", "--format", "json")
        while not [1 for method, _, _ in simulator.requests() if method == "POST"]:
            time.sleep(0.02)
        first.signal(SIGSTOP)
        recover(project)
        bought = len([1 for method, _, _ in simulator.requests() if method == "POST"])
        first.signal(SIGCONT)
        assert first.wait() in (6, 7), first.err
        assert len([1 for method, _, _ in simulator.requests() if method == "POST"]) == bought
        assert set(project.charges().values()) == {1}


@pytest.mark.parametrize("store", ["postgres"])
def test_a_killed_apply_holds_its_table_for_one_lease(
    tmp_path: Path, driver: Driver, stores: Stores, store: str
) -> None:
    """The next apply is told of the dead one until its lease has run out."""
    with serve(workspace([table(table_id(4))]), speed=SPEED) as simulator:
        folder = tmp_path / "project"
        project = Project.make(
            folder, simulator, driver, [table_id(4)], stores.url(store, folder), spend={"lease_seconds": 3}
        )
        simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.8, times=1)
        project.extra.update(CI="true", BUILD_URL="https://ci.example/builds/9")
        first = project.start("apply", "--yes", "--no-wait")
        while not [1 for method, _, _ in simulator.requests() if method == "POST"]:
            time.sleep(0.02)
        first.signal(SIGKILL)
        assert first.wait() == -9
        listed = project.run("ledger", "leases")
        assert "https://ci.example/builds/9" in listed.out
        recover(project)
        assert set(project.charges().values()) == {1}
