"""Many applies of one plan at once: it is bought once, and the others say why they sent nothing."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.at_most_once.processes import Driver
from tests.at_most_once.projects import SPEED, Project, Stores, recover, table, table_id, workspace

APPLIES = 6
TABLES = [table_id(number) for number in (1, 2)]


@pytest.fixture
def simulator() -> Iterator[LiveSimulator]:
    """Serve two tables, three calls due in each, from a server that is slow enough for applies to meet."""
    with serve(workspace(map(table, TABLES)), speed=SPEED) as simulator:
        simulator.fault("latency", "POST", "/v1/tables/*/run", seconds=0.05)
        yield simulator


@pytest.fixture
def project(tmp_path: Path, simulator: LiveSimulator, driver: Driver, stores: Stores, store: str) -> Project:
    """A project over both tables."""
    folder = tmp_path / "project"
    return Project.make(folder, simulator, driver, TABLES, stores.url(store, folder))


@pytest.mark.parametrize("approved", [False, True], ids=["each its own plan", "one saved plan"])
def test_many_applies_at_once_buy_everything_once(project: Project, approved: bool) -> None:
    """Every cell once; exit 5 for those who found the tables held, 0 for those who found nothing to do.

    6: found a table running, with cells due in it that another apply was about to send.
    """
    arguments = ["--yes"]
    if approved:
        assert project.run("plan", "--out", "plan.json").code == 0
        arguments = ["--plan", "plan.json"]
    applies = [project.start("apply", "--no-wait", *arguments, "--format", "json") for _ in range(APPLIES)]
    codes = Counter(each.wait() for each in applies)
    # 7: planned while another one's call was on its way, and so had no ending yet.
    assert set(codes) <= {0, 5, 6, 7}, [each.err for each in applies]
    calls = [call for each in applies if each.code != 5 for call in each.json["calls"]]
    assert {call["state"] for call in calls} <= {"accepted", "not_attempted"}
    recover(project)
    assert set(project.charges().values()) == {1}
    assert project.charges().keys() == project.every_cell()
    with project.ledger() as ledger:
        mine = [call for call in ledger.calls() if call.table_id in TABLES]
        assert [call.payments for call in mine] == [1] * 6
        assert ledger.leases() == []


def test_applies_of_overlapping_manifests_buy_everything_once(project: Project) -> None:
    """Each apply selects another run of the same tables, so that their calls have different names."""
    keys = ["accounts-0", "accounts-1", "accounts-0/new", "accounts-1/all", "accounts-0/failed"]
    applies = [project.start("apply", "--yes", "--no-wait", "--target", key, "--lease-timeout", "20") for key in keys]
    assert {each.wait() for each in applies} <= {0, 5, 6, 7}, [each.err for each in applies]
    recover(project)
    assert set(project.charges().values()) == {1}
    assert project.charges().keys() == project.every_cell()
