"""Standing approvals: a date is planned and submitted once, within its cap, whoever is at work, dies or comes late."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import reconciler
from reconciler import Session, StalePlan
from reconciler.fleet import refresh
from reconciler.fleet.engine import Engine
from reconciler.fleet.refresh import Project, Refresher
from reconciler.fleet.submit import Destination, submit_plan
from reconciler.ledger import Ledger, open_ledger, schedules
from reconciler.model.schedule import Tick
from reconciler.settings.settings import Flags, load_settings
from tests.fleet.conftest import Floor, MakeFloor
from tests.journey.desk import ACCOUNTS, FILL, accounts

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
spec:
  schedules:
    yearly: {{at: 0 0 1 1 *, max_credits: {cap}}}
    of-others: {{at: 0 0 1 1 *, max_credits: 1000, workspace: others}}
"""
"""A date that no test meets by accident."""
KEY = "default/yearly"
EXPIRES_AT_ONCE = """
CREATE SEQUENCE reconciler.ticks;
CREATE FUNCTION reconciler.expire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('reconciler.ticks') = 1 THEN NEW.content = jsonb_set(NEW.content::jsonb, '{until}', '1')::text; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER expire BEFORE UPDATE ON reconciler.schedules FOR EACH ROW EXECUTE FUNCTION reconciler.expire();
"""
"""The first claim has run out as soon as it is made."""
DUE = 8
"""Cells of the desk's table, at a credit each."""


class Scheduled:
    """A floor with a schedule that was seen before."""

    def __init__(self, floor: Floor, ledger: Ledger) -> None:
        self.floor = floor
        self.ledger = ledger
        self.url = floor.extra["RECONCILER_LEDGER"]
        self.told: list[str] = []
        self.refresher().look()
        assert self.applies() == 0  # it begins with its next date
        self.be_due()

    def refresher(self, **more: str) -> Refresher:
        """Return the schedules' part of a worker."""
        environment = {**self.floor.simulator.environment(), **self.floor.extra, **more}
        flags = Flags(str(self.floor.folder / "reconciler.yaml"), None, None, None)
        project = Project(lambda: load_settings(flags, environment), environment, self.told.append)
        return Refresher(project, ("default",), self.ledger, Engine(self.server).enqueue)

    @property
    def server(self) -> dict[str, Any]:
        """How the ledger's server is reached."""
        assert self.ledger.server is not None
        return self.ledger.server

    def be_due(self) -> None:
        """Let many dates pass in which no worker ran."""
        with psycopg.connect(self.url) as connection:
            connection.execute("UPDATE reconciler.schedules SET ticked_at = 0, content = '{}'")

    def applies(self) -> int:
        """Return how many were submitted."""
        return len(self.ledger.applies.listed(50))

    def outcome(self) -> tuple[float, str]:
        """Return the last date that ended, and how."""
        return self.ledger.schedules.last()[KEY]


@pytest.fixture
def scheduled(make_floor: MakeFloor, request: pytest.FixtureRequest) -> Iterator[Scheduled]:
    """Return one whose cap is what is due, unless a test asks for another."""
    floor = make_floor(accounts())
    floor.write(FILL)
    floor.write(PROJECT.format(cap=getattr(request, "param", DUE)), "reconciler.yaml")
    with open_ledger(floor.extra["RECONCILER_LEDGER"]) as ledger:
        yield Scheduled(floor, ledger)


def test_missed_dates_count_once(scheduled: Scheduled) -> None:
    """One plan is submitted, and carried out as any other; the next looks find the date done."""
    scheduled.refresher().look()
    assert scheduled.applies() == 1
    date, outcome = scheduled.outcome()
    with scheduled.floor.workers():
        code, _ = scheduled.floor.follow(outcome)
    assert code == 0
    assert set(scheduled.floor.charged().values()) == {1}
    assert len(scheduled.floor.charged()) == DUE
    assert date > 0
    scheduled.refresher().look()
    assert scheduled.applies() == 1


