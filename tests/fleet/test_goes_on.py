"""Nothing keeps an apply open for ever: failed writes, what cannot be read, refused tokens. Its end is told once."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import psycopg
import pytest

from reconciler.documents.plan_reader import plan_of
from reconciler.fleet.engine import SCHEMA_NAME
from reconciler.fleet.outcome import failed, looked
from reconciler.fleet.worker import TICK_SECONDS
from reconciler.ledger import open_ledger
from reconciler.model.attempt import Ending, Intent
from reconciler.model.history import Block, CallState
from reconciler.model.submitted import Unit
from tests.client.wire_server import WireServer
from tests.fleet.conftest import Floor, MakeFloor
from tests.fleet.test_same_report import manifest, table, table_id
from tests.fleet.test_shared_limits import many, settings, wait_until
from tests.journey.desk import agent

SOON = {"spend": {"send_within_seconds": 0.5, "call_seconds": 1.0, "quiet_seconds": 1.6, "lease_seconds": 0.8}}
"""A lease and a quiet period that are short enough to wait for their end."""
PATIENT = {"spend": {"send_within_seconds": 5.0, "call_seconds": 5.0, "quiet_seconds": 12.0, "lease_seconds": 0.8}}
"""The same lease, and time for an intent on a busy machine: one that takes longer rightly leaves its call unsent."""
FAILS_ONCE = """
CREATE SEQUENCE reconciler.concluded;
CREATE FUNCTION reconciler.fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('reconciler.concluded') = 1 THEN RAISE EXCEPTION 'not this time'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fail_once BEFORE UPDATE ON reconciler.units FOR EACH ROW
    WHEN (OLD.owner IS NOT NULL AND NEW.owner IS NULL) EXECUTE FUNCTION reconciler.fail_once();
"""

EXPIRES_AT_ONCE = """
CREATE SEQUENCE reconciler.claimed;
CREATE FUNCTION reconciler.expire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('reconciler.claimed') <= 60 THEN NEW.look_at = 0; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER expire BEFORE UPDATE ON reconciler.units FOR EACH ROW
    WHEN (NEW.owner IS NOT NULL AND NEW.owner IS DISTINCT FROM OLD.owner) EXECUTE FUNCTION reconciler.expire();
