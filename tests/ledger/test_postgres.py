"""A server alone drops connections, stands behind a pooling proxy, or forgets that a commit should wait."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import certifi
import psycopg
import pytest
from sqlalchemy import Connection, event

from reconciler.errors import LedgerError, Unwritable
from reconciler.fleet.engine import Engine
from reconciler.ledger import Lease, Ledger, open_ledger
from reconciler.model.attempt import Actor, Ticket, Verdict
from reconciler.model.history import CallState
from reconciler.model.submitted import SubmittedApply, Unit
from tests.client.proxies import CERTIFICATE
from tests.ledger.calls_and_actors import ALICE, TABLE, a_call, accepted, before_statement, begin, state_of
from tests.ledger.pooling_proxy import PoolingProxy, SessionPooler, TlsGateway
from tests.postgres import fresh_database, socket_url

OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def server(postgres_server: str) -> str:
    """The URL of a ledger in a database of the test's own."""
    url = fresh_database(postgres_server)
    with open_ledger(url) as ledger:
        ledger.initialise()
    return url


@pytest.fixture
def served(server: str) -> Iterator[Ledger]:
    """A handle on it."""
    with open_ledger(server) as ledger:
        yield ledger


def _drop_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OTHERS.encode())


def _drop_once(ledger: Ledger, url: str) -> None:
    """Drop the connection of the ledger's next transaction in its middle."""
    done: list[bool] = []

    def drop(connection: Connection, *_: Any) -> None:
        if not done:
            done.append(True)
            _drop_connections(url)

    event.listen(ledger._store._engine, "begin", drop)


def test_a_database_without_an_encoding_keeps_a_ledger(postgres_server: str) -> None:
    """As `initdb` makes one where no locale is set."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE in_ascii ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
    with open_ledger(postgres_server.replace("/postgres?", "/in_ascii?")) as ledger:
        ledger.initialise()
        ledger.end(begin(ledger, a_call(1)), accepted())
        assert state_of(ledger, a_call(1)) == (CallState.ACCEPTED, 1)
        assert ledger.server is not None
        Engine(ledger.server).prepare()


def test_a_plan_may_be_slow_to_read_while_it_is_submitted(served: Ledger) -> None:
    """The server lets the transaction be idle while units are made, and afterwards no longer than any writer's."""
    apply = SubmittedApply("a" * 32, "plan", "default", b"{}", 1, None, Actor("robot"))
    opened: list[psycopg.Connection] = []
    allowed: list[str] = []

    def look() -> None:
        row = opened[0].execute("SHOW idle_in_transaction_session_timeout").fetchone()
        allowed.append(row[0] if row else "")

    def enqueue(connection: psycopg.Connection, _: object) -> None:
        opened.append(connection)
        look()

    parts = (Unit(apply.id, number, (), b"{}") for number in range(200))
    assert served.applies.submit(apply, parts, enqueue, 0.0, on_commit=look) == 200
    assert allowed == ["10min", "10min", "5s"]


def test_units_that_wait_are_looked_at_without_their_content(served: Ledger) -> None:
    """Of 200 large tables that one look is about, it would fill the worker's memory."""
    apply = SubmittedApply("a" * 32, "plan", "default", b"{}", 1, None, Actor("robot"))
    served.applies.submit(apply, [Unit(apply.id, 0, (TABLE,), b"large")], lambda *_: None, 0.0)
    (looked_at,) = served.applies.claim_due(["default"], "one", 0.0, 200)
    (claimed,) = served.applies.claim(apply.id, [0], ["default"], "two", 60.0)
    assert (looked_at.table_ids, looked_at.content, claimed.content) == ((TABLE,), b"", b"large")


def test_an_outcome_survives_a_server_that_closed_its_idle_connections(server: str, served: Ledger) -> None:
    """Between the intent and the ending lies a whole call, and a proxy that closes what is idle."""
    ticket = begin(served, a_call())
    _drop_connections(server)
    served.end(ticket, accepted())
    assert state_of(served, a_call()) == (CallState.ACCEPTED, 1)


def test_an_outcome_survives_a_connection_that_breaks(server: str, served: Ledger) -> None:
    """An ending may be said twice, so it is."""
    ticket = begin(served, a_call())
    _drop_once(served, server)
    served.end(ticket, accepted())
    assert state_of(served, a_call()) == (CallState.ACCEPTED, 1)


def test_an_intent_whose_connection_breaks_is_not_begun(server: str, served: Ledger) -> None:
    """It is unknown whether it was recorded, so nothing is sent on the strength of it."""
    begin(served, a_call())
    _drop_once(served, server)
    with pytest.raises(Unwritable):
        begin(served, a_call(2), version=1)
    assert len(served.calls()) == 1


