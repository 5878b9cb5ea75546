"""Several workers share: a stop, budgets, growth, a rate; and busy tables, running ones and newer jobs."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from reconciler.fleet.engine import SCHEMA_NAME
from reconciler.ledger import open_ledger
from reconciler.model.attempt import Actor, Stop, StopCause
from reconciler.model.submitted import FORMAT, Phase
from tests.fleet.conftest import Floor, MakeFloor
from tests.fleet.test_same_report import CHILD, manifest, table, table_id
from tests.journey.desk import agent, row_id


def settings(**spec: Any) -> str:
    """Return a project file."""
    return json.dumps({"apiVersion": "reconciler/v1", "kind": "Project", "spec": {"prices": {"default": 1}, **spec}})


def many(make_floor: MakeFloor, count: int, project: str, **more: Any) -> Floor:
    """Return a desk over so many tables of three cells each, planned."""
    floor = make_floor(*(table(number, agent("news"), rows=3) for number in range(1, count + 1)), **more)
    floor.write(project, "reconciler.yaml")
    floor.write("---\n".join(manifest(f"m-{number}", number, "{mode: new}") for number in range(1, count + 1)))
    floor.plan()
    return floor


def test_after_a_402_no_intent_begins_anywhere(make_floor: MakeFloor) -> None:
    """Three workers at once: besides the refused call only those are sent whose intents stood already."""
    floor = many(make_floor, 30, settings(api={"run_concurrency": 1}))
    floor.simulator.fault("status", "POST", f"/v1/tables/{table_id(9)}/run", status=402)
    apply_id = floor.submit()
    with floor.workers(3):
        code, report = floor.follow(apply_id, 60)
    assert (code, report["stopped"]["cause"]) == (6, "refused")
    assert report["totals"]["refused"] == 1
    assert report["totals"]["not_attempted"] > 0
    assert report["totals"]["calls"] == 30
    with psycopg.connect(floor.extra["RECONCILER_LEDGER"]) as connection:
        late = connection.execute(
            "SELECT count(*) FROM reconciler.events e, reconciler.applies a "
            "WHERE e.kind = 'intent' AND e.at > a.stopped_at"
        ).fetchone()
    assert late == (0,)
    assert len(floor.posts()) == report["totals"]["accepted"] + 1


def test_a_stop_is_dated_after_the_intents_that_it_waits_for(make_floor: MakeFloor) -> None:
    """An intent keeps the apply from being stopped until it stands, and what stands began before the stop."""
    floor = many(make_floor, 1, settings())
    apply_id = floor.submit()
    url = floor.extra["RECONCILER_LEDGER"]
    now = "SELECT extract(epoch FROM clock_timestamp())::float8"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg.connect(url) as intent, psycopg.connect(url, autocommit=True) as watch:
        intent.execute("SELECT 1 FROM reconciler.applies FOR SHARE")
        with ThreadPoolExecutor() as pool:
            stopped = pool.submit(floor.run, "applies", "stop", apply_id, "--reason", "enough")
            wait_until(lambda: watch.execute(waiting).fetchone() != (0,))
            ((stands,),) = watch.execute(now)
            intent.commit()
            assert stopped.result().code == 0
        ((dated,),) = watch.execute("SELECT stopped_at FROM reconciler.applies")
    assert dated > stands


def test_a_person_stops_an_apply_everywhere(make_floor: MakeFloor) -> None:
    """Before any worker looked at it: nothing is sent, each call is named, and the receipt says who stopped it."""
    floor = many(make_floor, 3, settings())
    apply_id = floor.submit()
    assert floor.run("applies", "stop", apply_id[:8], "--reason", "wrong column").code == 0
    assert "Was stopped before" in floor.run("applies", "stop", apply_id, "--reason", "again").out
    with floor.workers():
        code, report = floor.follow(apply_id)
    assert (code, len(report["calls"]), floor.posts()) == (6, 3, [])
    assert report["stopped"]["message"].endswith("wrong column")
    assert "over, stopped; units: 3 given up" in floor.run("applies", "show", apply_id).out
    (listed,) = floor.run("applies", "list", "--format", "json").json["applies"]
    assert (listed["id"], listed["over"], listed["stopped"]["cause"]) == (apply_id, True, "interrupted")


def test_a_budget_is_kept_by_all_workers_together(make_floor: MakeFloor) -> None:
    """Another apply has taken of the month's budget since the plan: what fits is bought, and not a credit more."""
    floor = many(make_floor, 12, settings(limits={"per_month": {"max_credits": 36}}))
    apply_id = floor.submit()
    with psycopg.connect(floor.extra["RECONCILER_LEDGER"]) as connection:
        quarter = int(time.time() // 900)
        connection.execute("INSERT INTO reconciler.spent_totals VALUES ('', %s, 20, 20000000, 0)", (quarter,))
    with floor.workers(4):
        code, report = floor.follow(apply_id, 60)
    assert code == 6
    assert report["totals"]["credits_accepted"] == sum(floor.charged().values()) == 15
    assert report["totals"]["not_sent"] == 7


def test_growth_is_bounded_in_the_intent_itself(make_floor: MakeFloor) -> None:
    """The plan allows five more cells: of the twelve that appear none is bought, as in one process."""
    companies = {
        "id": table_id(9),
        "name": "Companies",
        "kind": "company",
        "columns": [{"kind": "company_people_finder", "key": "decision_makers", "value": {"roles": ["VP Sales"]}}],
        "rows": [{"id": row_id(900 + number), "data": {"input": "x.example"}} for number in (1, 2)],
    }
    floor = make_floor(companies)
    floor.write(settings(), "reconciler.yaml")
    child = CHILD.replace("max_cells: 60, max_credits: 60", "max_cells: 1")
    floor.write("---\n".join([manifest("companies", 9, "{mode: new, columns: [decision_makers]}"), child]))
    floor.plan()
    apply_id = floor.submit()
    with floor.workers(2):
        code, report = floor.follow(apply_id)
    assert (code, [each["manifest"] for each in report["outgrown"]]) == (6, ["people"])
    assert {key for key, _ in floor.charged()} == {"decision_makers"}


@pytest.mark.long
def test_a_busy_table_keeps_no_other_from_being_sent(make_floor: MakeFloor) -> None:
    """Another apply holds the lease of one table of a job: the others are sent, and it is once it is free."""
    floor = many(make_floor, 3, settings())
    apply_id = floor.submit()
    with open_ledger(floor.extra["RECONCILER_LEDGER"]) as ledger:
        held = ledger.acquire([table_id(2)], owner="other", actor=Actor("other@host"), seconds=60)
        with floor.workers():
            wait_until(lambda: len(floor.posts()) == 2)
            ledger.release(held)
            code, _ = floor.follow(apply_id)
    assert code == 0
    assert (len(floor.posts()), set(floor.charged().values())) == (3, {1})


def test_a_running_table_is_waited_for(make_floor: MakeFloor) -> None:
    """A person runs the table by hand when its job comes: what is approved and still due is bought once it is idle."""
    cells = {"notes": "empty", "news": "empty"}
    floor = make_floor(table(1, agent("news"), agent("notes"), rows=3, **cells))
    floor.write(settings(), "reconciler.yaml")
    floor.write(manifest("m", 1, "{mode: new, columns: [news]}"))
    floor.plan()
    apply_id = floor.submit()
    world = floor.simulator.state
    column = next(each.id for each in world.tables[table_id(1)].columns if each.key == "notes")
    _by_hand(floor, column, [row_id(100 + number) for number in range(3)])
    with floor.workers(2):
        code, report = floor.follow(apply_id)
    assert (code, report["totals"]["cells_accepted"]) == (0, 3)
    assert set(floor.charged().values()) == {1}


@pytest.mark.parametrize("tables", [5, pytest.param(100, marks=pytest.mark.long)])
def test_the_rate_of_a_workspace_is_shared(make_floor: MakeFloor, tables: int) -> None:
    """Two workers, 20 requests a second: no second has more; and over a while three quarters of them are used."""
    floor = many(make_floor, tables, settings(api={"rate": {"requests_per_second": 20}}))
    apply_id = floor.submit()
    before = len(floor.simulator.seen())
    began = time.monotonic()
    with floor.workers(2):
        code, _ = floor.follow(apply_id, 120)
    took = time.monotonic() - began
    requests = len(floor.simulator.seen()) - before
    assert code == 0
    assert requests <= 20 * (took + 1.5)
    assert tables < 100 or requests >= 0.75 * 20 * took


def test_a_job_of_a_newer_version_goes_back(make_floor: MakeFloor) -> None:
    """A worker that does not know its format leaves it, and its units, to a newer one."""
    floor = many(make_floor, 1, settings())
    apply_id = floor.submit()
    url = floor.extra["RECONCILER_LEDGER"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"UPDATE {SCHEMA_NAME}.procrastinate_jobs SET args = args || '{{\"format\": 99}}'")
        connection.execute("UPDATE reconciler.units SET format = 99, look_at = 0")
        with floor.workers():
            wait_until(lambda: _jobs(connection) == [("todo", 1)])
        connection.execute("UPDATE reconciler.units SET format = %s", (FORMAT,))
    assert floor.posts() == []
    with floor.workers():
        assert floor.follow(apply_id)[0] == 0


def test_a_claim_is_one_workers_and_ends_with_its_time(make_floor: MakeFloor) -> None:
    """A job delivered twice at once gets the units once; a silent worker's are offered to others, and lost to it."""
    floor = many(make_floor, 2, settings())
    apply_id = floor.submit()
    with open_ledger(floor.extra["RECONCILER_LEDGER"]) as ledger:
        applies = ledger.applies
        assert [unit.number for unit in applies.claim(apply_id, [0, 1], ["default"], "one", 60)] == [0, 1]
        assert applies.claim(apply_id, [0, 1], ["default"], "other", 60) == []
        assert applies.claim_due(["default"], "other", 60, 10) == []
        applies.renew(["one"], -1)
        assert [unit.is_abandoned for unit in applies.claim_due(["default"], "other", 60, 10)] == [True, True]
        assert applies.claim(apply_id, [0, 1], ["default"], "one", 60) == []
        assert applies.progress(apply_id).units == {Phase.QUEUED: 2}
        assert applies.stop(apply_id, Stop(StopCause.INTERRUPTED, "enough"))


def _jobs(connection: "psycopg.Connection[Any]") -> list[tuple[str, int]]:
    query = f"SELECT status::text, attempts FROM {SCHEMA_NAME}.procrastinate_jobs"
    return [(row[0], row[1]) for row in connection.execute(query.encode())]


def _by_hand(floor: Floor, column: str, rows: list[str]) -> None:
    body = {"mode": "new", "rows": rows, "columns": [column]}
    headers = {"Authorization": f"Bearer {floor.simulator.token}"}
    answer = httpx.post(f"{floor.simulator.url}/v1/tables/{table_id(1)}/run", json=body, headers=headers)
    assert answer.status_code < 300, answer.text


def wait_until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)
