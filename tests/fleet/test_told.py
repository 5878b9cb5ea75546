"""Whoever hands over or follows is told what is wrong: names, ids, no worker, a stop that comes late."""

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from reconciler.cli import follow
from reconciler.fleet import written
from reconciler.fleet.engine import SCHEMA_NAME
from reconciler.model.attempt import Stop, StopCause
from reconciler.model.report import Report, Unsent
from reconciler.model.submitted import ApplyProgress
from reconciler.render.colour import plain
from reconciler.render.report_text import report_text
from tests.fleet.conftest import Floor, MakeFloor
from tests.fleet.test_goes_on import ledger_of
from tests.fleet.test_same_report import table_id
from tests.fleet.test_shared_limits import many, settings, wait_until
from tests.journey.desk import Said


@pytest.fixture
def floor(make_floor: MakeFloor) -> Floor:
    """A desk with a plan of two tables."""
    return many(make_floor, 2, settings())


def test_a_workspace_has_a_plain_name(floor: Floor) -> None:
    """It names a queue, a label of figures and a part of log lines; a wrong one is never submitted."""
    for name in ("", "a b", "a\nb", "a\0b", "x" * 300, "-a", 'a",b="'):
        for command in (["submit", "--plan", "plan.json"], ["worker"]):
            said = floor.run(*command, "--workspace", name)
            assert (said.code, "is not the name of a workspace" in said.err) == (1, True), name
            assert len(said.err) < 250
    assert floor.run("applies", "list").out == "No apply was submitted yet.\n"


def test_an_id_that_is_none_is_refused(floor: Floor) -> None:
    """In one line that names it and says where ids are listed, also if it cannot be asked for."""
    floor.submit()
    for start in ("", "%", "abc", "a\0bcde", "ABCDEF", "\x1b[31mabcd", "f" * 5000, "0123abcd"):
        said = floor.run("follow", start)
        assert (said.code, "`reconciler applies list`" in said.err) == (1, True), start
        assert "with `" in said.err
        assert "\x1b" not in said.err
        assert len(said.err) < 300


def test_follow_says_that_no_worker_comes(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, with the command that starts one; a unit in hand, or one that waits, is not called unattended."""
    apply_id = floor.submit("--workspace", "emea")
    monkeypatch.setattr(follow, "PATIENCE_SECONDS", 0.0)
    said = floor.run("follow", apply_id, "--timeout", "1.2")
    assert said.code == 8
    assert said.err.count("No worker is at work on it. If there is none: `reconciler worker --workspace emea`.") == 1
    assert "no worker is at work on it; units: 2 queued" in floor.run("applies", "list").out
    with ledger_of(floor) as connection:
        connection.execute("UPDATE reconciler.units SET owner = 'one' WHERE number = 0")
        assert "No worker" not in floor.run("follow", apply_id, "--timeout", "0").err
        connection.execute("UPDATE reconciler.units SET look_at = look_at - 120")
        assert "No worker" in floor.run("follow", apply_id, "--timeout", "0").err


def test_follow_outlives_the_ledgers_server(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is away for a while: the apply still runs, so the job of a CI ends with 8, and not with 1."""
    apply_id = floor.submit()
    url = floor.extra["RECONCILER_LEDGER"]
    seen: list[ApplyProgress] = []
    database = make_url(url).database
    with psycopg.connect(url.replace(f"/{database}", "/postgres"), autocommit=True) as server:

        def take(_: follow._Progress, progress: ApplyProgress) -> None:
            seen.append(progress)
            if len(seen) == 1:
                server.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false".encode())
                server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))

        monkeypatch.setattr(follow._Progress, "take", take)
        monkeypatch.setattr(follow._Progress, "tell_trouble", lambda _, trouble: told(trouble))

        def told(trouble: str) -> None:
            assert "cannot be read" in trouble
            server.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true".encode())

        said = floor.run("follow", apply_id, "--timeout", "1.5")
    assert (said.code, len(seen) > 1) == (8, True)


def test_a_stop_that_comes_late_changes_no_receipt(floor: Floor) -> None:
    """An apply that is over ended as it did: the same receipt and exit code, and it is said."""
    apply_id = floor.submit()
    with floor.workers():
        ended = floor.follow(apply_id)
    said = floor.run("applies", "stop", apply_id[:8], "--reason", "too late")
    assert (said.code, said.out) == (0, f"Was over before: {apply_id}\n")
    assert floor.follow(apply_id) == ended
    assert ended[0] == 0


