"""A worker says once what keeps it from working, and ends at once if it cannot begin."""

from reconciler.fleet.troubles import AGAIN_SECONDS, Troubles
from tests.fleet.conftest import MakeFloor
from tests.postgres import fresh_database


def test_a_trouble_that_lasts_is_told_once_a_minute() -> None:
    """A server that is away is met every second; another trouble is told beside it."""
    told: list[str] = []
    now = [0.0]
    troubles = Troubles(told.append, lambda: now[0])
    for second in range(int(2 * AGAIN_SECONDS)):
        now[0] = float(second)
        troubles.tell("away")
        if second == 5:
            troubles.tell("full")
    assert told == ["away", "full", "away"]


def test_a_worker_without_a_ledger_ends_with_the_way_out(make_floor: MakeFloor, postgres_server: str) -> None:
    """The first command of a newcomer: it had asked for work every second, for ever."""
    floor = make_floor()
    floor.extra["RECONCILER_LEDGER"] = fresh_database(postgres_server)
    said = floor.run("worker")
    assert (said.code, said.err.count("there is no ledger yet"), "ledger init" in said.err) == (1, 1, True)