def test_a_server_without_a_ledger_asks_for_init(postgres_server: str) -> None:
    """A shared database is never written to before a person said so."""
    with open_ledger(fresh_database(postgres_server)) as ledger:
        for attempt in (lambda: ledger.recall([TABLE]), lambda: begin(ledger, a_call(), version=0)):
            with pytest.raises(LedgerError, match="no ledger yet") as caught:
                attempt()
            assert "ledger init" in caught.value.hint
        ledger.initialise()
        begin(ledger, a_call())


def test_a_shared_database_keeps_its_own_tables(postgres_server: str) -> None:
    """The ledger's stand in a schema of their own."""
    url = fresh_database(postgres_server)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE public.calls (x int)")
        connection.execute("CREATE TABLE public.meta (x int)")
    with open_ledger(url) as ledger:
        ledger.initialise()
        begin(ledger, a_call())
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema IN ('public', 'reconciler') ORDER BY 1, 2"
        ).fetchall()
    ours = [
        "alembic_version",
        "applies",
        "approvals",
        "balances",
        "call_rows",
        "calls",
        "checkpoints",
        "events",
        "meta",
        "rates",
        "row_ids",
        "schedules",
        "shapes",
        "spent",
        "spent_totals",
        "table_counts",
        "tables",
        "units",
    ]
    assert found == [("public", "calls"), ("public", "meta"), *(("reconciler", name) for name in ours)]


@pytest.mark.parametrize("wrong", ["user", "database"])
def test_a_wrong_login_says_so(postgres_server: str, wrong: str) -> None:
    """In the server's words, with what to check, and without the password."""
    addresses = {
        "user": postgres_server.replace("postgres:@", "stranger:s3cret@"),
        "database": postgres_server.replace("postgres:@/postgres?", "postgres:s3cret@/none?"),
    }
    with open_ledger(addresses[wrong]) as ledger, pytest.raises(LedgerError, match="does not exist") as caught:
        ledger.recall([TABLE])
    assert "s3cret" not in str(caught.value)
    assert "user, password and database" in caught.value.hint


def _work(ledger: Ledger, table: str) -> int:
    (lease,) = ledger.acquire([table], owner=f"apply-{table}", actor=ALICE, seconds=60)
    version = ledger.recall([table])[table].version
    for turn in range(20):
        call = a_call(int(table) * 100 + turn, table=table)
        ticket = begin(ledger, call, version=version, lease=lease)
        ledger.end(ticket, accepted())
        version = ticket.table_version
        ledger.renew([lease], seconds=60)
    ledger.release([lease])
    return len(ledger.recall([table])[table].calls)


def test_a_pooling_proxy_makes_no_difference(server: str) -> None:
    """Six handles over three sessions, each transaction on another one: a whole ledger's life, then an export."""
    with PoolingProxy(server) as proxy:
        handles = [open_ledger(proxy.address) for _ in range(6)]
        handles[0].initialise()
        with ThreadPoolExecutor(6) as pool:
            counts = list(pool.map(_work, handles, [str(number) for number in range(6)]))
        assert counts == [20] * 6
        assert sum('"type":"call"' in line for line in handles[0].export()) == 120
        for handle in handles:
            handle.close()
        assert proxy.transactions > 6 * 20 * 3


def test_a_session_pooler_with_two_connections_makes_no_difference(server: str) -> None:
    """Six threads take turns; with a third connection the program would wait for a login that never comes."""
    with SessionPooler(server, sessions=2) as pooler, open_ledger(pooler.address, connections=2) as ledger:
        with ThreadPoolExecutor(6) as pool:
            counts = list(pool.map(lambda number: _work(ledger, str(number)), range(6)))
        assert counts == [20] * 6
        assert sum('"type":"call"' in line for line in ledger.export()) == 120
    assert pooler.most_at_once == 2


def test_a_process_opens_no_more_connections_than_it_may(server: str) -> None:
    """However many threads it has."""
    opened: list[object] = []
    with open_ledger(server, connections=3) as ledger:
        event.listen(ledger._store._engine, "connect", lambda connection, _: opened.append(connection))
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda number: _work(ledger, str(number)), range(8))) == [20] * 8
    assert 1 < len(opened) <= 3


def test_a_servers_certificate_is_checked_as_sslmode_says(server: str) -> None:
    """`verify-full` trusts whom `sslrootcert` names, and no other."""
    with TlsGateway(server) as gateway:
        for root, is_trusted in ((CERTIFICATE, True), (certifi.where(), False)):
            with open_ledger(f"{gateway.address}?sslmode=verify-full&sslrootcert={root}") as ledger:
                if is_trusted:
                    assert _work(ledger, "1") == 20
                    continue
                with pytest.raises(LedgerError) as caught:
                    ledger.recall([TABLE])
                assert "certificate verify failed" in str(caught.value)
                assert "sslrootcert" in caught.value.hint


