"""`refresh: {at: …}` under a clock that a test moves: Mondays at six in Berlin, through the end of summer time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reconciler.documents import plan_file
from reconciler.model.origin import Origin
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from tests.at_most_once.rival_applies import Party, Stage, StoreClock
from tests.journey.desk import ACCOUNTS, agent

MONDAYS = 'mode: all, refresh: {at: "0 6 * * 1", timezone: Europe/Berlin}'
ORIGIN = Origin("2026-01-01T00:00:00Z", "1.0.0", "https://api.example")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A table of two empty cells, a ledger, and a clock."""
    table = {"id": ACCOUNTS, "name": "Accounts", "columns": [agent("news")], "rows": 2}
    with serve({"tables": [table]}, clock=ManualClock()) as simulator:
        stage = Stage(tmp_path, simulator, StoreClock())
        yield stage
        for ledger in stage.handles:
            ledger.close()


def at(stage: Stage, text: str) -> None:
    """Set the clock to a time in Berlin."""
    stage.clock.now = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


def apply(stage: Stage, party: Party) -> None:
    """Apply, and let the table finish."""
    party.apply()
    stage.simulator.finish()


def next_due(party: Party) -> datetime | None:
    """Return what a plan says of the one run."""
    return party.plan().tables[0].runs[0].next_due


def test_cells_are_bought_once_for_each_monday_and_once_for_all_that_were_missed(stage: Stage) -> None:
    """At six by the clocks of Berlin, before and after they change."""
    party = stage.party(MONDAYS)
    at(stage, "2026-10-23 12:00")
    assert next_due(party) is None
    apply(stage, party)
    assert stage.charged() == {1}
    at(stage, "2026-10-26 05:59:59")
    apply(stage, party)
    assert stage.charged() == {1}
    assert next_due(party) == datetime(2026, 10, 26, 5, tzinfo=UTC)
    at(stage, "2026-10-26 06:00")
    apply(stage, party)
    apply(stage, party)
    assert stage.charged() == {2}
    assert next_due(party) == datetime(2026, 11, 2, 5, tzinfo=UTC)
    at(stage, "2026-11-25 12:00")
    apply(stage, party)
    at(stage, "2026-11-29 23:59")
    apply(stage, party)
    assert stage.charged() == {3}
    assert stage.payments() == 3


def test_a_call_just_before_the_date_is_waited_for(stage: Stage) -> None:
    """Whose cells do not show anything yet: it is stale by the calendar, and under way."""
    party = stage.party(MONDAYS)
    at(stage, "2026-11-23 05:59:58")
    party.apply()
    at(stage, "2026-11-23 06:00:01")
    party.apply()
    assert stage.charged() == {1}
    stage.simulator.finish()
    apply(stage, party)
    assert stage.charged() == {2}


def test_a_plan_says_the_same_however_late_it_is_made(stage: Stage) -> None:
    """From one date to the next; and its calls stay the same beyond, as long as the same cells are due."""
    party = stage.party(MONDAYS)
    at(stage, "2026-11-23 06:00:00.25")
    apply(stage, party)
    plans = []
    for moment in ("2026-11-24 00:00:00.7", "2026-11-30 05:59:59", "2026-11-30 06:00", "2026-12-09 12:00"):
        at(stage, moment)
        plans.append(plan_file.document(party.plan(), ORIGIN))
    fresh, also_fresh, stale, also_stale = plans
    assert fresh == also_fresh
    assert stale["calls"] == also_stale["calls"] != fresh["calls"]
    assert [plan["tables"][0]["runs"][0]["stale_before"] for plan in plans[1:]] == [
        "2026-11-23T06:00:00+01:00",
        "2026-11-30T06:00:00+01:00",
        "2026-12-07T06:00:00+01:00",
    ]


def test_an_age_ends_at_the_same_moment_however_late_one_looks(stage: Stage) -> None:
    """To the second, and rounded up: then the cell is due."""
    party = stage.party("mode: all, refresh: {every: 30d}")
    at(stage, "2026-11-01 12:00:00.4")
    apply(stage, party)
    found = []
    for moment in ("2026-11-01 12:00:01", "2026-11-13 03:14:15.926535", "2026-12-01 12:00:00.3"):
        at(stage, moment)
        found.append(next_due(party))
    assert set(found) == {datetime(2026, 12, 1, 11, 0, 1, tzinfo=UTC)}
    calls = []
    for moment in ("2026-12-01 12:00:01", "2026-12-31 23:59"):
        at(stage, moment)
        calls.append(party.plan().calls)
    assert calls[0] == calls[1]
    assert len(calls[0]) == 1