"""
"""Claims that hold nothing back: every job is delivered again while it is carried out."""
UNDISTURBED = 12
"""How often the four units are claimed if claims hold, also where every job is there twice."""


@contextmanager
def ledger_of(floor: Floor) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """Open a floor's ledger behind the program's back."""
    with psycopg.connect(floor.extra["RECONCILER_LEDGER"], autocommit=True) as connection:
        yield connection


def test_a_step_that_cannot_be_concluded_is_taken_again(make_floor: MakeFloor) -> None:
    """The write fails and the worker lives on: its claim ends with the lease, and nothing is bought twice."""
    floor = many(make_floor, 1, settings(api=SOON))
    apply_id = floor.submit()
    with ledger_of(floor) as connection:
        connection.execute(FAILS_ONCE)
    with floor.workers():
        code, report = floor.follow(apply_id, 20)
    assert (code, report["totals"]["cells_accepted"]) == (0, 3)
    assert set(floor.charged().values()) == {1}


def test_a_run_that_takes_longer_than_the_quiet_period_is_settled(make_floor: MakeFloor) -> None:
    """Its table is full by then, and the header alone would do for a plan: the cells are read all the same."""
    slow = {"delay": 0, "fastest": 800, "slowest": 800}
    floor = many(make_floor, 1, settings(api=SOON), pace=slow)
    apply_id = floor.submit()
    with floor.workers():
        code, report = floor.follow(apply_id, 20)
    assert (code, report["calls"][0]["settled"]) == (0, {"done": 3, "failed": 0, "not_started": 0})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE reconciler.units SET content = 'x' WHERE number = 0", "cannot be read"),
        ("UPDATE reconciler.units SET table_ids = '{' WHERE number = 0", "cannot be read"),
        ("UPDATE reconciler.applies SET content = '{'", "cannot be read"),
    ],
    ids=["a unit", "its tables", "the terms"],
)
def test_what_cannot_be_read_is_given_up(make_floor: MakeFloor, damage: str, said: str) -> None:
    """The apply ends with exit 6, says why, and an apply beside it is carried out."""
    floor = many(make_floor, 2, settings(api=SOON))
    damaged = floor.submit()
    with ledger_of(floor) as connection:
        connection.execute(damage.encode())
        sound = floor.submit()
        connection.execute("UPDATE reconciler.units SET look_at = 0")  # the tick looks at both
    with floor.workers():
        code, report = floor.follow(damaged, 20)
        others, _ = floor.follow(sound, 20)
    assert (code, others) == (6, 0)
    assert said in json.dumps(report["unsent"])
    assert set(floor.charged().values()) == {1}


@pytest.mark.parametrize(
    "ending",
    [Ending(CallState.NOT_SENT, "the ledger took 9 s"), Ending(CallState.REFUSED, "slow down", 429)],
    ids=["not sent", "429"],
)
def test_a_sender_that_dies_between_two_tries_leaves_them_to_others(make_floor: MakeFloor, ending: Ending) -> None:
    """The ledger says how the first try ended; no step has said that it was the last."""
    floor = many(make_floor, 1, settings(api=SOON))
    apply_id = floor.submit()
    (planned,) = plan_of(json.loads((floor.folder / "plan.json").read_text(encoding="utf-8"))).calls
    call = replace(planned, covered=(Block(planned.columns, planned.rows),))
    with open_ledger(floor.extra["RECONCILER_LEDGER"]) as ledger:
        apply = ledger.applies.find(apply_id)
        version = ledger.recall([call.table_id])[call.table_id].version
        lease = ledger.acquire([call.table_id], owner="dead", actor=apply.actor, seconds=60)
        intent = Intent(call, apply.plan_id, apply.actor, {}, version, apply_id=apply_id)
        ledger.end(ledger.begin(intent, lease=lease[0]), ending)
        ledger.release(lease)
    with floor.workers():
        code, report = floor.follow(apply_id, 20)
    assert (code, report["totals"]["cells_accepted"]) == (0, 3)
    assert set(floor.charged().values()) == {1}


def test_a_call_that_another_apply_is_sending_is_waited_for(make_floor: MakeFloor) -> None:
    """It is not in doubt yet: once it turns out that it did not land, its cells are bought, and the code is not 7."""
    floor = many(make_floor, 1, settings(api=SOON))
    apply_id = floor.submit()
    (planned,) = plan_of(json.loads((floor.folder / "plan.json").read_text(encoding="utf-8"))).calls
    call = replace(planned, id="0" * 32, covered=(Block(planned.columns, planned.rows),))
    with open_ledger(floor.extra["RECONCILER_LEDGER"]) as ledger:
        actor = ledger.applies.find(apply_id).actor
        version = ledger.recall([call.table_id])[call.table_id].version
        lease = ledger.acquire([call.table_id], owner="other", actor=actor, seconds=60)
        ledger.begin(Intent(call, "another plan", actor, {}, version), lease=lease[0])
        ledger.release(lease)
    with floor.workers():
        code, report = floor.follow(apply_id, 20)
    assert (code, report["totals"]["cells_accepted"]) == (0, 3)
    assert set(floor.charged().values()) == {1}


def test_a_worker_recovers_from_a_refused_token(make_floor: MakeFloor) -> None:
    """The apply that met the 401 stops and sends nothing; the next one is carried out by the same worker."""
    floor = many(make_floor, 1, settings())
    first = floor.submit()
    floor.simulator.fault("status", "GET", "/v1/*", status=401, times=1)
    with floor.workers(1, concurrency=1):
        code, report = floor.follow(first)
        assert (code, report["stopped"]["cause"], floor.posts()) == (6, "refused", [])
        assert floor.follow(floor.submit())[0] == 0
    assert len(floor.posts()) == 1


def test_jobs_that_are_delivered_again_while_they_run_buy_once(make_floor: MakeFloor) -> None:
    """In every mode, twice from the start, and with claims that end at once: leases and versions alone decide."""
    cells = {"broken": "failed", "stale": "done"}
    columns = (agent("news"), agent("broken"), agent("stale"))
    floor = make_floor(*(table(number, *columns, rows=3, **cells) for number in range(1, 5)))
    floor.write(settings(api=PATIENT), "reconciler.yaml")
    runs = "{mode: new, columns: [news]}, {mode: failed, columns: [broken]}, "
    runs += "{mode: all, columns: [stale], revision: r1}"
    floor.write("---\n".join(manifest(f"m-{number}", number, runs) for number in range(1, 5)))
    floor.plan()
    apply_id = floor.submit()
    copied = "queue_name, task_name, args, status, priority"
    with ledger_of(floor) as connection:
        connection.execute(EXPIRES_AT_ONCE)
        connection.execute(f"SET search_path TO {SCHEMA_NAME}".encode())
        connection.execute(
            f"INSERT INTO procrastinate_jobs ({copied}) SELECT {copied} FROM procrastinate_jobs".encode()
        )
        with floor.workers(3):
            code, report = floor.follow(apply_id)
        (claims,) = connection.execute("SELECT last_value FROM reconciler.claimed").fetchone() or (0,)
    assert (code, report["totals"]["cells_accepted"]) == (0, 36)
    assert (len(floor.charged()), set(floor.charged().values())) == (36, {1})
    assert int(str(claims)) > 2 * UNDISTURBED


def test_a_long_wait_is_not_taken_for_failures() -> None:
    """A table that runs for hours is looked at hundreds of times, and then an error may pass as at first."""
    unit = Unit("apply", 0, ("table",), b"")
    for _ in range(300):
        unit = Unit("apply", 0, ("table",), b"", tries=looked(unit))
    assert failed(unit, for_good=True) is not None


def test_a_table_that_is_gone_is_given_up_at_once(make_floor: MakeFloor) -> None:
    """That will not pass; an API that fails is asked again, and the others are bought either way."""
    floor = many(make_floor, 3, settings())
    apply_id = floor.submit()
    with (world := floor.simulator.state).lock:
        del world.tables[table_id(2)]
    floor.simulator.fault("status", "GET", f"/v1/tables/{table_id(3)}", status=503, times=6)
    with floor.workers():
        code, report = floor.follow(apply_id)
    assert (code, report["totals"]["cells_accepted"]) == (6, 6)
    (unsent,) = report["unsent"]
    assert "404, there is no such table" in unsent["reason"]
    gone = [seen for seen in floor.simulator.seen() if seen.path == f"/v1/tables/{table_id(2)}"]
    assert len(gone) < 5


def test_a_table_that_goes_while_it_runs_is_named(make_floor: MakeFloor) -> None:
    """The end of its cells is not known, and the receipt says so."""
    floor = many(make_floor, 1, settings(api=SOON), speed=1.0)
    apply_id = floor.submit()
    with floor.workers():
        wait_until(lambda: "1 waiting" in floor.run("applies", "show", apply_id).out)
        with (world := floor.simulator.state).lock:
            del world.tables[table_id(1)]
        code, report = floor.follow(apply_id)
    assert (code, report["still_running"], report["totals"]["accepted"]) == (0, [table_id(1)], 1)
    assert "1 table still running" in floor.run("follow", apply_id).out


def test_a_balance_that_is_too_low_for_all_of_it_buys_nothing(make_floor: MakeFloor) -> None:
    """Each table could be paid for, and not all of them: exit 3, as in one process; and a floor counts, too."""
    floor = many(make_floor, 2, settings(limits={"min_balance": 5}), billing={"credits": 20})
    apply_id = floor.submit()
    floor.simulator.state.billing.credits = 10
    with floor.workers():
        code, report = floor.follow(apply_id)
        assert (code, report["stopped"]["cause"], floor.posts()) == (3, "limit", [])
        assert "4 credits would be left and 5 must be" in report["stopped"]["message"]
        floor.simulator.state.billing.credits = 11
        assert floor.follow(floor.submit())[0] == 0
        # Bought under the same plan before: there is nothing left to pay for.
        assert floor.follow(floor.submit())[0] == 0
    assert set(floor.charged().values()) == {1}


def test_a_429_holds_the_workspace_for_as_long_as_it_asks(make_floor: MakeFloor) -> None:
    """Twice, and then it is sent; no request of any worker leaves meanwhile."""
    floor = many(make_floor, 3, settings(api={"run_concurrency": 1}), speed=200.0)
    run = f"/v1/tables/{table_id(1)}/run"
    floor.simulator.fault("status", "POST", run, status=429, headers={"Retry-After": "1"}, times=2)
    apply_id = floor.submit()
    with floor.workers(2, concurrency=1):
        code, report = floor.follow(apply_id)
    assert (code, report["stopped"], report["totals"]["accepted"]) == (0, None, 3)
    assert set(floor.charged().values()) == {1}
    held = [seen.at for seen in floor.simulator.seen() if seen.path == run]
    assert len(held) == 3
    assert all(later - before >= 200.0 for before, later in pairwise(held))


@pytest.mark.parametrize(("asks", "posts"), [pytest.param("0", 3, marks=pytest.mark.long), ("99999999999", 1)])
def test_a_429_does_not_hold_it_for_ever(make_floor: MakeFloor, asks: str, posts: int) -> None:
    """Three times, or for longer than an hour: the apply stops, and the next one is not held."""
    floor = many(make_floor, 1, settings())
    floor.simulator.fault("status", "POST", "/v1/tables/*/run", status=429, headers={"Retry-After": asks}, times=3)
    apply_id = floor.submit()
    with floor.workers():
        code, report = floor.follow(apply_id)
        assert (code, report["stopped"]["cause"], len(floor.posts())) == (6, "refused", posts)
        floor.simulator.clear_faults()
        floor.plan()
        assert floor.follow(floor.submit())[0] == 0


def test_calls_of_an_earlier_apply_are_waited_for(make_floor: MakeFloor) -> None:
    """As one process does: the receipt counts them, and says which of their cells failed."""
    floor = make_floor(table(1, agent("news", fails=1.0), agent("notes"), rows=3), speed=20.0)
    floor.write(settings(), "reconciler.yaml")
    floor.write(manifest("m", 1, "{mode: new, columns: [news]}"))
    assert floor.run("apply", "--yes", "--no-wait").code == 0
    floor.simulator.finish()
    floor.write(manifest("m", 1, "{mode: new, columns: [notes]}"))
    floor.plan()
    apply_id = floor.submit()
    with floor.workers():
        code, report = floor.follow(apply_id)
    (resumed,) = report["resumed"]
    assert (code, resumed["settled"]["failed"], len(resumed["failed"][0]["rows"])) == (6, 3, 3)
    assert report["totals"]["cells_failed"] == 3
    assert set(floor.charged().values()) == {1}


def test_webhooks_hear_once_of_its_end(make_floor: MakeFloor) -> None:
    """From the worker that ended the last unit, whether or not anybody follows."""
    floor = many(make_floor, 2, settings(notify=[{"url": {"env": "HOOK_URL"}}]))
    apply_id = floor.submit()
    with WireServer(lambda exchange: exchange.answer(200)) as receiver:
        floor.extra |= {"HOOK_URL": receiver.url, "RECONCILER_NOTIFY_HOSTS": f"127.0.0.1:{receiver.port}"}
        with floor.workers(2):
            wait_until(lambda: bool(receiver.requests))
            assert floor.follow(apply_id)[0] == 0
            assert floor.follow(apply_id)[0] == 0
        (seen,) = receiver.requests
    body = json.loads(seen.body)
    assert (body["events"], body["totals"]["cells_accepted"]) == (["applied"], 6)


def test_following_is_ended_and_begun_again(make_floor: MakeFloor) -> None:
    """Exit 8 while it runs; whoever follows it later, and how often, gets one receipt and one code."""
    floor = many(make_floor, 2, settings())
    apply_id = floor.submit()
    assert floor.run("follow", apply_id, "--timeout", "0").code == 8
    with floor.workers():
        found = floor.follow(apply_id)
    assert floor.follow(apply_id, 0) == floor.follow(apply_id[:8], TICK_SECONDS) == found


HELD_BY_THE_FIRST_INTENT = """
CREATE FUNCTION reconciler.hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE reconciler.rates SET held_until = extract(epoch FROM clock_timestamp()) + 3
        WHERE (SELECT count(*) FROM reconciler.calls) = 1;
    RETURN NEW;
END $$;
CREATE TRIGGER hold AFTER INSERT ON reconciler.calls FOR EACH ROW EXECUTE FUNCTION reconciler.hold();
"""


def test_an_acceptance_is_recorded_before_a_long_wait(make_floor: MakeFloor) -> None:
    """It waits for the next intent of its table: not while the API wants no requests, in which its worker may die."""
    floor = many(make_floor, 1, settings(api={"max_cells_per_call": 2, "rate": {"requests_per_second": 500}}))
    apply_id = floor.submit()
    with ledger_of(floor) as connection:
        connection.execute(HELD_BY_THE_FIRST_INTENT)
        with floor.workers():
            code, _ = floor.follow(apply_id)
        rows = connection.execute(b"SELECT kind, at FROM reconciler.events ORDER BY at LIMIT 3").fetchall()
    assert (code, [kind for kind, _ in rows]) == (0, ["intent", "accepted", "intent"])
    assert float(str(rows[2][1])) - float(str(rows[1][1])) > 1