def test_a_stop_when_all_was_sent_is_none(make_floor: MakeFloor) -> None:
    """The calls that were bought are waited for, and none was kept from being sent: exit 0, as the outcomes are."""
    floor = many(make_floor, 2, settings(), speed=1.0)
    apply_id = floor.submit()
    with floor.workers():
        wait_until(lambda: len(floor.posts()) == 2)
        wait_until(lambda: "2 waiting" in floor.run("applies", "show", apply_id).out)
        assert floor.run("applies", "stop", apply_id, "--reason", "enough").out == f"Stopped: {apply_id}\n"
        floor.simulator.finish()
        code, report = floor.follow(apply_id)
    assert (code, report["stopped"], report["calls"][0]["settled"]["done"]) == (0, None, 3)
    assert "stopped: stopped by" in floor.run("applies", "show", apply_id).out


def test_the_receipt_names_calls_that_were_refused(floor: Floor) -> None:
    """With the reason: whoever follows was not there when the worker was told."""
    floor.simulator.fault("status", "POST", f"/v1/tables/{table_id(2)}/run", status=404)
    apply_id = floor.submit()
    with floor.workers():
        said = floor.run("follow", apply_id)
    assert said.code == 6
    assert [line for line in said.out.splitlines() if line.startswith("m-2/new") and "404" in line], said.out


@pytest.mark.parametrize("lost", ["", " WHERE number = 0", " WHERE number = 1"])
def test_units_that_are_gone_are_not_success(floor: Floor, lost: str) -> None:
    """Rows deleted by hand: the receipt would say less than was approved, with exit 0."""
    apply_id = floor.submit()
    with ledger_of(floor) as connection:
        connection.execute("UPDATE reconciler.units SET phase = 'settled'")
        connection.execute(f"DELETE FROM reconciler.units{lost}".encode())
    said = floor.run("follow", apply_id)
    assert (said.code, f"units of apply {apply_id[:8]} are missing" in said.err) == (1, True)


def test_a_worker_says_that_units_are_gone(floor: Floor) -> None:
    """Once it has ended the last of those that are left: perhaps no person follows."""
    apply_id = floor.submit()
    with ledger_of(floor) as connection:
        connection.execute("DELETE FROM reconciler.units WHERE number = 1")
    told: list[str] = []
    with floor.workers(on_trouble=told.append):
        assert floor.run("follow", apply_id).code == 1
    assert told == [f"units of apply {apply_id[:8]} are missing from the ledger"]