def test_once_nothing_is_due_nothing_is_submitted(scheduled: Scheduled) -> None:
    """And the date is done."""
    assert scheduled.floor.run("apply", "--yes").code == 0
    scheduled.refresher().look()
    assert scheduled.applies() == 0
    assert scheduled.outcome()[1] == "nothing was due"


def test_two_at_once_submit_one(scheduled: Scheduled) -> None:
    """Whoever comes second finds the date claimed or done."""
    threads = [threading.Thread(target=scheduled.refresher().look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scheduled.applies() == 1


def test_a_date_stays_claimed_while_its_plan_is_made(scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of thousands of tables takes longer than a claim lasts: no other worker begins with it, too."""
    monkeypatch.setattr(refresh, "RENEW_SECONDS", 0.0)
    with psycopg.connect(scheduled.url) as connection:
        connection.execute(EXPIRES_AT_ONCE)
    scheduled.floor.simulator.fault("status", "GET", f"/v1/tables/{ACCOUNTS}", status=404, times=1)
    scheduled.refresher().look()
    assert "Could not plan the schedule" in scheduled.told[-1]
    scheduled.refresher().look()
    assert scheduled.applies() == 0


def test_two_that_both_planned_submit_one(scheduled: Scheduled) -> None:
    """As after a pause longer than a claim: the date is noted in the transaction that submits, by the first."""
    environment = {**scheduled.floor.simulator.environment(), **scheduled.floor.extra}
    with reconciler.open_session(scheduled.floor.folder, environment=environment) as session:
        (schedule,) = [each for each in session.settings.project.schedules if each.key == KEY]
        ticks = [scheduled.ledger.schedules.claim(schedule, lambda now: now, owner, 0.0) for owner in ("a", "b")]
        submitted(scheduled, session, ticks[1])
        with pytest.raises(StalePlan, match="by another worker; nothing was submitted"):
            submitted(scheduled, session, ticks[0])
    assert scheduled.applies() == 1


def submitted(scheduled: Scheduled, session: Session, tick: Tick | None) -> str:
    """Plan and submit for a date."""
    assert tick is not None
    to = Destination("default", Engine(scheduled.server).enqueue, lambda tx, apply: schedules.end(tx, tick, apply))
    return submit_plan(session, session.document(session.plan()), (), 60.0, to)


@pytest.mark.parametrize("scheduled", [DUE - 1], indirect=True)
def test_a_plan_over_the_cap_is_refused_and_told_once(scheduled: Scheduled) -> None:
    """As a whole, with the line of the cap; it is not planned again for that date."""
    for _ in range(2):
        scheduled.refresher().look()
    assert scheduled.applies() == 0
    assert scheduled.floor.charged() == {}
    refused = [line for line in scheduled.told if "Could not plan" in line]
    assert len(refused) == 1
    assert "refused by the schedule yearly, before anything was submitted" in refused[0]
    assert scheduled.outcome()[1].startswith("refused: ")


def test_a_date_is_planned_again_after_a_failure(scheduled: Scheduled) -> None:
    """Also by another worker than the one that claimed it, once the claim has run out."""
    scheduled.floor.write(FILL.replace("mode: new", "mode: knew"))
    scheduled.refresher().look()
    assert "Could not plan the schedule default/yearly" in scheduled.told[-1]
    scheduled.floor.write(FILL)
    scheduled.refresher().look()
    assert scheduled.applies() == 0  # the claim of the first still holds
    with psycopg.connect(scheduled.url) as connection:
        connection.execute("UPDATE reconciler.schedules SET content = '{\"until\": 1}'")
    scheduled.refresher().look()
    assert scheduled.applies() == 1


def test_a_broken_project_is_told_once_and_ends_nothing(scheduled: Scheduled) -> None:
    """A checkout may be half written; the next look reads it again."""
    refresher = scheduled.refresher()
    file = scheduled.floor.folder / "reconciler.yaml"
    sound = file.read_text(encoding="utf-8")
    file.write_text("spec: [", encoding="utf-8")
    refresher.look()
    refresher.look()
    assert len(scheduled.told) == 1
    file.write_text(sound, encoding="utf-8")
    refresher.look()
    assert scheduled.applies() == 1
