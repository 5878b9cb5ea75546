"""Clocks that are set while work is under way: the ledger's decides, and none buys, loses or takes anything."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Self

import procrastinate.utils
import pytest

from reconciler.errors import Leased
from reconciler.fleet.refresh import last_date
from reconciler.ledger import open_ledger
from reconciler.model.attempt import Actor
from reconciler.model.limits import Limits
from reconciler.model.manifest import Calendar
from reconciler.model.schedule import Schedule
from reconciler.model.submitted import SubmittedApply, Unit
from tests.fleet.conftest import MakeFloor
from tests.fleet.test_same_report import manifest
from tests.fleet.test_schedules import Scheduled, scheduled
from tests.fleet.test_shared_limits import many, settings
from tests.ledger.calls_and_actors import ROBOT, TABLE

__all__ = ["scheduled"]

HOUR = 3600.0
Step = Callable[[float], None]


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Step:
    """Return a function that sets this machine's clock so far from the true one, for all that the program runs."""
    offset = 0.0

    class Stepped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(true() + offset, tz)

    def step(seconds: float) -> None:
        nonlocal offset
        offset = seconds

    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + offset)
    monkeypatch.setattr(procrastinate.utils, "utcnow", lambda: Stepped.now(UTC))
    for name, module in tuple(sys.modules.items()):
        if name.startswith("reconciler.") and getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Stepped)
    return step


@pytest.mark.parametrize("hours", [-1, -960, 960])
def test_workers_whose_clock_is_set_carry_out_what_was_approved(make_floor: MakeFloor, step: Step, hours: int) -> None:
    """The plan is neither from the future nor too old for them; each cell is bought once; the ledger's month holds."""
    floor = many(make_floor, 2, settings(limits={"per_month": {"max_cells": 6}}))
    apply_id = floor.submit()
    step(hours * HOUR)
    with floor.workers(2):
        code, report = floor.follow(apply_id)
    assert (code, report["totals"]["accepted"]) == (0, 2), report
    assert sorted(floor.charged().values()) == [1] * 6
    floor.write(manifest("m-1", 1, "{mode: all, revision: r}"))
    said = floor.run("plan")
    assert (said.code, "this month: 9 of 6 cells" in said.out) == (3, True), said.out


@pytest.mark.parametrize("hours", [-1, 1])
def test_what_another_holds_is_held_whatever_the_clock_says(
    new_ledger: Callable[[], str], step: Step, hours: int
) -> None:
    """A lease, a claim and a hold end by the ledger's clock: an hour here neither ends nor prolongs them."""
    with open_ledger(new_ledger()) as ledger:
        apply = SubmittedApply("a" * 32, "plan", "default", b"{}", 1, None, Actor("one"))
        ledger.applies.submit(apply, [Unit(apply.id, 0, (TABLE,), b"{}")], lambda _, __: None, 60.0)
        assert ledger.applies.claim(apply.id, [0], ["default"], "one", 60.0)
        (lease,) = ledger.acquire([TABLE], owner="one", actor=ROBOT, seconds=60.0)
        ledger.rates.hold("default", 60.0)
        step(hours * HOUR)
        assert ledger.applies.claim(apply.id, [0], ["default"], "two", 60.0) == []
        assert ledger.applies.claim_due(["default"], "two", 60.0, 9) == []
        assert 55 < ledger.rates.held("default") <= 60
        with pytest.raises(Leased):
            ledger.acquire([TABLE], owner="two", actor=ROBOT, seconds=60.0)
        assert ledger.renew([lease], seconds=60.0)
        assert ledger.applies.find(apply.id).age_seconds < 60


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_schedulers_own_clock_moves_no_date(scheduled: Scheduled, step: Step, hours: int) -> None:
    """It is due once, by the ledger's clock, and what it plans is submitted."""
    for offset in (hours, 0, -hours):
        step(offset * HOUR)
        scheduled.refresher().look()
        assert scheduled.applies() == 1, scheduled.told


def test_a_ledgers_clock_that_is_set_doubles_no_date(new_ledger: Callable[[], str]) -> None:
    """An hour ahead brings a date early, and it does not come again when the hour is taken back; none is skipped."""
    at = datetime(2026, 11, 27, 10, 30, tzinfo=UTC).timestamp()
    now = at
    hourly = Schedule("hourly", Calendar("0 * * * *", "UTC"), Limits(), (), "default")
    found = []
    with open_ledger(new_ledger(), clock=lambda: now) as ledger:
        for minutes in (0, 31, 95, 35, 89, 91, 151, 91, 211):
            now = at + minutes * 60
            tick = ledger.schedules.claim(hourly, partial(last_date, hourly.at), "one", 0.0)
            if tick is not None:
                ledger.schedules.end(tick, "planned")
                found.append(datetime.fromtimestamp(tick.date, UTC).hour)
    assert found == [11, 12, 13, 14]