def test_a_unit_that_no_worker_would_read_is_not_submitted(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers would give it up; nothing stays of its apply."""
    monkeypatch.setattr(written, "LARGEST_UNIT", 2**10)
    said = floor.run("submit", "--plan", "plan.json")
    assert (said.code, "the part of the plan for m-1 (1 table) takes 0 MiB" in said.err) == (3, True), said.err
    assert floor.run("applies", "list").out == "No apply was submitted yet.\n"


def test_causes_and_prices_of_others_are_read(floor: Floor) -> None:
    """A newer version's cause stops an apply all the same; an unreadable price is named, without a traceback."""
    apply_id = floor.submit()
    with ledger_of(floor) as connection:
        connection.execute(
            "UPDATE reconciler.applies SET stop_cause = 'newer', stop_message = 'by age', stop_hint = ''"
        )
        assert "stopped: by age" in floor.run("applies", "show", apply_id).out
        with floor.workers():
            assert (floor.follow(apply_id)[0], floor.posts()) == (6, [])
        connection.execute("UPDATE reconciler.applies SET credits = 'many'")
    said = floor.run("applies", "list")
    assert (said.code, f"the credits of apply {apply_id} cannot be read" in said.err) == (1, True)


def test_the_id_is_told_wherever_stdout_goes(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was handed over: an output that is full does not make that a failure, and the id is on stderr."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        said = floor.run("submit", "--plan", "plan.json")
        monkeypatch.undo()
    (listed,) = floor.run("applies", "list", "--format", "json").json["applies"]
    assert (said.code, listed["id"] in said.err) == (0, True)


def test_a_queue_that_takes_no_jobs_keeps_the_plan_from_being_submitted(floor: Floor) -> None:
    """The server cuts the statement off, say: in one line, and nothing of the apply stays."""
    with ledger_of(floor) as connection:
        connection.execute(f"ALTER TABLE {SCHEMA_NAME}.procrastinate_jobs ADD CHECK (id < 0) NOT VALID".encode())
    said = floor.run("submit", "--plan", "plan.json")
    assert (said.code, "the queue of jobs beside the ledger cannot be written: CheckViolation" in said.err) == (1, True)
    assert floor.run("applies", "list").out == "No apply was submitted yet.\n"


SLOW = """
CREATE FUNCTION reconciler.slow() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_sleep({0}); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON reconciler.applies DEFERRABLE INITIALLY {1}
    FOR EACH ROW EXECUTE FUNCTION reconciler.slow()
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = %s"


def interrupted(floor: Floor, when: str, seconds: float, *events: str) -> Said:
    """Submit to a server that is slow at one moment, with a signal at each of some events that it waits for."""

    def send_signals() -> None:
        with ledger_of(floor) as connection:
            for event in events:
                until = time.monotonic() + 10
                while time.monotonic() < until:
                    if connection.execute(WAITING, (event,)).fetchone() != (0,):
                        break
                os.kill(os.getpid(), signal.SIGINT)

    with ledger_of(floor) as connection:
        connection.execute(SLOW.format(seconds, when).encode())
    thread = threading.Thread(target=send_signals)
    thread.start()
    try:
        return floor.run("submit", "--plan", "plan.json")
    finally:
        thread.join()


def test_a_submit_that_is_interrupted_says_that_nothing_was_submitted(floor: Floor) -> None:
    """Ctrl-C while the plan is written: nothing of it stays, and that is said."""
    said = interrupted(floor, "IMMEDIATE", 0.3, "PgSleep")
    assert (said.code, said.out, said.err.endswith("interrupted; nothing was submitted\n")) == (130, "", True), said.err
    time.sleep(0.4)
    assert floor.run("applies", "list").out == "No apply was submitted yet.\n"


def test_a_submit_that_is_interrupted_at_its_commit_gives_the_id(floor: Floor) -> None:
    """The server commits all the same, so it is asked: the apply can be followed, or stopped."""
    said = interrupted(floor, "DEFERRED", 0.3, "PgSleep")
    assert (said.code, "interrupted, but the plan was submitted before" in said.err) == (0, True), said.err
    with floor.workers():
        assert floor.follow(said.out.strip())[0] == 0


def test_a_submit_that_is_interrupted_twice_says_how_to_find_out(floor: Floor) -> None:
    """A second Ctrl-C ends the waiting for the server's answer: then only the ledger knows."""
    said = interrupted(floor, "DEFERRED", 0.6, "PgSleep", "advisory")
    found = re.search("`reconciler applies show ([0-9a-f]{32})` says whether it was", said.err)
    assert (said.code, said.out, found is not None) == (7, "", True), said.err
    time.sleep(0.7)
    assert found is not None
    assert floor.run("applies", "show", found[1]).code == 0


def test_follow_writes_the_receipt_to_files_and_to_stdout(floor: Floor) -> None:
    """A document, a page, and with `-` the document alone on stdout; again and again, since it changes nothing."""
    apply_id = floor.submit()
    with floor.workers():
        said = floor.run("follow", apply_id, "--out", "r.json", "--out", "r.html", "--out", "-", "--timeout", "30")
    document = json.loads((floor.folder / "r.json").read_text())
    assert (said.code, said.json) == (document["exit_code"], document), said.err
    assert (floor.folder / "r.html").read_text().startswith("<!doctype html>")
    again = floor.run("follow", apply_id, "--out", "again.html")
    assert "Applied: " in again.out
    assert (floor.folder / "again.html").read_text() == (floor.folder / "r.html").read_text()
    assert floor.run("follow", apply_id, "--out", "-", "--format", "markdown").code == 64


def test_a_receipt_of_what_was_stopped_names_a_way_on(floor: Floor) -> None:
    """To follow it again, as "the same command" read, gives the same receipt; submitted again it is carried out."""
    unsent = (Unsent("m-1/new", table_id(1), 3, "the token is missing or wrong"),)
    said = report_text(Report("", unsent=unsent, waited=True, stop=Stop(StopCause.REFUSED, "401", "")), plain)
    assert "Next: apply or submit it again, once the cause is mended." in said
    assert "--no-wait" not in said
    stopped = floor.submit()
    floor.simulator.fault("status", "GET", "/v1/*", status=401, times=1)
    with floor.workers(1, concurrency=1):
        assert floor.follow(stopped)[0] == 6
        assert floor.follow(floor.submit())[0] == 0
