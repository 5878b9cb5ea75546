"""A worker at work, as it is watched: its figures, its log and its traces; and the token, which is in none of them."""

import json
import os
import signal
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.request import urlopen

import psycopg
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from psycopg import sql

import reconciler
from reconciler.fleet.fleet import Fleet
from reconciler.fleet.worker import Worker
from reconciler.ledger import open_ledger
from reconciler.model.history import CallState
from reconciler.settings.settings import Flags, load_settings
from tests.fleet.conftest import Floor, MakeFloor
from tests.journey.desk import ACCOUNTS, FILL, accounts
from tests.ledger.calls_and_actors import ROBOT, TABLE, a_call, begin, ended

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
spec:
  limits:
    per_month: {max_credits: 32}
    per_label: {team=gtm: {per_day: {max_cells: 16}}}
"""
CELLS = 8
CANARY = "canary-4f0c8f52-never-to-be-seen"


def figures(worker: Worker) -> dict[str, float]:
    """Return what a worker's page shows."""
    lines = worker.watch.metrics.page().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


@pytest.fixture
def floor(make_floor: MakeFloor) -> Floor:
    """Return a floor with budgets, whose API knows a token that is easy to find."""
    floor = make_floor(accounts(), token=CANARY)
    floor.write(FILL)
    floor.write(PROJECT, "reconciler.yaml")
    return floor


def test_an_apply_is_seen_in_the_figures(floor: Floor) -> None:
    """Calls, cells, credits, requests, waits; and budgets and units, once the standing is read."""
    floor.plan()
    apply_id = floor.submit()
    with floor.workers() as (worker,):
        code, _ = floor.follow(apply_id)
        with open_ledger(floor.extra["RECONCILER_LEDGER"]) as ledger:
            flags = Flags(str(floor.folder / "reconciler.yaml"), None, None, None)
            worker.watch.look(ledger, load_settings(flags, floor.simulator.environment()))
        shown = figures(worker)
        assert worker.watch.health.ready().is_well
    assert code == 0
    sent = shown['reconciler_run_calls_total{state="accepted",workspace="default"}']
    assert sent == len(floor.posts())
    assert shown['reconciler_cells_requested_total{workspace="default"}'] == CELLS
    assert shown['reconciler_credits_committed_total{workspace="default"}'] == CELLS
    posts = [name for name in shown if name.startswith("reconciler_api_requests_total") and 'method="POST"' in name]
    assert sum(shown[name] for name in posts) == sent
    assert shown["reconciler_run_call_duration_seconds_count"] == sent
    assert shown["reconciler_ledger_write_duration_seconds_count"] >= sent
    assert shown['reconciler_job_lag_seconds_count{job="send"}'] >= 1
    assert shown['reconciler_rate_wait_seconds_count{workspace="default"}'] > sent
    assert shown['reconciler_budget_used_ratio{period="month",scope="all",unit="credits"}'] == CELLS / 32
    assert shown['reconciler_budget_used_ratio{period="day",scope="team=gtm",unit="cells"}'] == CELLS / 16
    assert shown['reconciler_units{phase="queued"}'] == 0
    assert not worker.watch.health.ready().is_well  # it was stopped


def test_the_standing_counts_what_may_have_been_paid_for(new_ledger: Callable[[], str]) -> None:
    """A doubt, and an intent that is older than a call may be in flight; not one that has just begun."""
    with open_ledger(new_ledger()) as ledger:
        ledger.end(begin(ledger, a_call(1, table=TABLE), actor=ROBOT), ended(CallState.IN_DOUBT))
        begin(ledger, a_call(2, table=ACCOUNTS), actor=ROBOT)
        assert ledger.standing((), 3600.0).calls_in_doubt == 1
        old = ledger.standing((), -1.0)
        assert old.calls_in_doubt == 2
        assert 0 < old.oldest_doubt_seconds < 3600
        ledger.rates.hold("gtm", 60.0)
        assert ledger.standing((), 3600.0).held == {"gtm": True}


def test_the_standing_is_read_by_indices(new_ledger: Callable[[], str]) -> None:
    """It is read all the time, and a ledger keeps every call."""
    with psycopg.connect(new_ledger()) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT count(*), min(begun_at) FROM reconciler.calls WHERE state IN ('intent', 'in_doubt') "
            "AND (state = 'in_doubt' OR begun_at < 5)"
        ).fetchall()
    assert "calls_open" in str(plan)


def everything(url: str) -> str:
    """Return every row of every table of a database as text; what is packed, unpacked."""
    found = []
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname LIKE 'reconciler%' ORDER BY 1, 2"
        ).fetchall()
        assert len(tables) > 10
        for names in tables:
            for row in connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*names))):
                for value in row:
                    found.append(str(value))
                    if isinstance(value, bytes):
                        found.append(value.decode("latin-1"))
                        for size in (15, 31):
                            try:
                                found.append(zlib.decompressobj(size).decompress(value).decode("latin-1"))
                            except zlib.error:
                                continue
    return "\n".join(found)


@contextmanager
def meanwhile(floor: Floor, do: Callable[[], None]) -> Iterator[None]:
    """Do something while a worker of the command line works in the main thread, then end it as an operator does."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def then_end() -> None:
        try:
            do()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=then_end)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_token_is_found_nowhere(floor: Floor, spans: InMemorySpanExporter) -> None:
    """Not in a job, a row, a figure, a line of the log or a span, also if the API repeats it; ids are there."""
    floor.simulator.fault(
        "status", "POST", "/v1/tables/*/run", status=422, body=json.dumps({"detail": CANARY}), times=1
    )
    floor.plan()
    apply_id = floor.submit()
    jobs = everything(floor.extra["RECONCILER_LEDGER"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pages: list[str] = []

    def follow() -> None:
        environment = {**floor.simulator.environment(), **floor.extra}
        with reconciler.open_session(floor.folder, environment=environment) as session:
            Fleet(session).follow(apply_id, timeout_seconds=60)
        for page in ("metrics", "readyz", "livez"):
            with urlopen(f"http://127.0.0.1:{port}/{page}") as answer:
                pages.append(answer.read().decode())

    with meanwhile(floor, follow):
        said = floor.run("--log-format", "json", "-v", "worker", "--metrics-port", str(port))
    assert said.code == 0
    rows = everything(floor.extra["RECONCILER_LEDGER"])
    finished = spans.get_finished_spans()
    traces = "\n".join(span.to_json() for span in finished)
    for text, known in (
        (jobs, apply_id),
        (rows, apply_id),
        (said.err, apply_id),
        (traces, apply_id),
        ("".join(pages), "accepted"),
    ):
        assert CANARY not in text
        assert known in text
    lines = map(json.loads, said.err.splitlines())
    calls = [line for line in lines if line.get("state") in ("accepted", "refused")]
    posts = {(span.attributes or {})["reconciler.call"]: span for span in finished if span.name.startswith("POST")}
    assert {line["call"] for line in calls} == posts.keys()
    for line in calls:
        assert (line["apply"], line["table"]) == (apply_id, ACCOUNTS)
        assert line["trace"] == f"{posts[line['call']].context.trace_id:032x}"
    (submit,) = [span for span in finished if span.name == "submit"]
    assert {span.context.trace_id for span in posts.values()} == {submit.context.trace_id}