def test_nothing_of_a_session_stays_on_the_server(server: str, served: Ledger) -> None:
    """No prepared statement, session setting, cursor or advisory lock: a proxy may take the connection."""
    residues: list[object] = []
    query = (
        "SELECT 'prepared', name FROM pg_prepared_statements UNION ALL "
        "SELECT 'cursor', name FROM pg_cursors WHERE name <> '' UNION ALL "
        "SELECT 'setting', name FROM pg_settings WHERE source = 'session' AND name NOT LIKE 'transaction_%' UNION ALL "
        "SELECT 'lock', locktype FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    )

    @event.listens_for(served._store._engine, "checkin")
    def _look(connection: psycopg.Connection[tuple[object, ...]], _: object) -> None:
        residues.extend(connection.execute(query).fetchall())
        connection.rollback()

    served.initialise()
    assert _work(served, "7") == 20
    list(served.export())
    assert residues == []


def test_a_server_that_does_not_wait_for_its_disk_is_told_to(server: str) -> None:
    """`synchronous_commit = off` as a default loses the newest intents in a crash; ours are written with it on."""
    with psycopg.connect(server, autocommit=True) as connection:
        (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    seen: list[object] = []
    with open_ledger(server) as ledger:

        @event.listens_for(ledger._store._engine, "commit")
        def _look(connection: Connection) -> None:
            seen.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar())

        begin(ledger, a_call(), version=0)
    assert seen[-1] == "on"


def test_a_locked_row_is_unwritable(server: str) -> None:
    """Another session keeps a table's row longer than the busy timeout: nothing is sent."""
    with open_ledger(server, busy_seconds=0.05) as ledger:
        leases = ledger.acquire(["locked"], owner="one", actor=ALICE, seconds=60)
        with psycopg.connect(server) as blocker:
            blocker.execute("SELECT * FROM reconciler.tables WHERE table_id = 'locked' FOR UPDATE")
            with pytest.raises(Unwritable, match="lock timeout"):
                ledger.renew(leases, seconds=60)


def test_a_stopped_writer_does_not_keep_others_out(server: str) -> None:
    """Its transaction is ended before those who wait for its locks give up, and it has begun nothing."""
    with open_ledger(server, busy_seconds=3) as stopped, open_ledger(server, busy_seconds=3) as other:
        other.release(other.acquire([TABLE], owner="one", actor=ALICE, seconds=60))
        before_statement(stopped, "INSERT INTO reconciler.calls", lambda: begin(other, a_call(2), version=0))
        with pytest.raises(Unwritable):
            begin(stopped, a_call(1), version=0)
        assert [record.id for record in other.calls()] == [a_call(2).id]


OPERATIONS: dict[str, tuple[str, Callable[[Ledger, Lease], object]]] = {
    "acquire": ("UPDATE", lambda ledger, lease: ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60)),
    "renew": ("UPDATE", lambda ledger, lease: ledger.renew([lease], seconds=60)),
    "release": ("UPDATE", lambda ledger, lease: ledger.release([lease])),
    "begin": ("INSERT INTO reconciler.calls", lambda ledger, lease: begin(ledger, a_call(9), lease=lease)),
    "end": ("UPDATE", lambda ledger, lease: ledger.end(Ticket(a_call().id, 1, 1), accepted())),
    "resolve": (
        "UPDATE",
        lambda ledger, lease: ledger.resolve(Verdict(a_call().id, 1, landed=True, reason="r", actor=ALICE)),
    ),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_gets_between_reading_and_writing(server: str, operation: str) -> None:
    """A writer stopped after it looked and before it wrote keeps out every other writer of the table."""
    statement, work = OPERATIONS[operation]
    refused: list[BaseException] = []
    with open_ledger(server) as ledger, open_ledger(server, busy_seconds=0.02) as other:
        begin(ledger, a_call())
        (lease,) = ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60)

        def intrude() -> None:
            for _, intrusion in OPERATIONS.values():
                with pytest.raises(Unwritable, match="lock timeout") as caught:
                    intrusion(other, lease)
                refused.append(caught.value)

        before_statement(ledger, statement, intrude)
        work(ledger, lease)
    assert len(refused) == len(OPERATIONS)


def test_one_of_many_initialises(postgres_server: str) -> None:
    """A second `ledger init` waits for the first, which is stopped here between looking and creating."""
    url = fresh_database(postgres_server)
    with open_ledger(url) as ledger, open_ledger(url, busy_seconds=0.02) as other:

        def intrude() -> None:
            with pytest.raises(Unwritable, match="lock timeout"):
                other.initialise()

        before_statement(ledger, "CREATE SCHEMA", intrude)
        ledger.initialise()
        other.initialise()
        assert other.calls() == []


def test_the_folder_of_a_socket_is_named_as_libpq_names_it(server: str) -> None:
    """Escaped in the host's place, and shown as it was written."""
    escaped = socket_url(server)
    assert "%2F" in escaped
    with open_ledger(escaped) as ledger:
        assert ledger.calls() == []
        assert ledger.location == escaped.replace("postgres@", "")
