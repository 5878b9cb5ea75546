"""A server that takes no writes: one clear error, nothing half written, and no library speaks before us."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from reconciler.errors import Unwritable
from reconciler.ledger import Ledger, open_ledger
from reconciler.model.attempt import Ticket, Verdict
from tests.ledger.calls_and_actors import ALICE, TABLE, a_call, accepted, begin
from tests.postgres import fresh_database

WRITES: dict[str, Callable[[Ledger], object]] = {
    "begin": lambda ledger: begin(ledger, a_call(2), version=1),
    "end": lambda ledger: ledger.end(Ticket(a_call().id, 1, 1), accepted()),
    "acquire": lambda ledger: ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60),
    "resolve": lambda ledger: ledger.resolve(Verdict(a_call().id, 1, landed=True, reason="r", actor=ALICE)),
}


def take_no_writes(url: str, to: str = "on") -> None:
    """Let new sessions in the database be read-only, as a server-wide setting does, and end those there are."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {to}".encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture
def server(postgres_server: str) -> Iterator[str]:
    """The URL of a ledger that holds a call, on a server that has stopped taking writes."""
    url = fresh_database(postgres_server)
    with open_ledger(url) as ledger:
        ledger.initialise()
        begin(ledger, a_call())
    take_no_writes(url)
    yield url
    take_no_writes(url, "off")


@pytest.mark.parametrize("kind", WRITES)
def test_a_write_says_that_the_server_takes_none(server: str, kind: str) -> None:
    """Before anything is written; what is there is read as ever."""
    with open_ledger(server) as ledger:
        before = list(ledger.export())[1:]
        with pytest.raises(Unwritable, match="takes no writes") as caught:
            WRITES[kind](ledger)
        assert list(ledger.export())[1:] == before
    assert "default_transaction_read_only" in caught.value.hint


def test_no_ledger_is_made_there(postgres_server: str) -> None:
    """Not a part of one either: no schema, no table."""
    url = fresh_database(postgres_server)
    take_no_writes(url)
    with open_ledger(url) as ledger, pytest.raises(Unwritable, match="takes no writes"):
        ledger.initialise()
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname = 'reconciler'").fetchall()
    assert found == []
    take_no_writes(url, "off")


def said(url: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command line as a process of its own: what libraries log goes wherever Python sends it."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-P", "-m", "reconciler", "--ledger", url, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(Path.cwd())},
    )


def test_a_command_says_one_thing(server: str, tmp_path: Path) -> None:
    """One error with what to do, and exit 1."""
    done = said(server, tmp_path, "ledger", "resolve", a_call().id, "--landed", "--reason", "r")
    assert (done.returncode, done.stdout) == (1, "")
    first, hint = done.stderr.splitlines()
    assert first.startswith("reconciler: E803 the ledger postgresql://")
    assert "takes no writes" in first
    assert hint.startswith("  Name the primary")


DROPPED = """
import sys
import psycopg
from sqlalchemy import event
from reconciler.ledger import open_ledger
from tests.ledger.calls_and_actors import a_call, begin
from tests.ledger.test_postgres import OTHERS

def drop(*_):
    with psycopg.connect(sys.argv[1], autocommit=True) as connection:
        connection.execute(OTHERS)

with open_ledger(sys.argv[1]) as ledger:
    begin(ledger, a_call(2), version=1)
    event.listen(ledger._store._engine, sys.argv[2], drop)
    try:
        begin(ledger, a_call(3), version=2)
    except Exception as error:
        print(error)
"""


@pytest.mark.parametrize("when", ["begin", "commit"])
def test_a_library_that_logs_a_lost_connection_is_not_heard(server: str, tmp_path: Path, when: str) -> None:
    """SQLAlchemy's pool and psycopg log with tracebacks what our error says in a line."""
    take_no_writes(server, "off")
    done = subprocess.run(
        [sys.executable, "-c", DROPPED, server, when],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path.cwd())},
    )
    assert done.stderr == ""
    assert done.stdout.startswith("the ledger postgresql://"), json.dumps(done.stdout)
