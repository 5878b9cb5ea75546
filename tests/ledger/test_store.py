"""The conditions that a store must meet before it is used, and its failures in words."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, Table, create_engine, func, inspect, select
from sqlalchemy.pool import NullPool

from reconciler.errors import Corrupt, LedgerError, TooNew, Unwritable
from reconciler.ledger import Ledger, migrate, open_ledger
from reconciler.ledger.tables import POSTGRES_SCHEMA, SCHEMA_VERSION, metadata
from tests.ledger.calls_and_actors import TABLE, a_call, begin
from tests.postgres import fresh_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an SQLite ledger would be."""
    return tmp_path / ".reconciler" / "ledger.db"


@pytest.fixture
def written(path: Path) -> Path:
    """A ledger that holds a call."""
    with open_ledger(str(path)) as ledger:
        begin(ledger, a_call())
    return path


def test_reading_creates_nothing(path: Path) -> None:
    """Plan writes nothing anywhere: not the file, not its folder."""
    with open_ledger(str(path)) as ledger:
        assert ledger.recall([TABLE])[TABLE].version == 0
        assert (ledger.calls(), ledger.leases(), [*ledger.report("table")], ledger.events("x")) == ([], [], [], [])
        with pytest.raises(LedgerError, match="no call's id"):
            ledger.find("abcd")
    assert not path.parent.exists()


def test_reading_leaves_the_file_as_it_was(written: Path) -> None:
    """No journal stays behind, and not a byte changes."""
    before = written.read_bytes()
    with open_ledger(str(written)) as ledger:
        assert len(ledger.recall([TABLE])[TABLE].calls) == 1
    assert written.read_bytes() == before
    assert sorted(entry.name for entry in written.parent.iterdir()) == [".gitignore", "ledger.db"]


def test_a_ledger_that_appears_later_is_seen(path: Path) -> None:
    """A handle that read an empty ledger reads the real one once another process has made it."""
    with open_ledger(str(path)) as early, open_ledger(str(path)) as late:
        assert early.calls() == []
        begin(late, a_call())
        assert len(early.calls()) == 1


def test_the_first_write_creates_an_ignored_folder(written: Path) -> None:
    """Git never sees the ledger."""
    assert (written.parent / ".gitignore").read_text(encoding="utf-8").splitlines()[-1] == "*"


def test_a_folder_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    """Only `.reconciler` gets a `.gitignore`."""
    with open_ledger(str(tmp_path / "mine" / "ledger.db")) as ledger:
        begin(ledger, a_call())
    assert [entry.name for entry in (tmp_path / "mine").iterdir()] == ["ledger.db"]


def test_commits_wait_for_the_disk(written: Path) -> None:
    """WAL, fully synchronous, foreign keys: on every connection."""
    with open_ledger(str(written)) as ledger:
        begin(ledger, a_call(2))
        connection = ledger._store._engine.raw_connection()
        values = [
            connection.cursor().execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "fullfsync")
        ]
        connection.close()
    assert values == ["wal", 2, 1, 1]


def test_garbage_is_not_a_ledger(path: Path) -> None:
    """Neither for reading nor for writing, and it is not touched."""
    path.parent.mkdir()
    path.write_bytes(b"not a database " * 100)
    with open_ledger(str(path)) as ledger:
        with pytest.raises(Corrupt, match="not a ledger"):
            ledger.recall([TABLE])
        with pytest.raises(Corrupt):
            begin(ledger, a_call(), version=0)
    assert path.read_bytes() == b"not a database " * 100


def test_another_programs_database_is_not_a_ledger(path: Path) -> None:
    """It is refused by the table that it holds."""
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    with open_ledger(str(path)) as ledger, pytest.raises(Corrupt, match="bookmarks"):
        begin(ledger, a_call(), version=0)


def test_a_damaged_ledger_says_so(written: Path) -> None:
    """Pages overwritten in the middle of the file."""
    content = bytearray(written.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    written.write_bytes(content)
    with open_ledger(str(written)) as ledger, pytest.raises(Corrupt):
        ledger.recall([TABLE])


@pytest.mark.parametrize(
    ("column", "value"),
    [("state", "accepted"), ("covered", "{"), ("covered", '[{"rows":[]}]'), ("mode", "some"), ("credits", "much")],
)
def test_a_record_that_cannot_be_is_corrupt(written: Path, column: str, value: str) -> None:
    """An edited row stops the plan with the call's id, except where it still makes sense."""
    with sqlite3.connect(written) as connection:
        connection.execute(f"UPDATE calls SET {column} = ?", [value])
    connection.close()
    with open_ledger(str(written)) as ledger:
        if value == "accepted":
            assert len(ledger.recall([TABLE])[TABLE].calls) == 1
            return
        with pytest.raises(Corrupt, match=a_call().id):
            ledger.recall([TABLE])


@pytest.mark.parametrize("version", [str(SCHEMA_VERSION + 1), "99"])
def test_a_newer_ledger_is_refused(written: Path, version: str) -> None:
    """With what to do; neither read nor written."""
    with sqlite3.connect(written) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema'", [version])
    connection.close()
    with open_ledger(str(written)) as ledger:
        for attempt in (lambda: ledger.recall([TABLE]), lambda: begin(ledger, a_call(2), version=1), ledger.initialise):
            with pytest.raises(TooNew, match=f"schema {version}") as caught:
                attempt()
            assert "pip install --upgrade" in caught.value.hint


@pytest.mark.parametrize("value", ["", "one", "0.5"])
def test_a_ledger_without_a_version_is_corrupt(written: Path, value: str) -> None:
    """Its format is unknown."""
    with sqlite3.connect(written) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema'", [value])
    connection.close()
    with open_ledger(str(written)) as ledger, pytest.raises(Corrupt, match="which version"):
        ledger.recall([TABLE])


def test_an_older_ledger_asks_for_its_migration(written: Path) -> None:
    """Nothing migrates behind a person's back."""
    with sqlite3.connect(written) as connection:
        connection.execute("UPDATE meta SET value = '0' WHERE key = 'schema'")
    connection.close()
    with open_ledger(str(written)) as ledger, pytest.raises(LedgerError, match="older version") as caught:
        begin(ledger, a_call(2), version=1)
    assert "ledger init" in caught.value.hint


def test_initialising_twice_changes_nothing(ledger: Ledger) -> None:
    """Also not a ledger that holds calls."""
    begin(ledger, a_call())
    before = list(ledger.export())[1:]
    ledger.initialise()
    assert list(ledger.export())[1:] == before


def test_a_locked_ledger_is_unwritable(written: Path) -> None:
    """Another process keeps the file locked longer than the busy timeout: nothing is sent."""
    blocker = sqlite3.connect(written, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with open_ledger(str(written), busy_seconds=0.05) as ledger:
        with pytest.raises(Unwritable, match="locked"):
            begin(ledger, a_call(2), version=1)
        assert len(ledger.recall([TABLE])[TABLE].calls) == 1
    blocker.close()


def test_a_folder_that_cannot_be_made_is_unwritable(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "blocked").write_text("")
    with open_ledger(str(tmp_path / "blocked" / "ledger.db")) as ledger, pytest.raises(Unwritable, match="cannot be"):
        begin(ledger, a_call(), version=0)


def test_a_removed_ledger_is_unwritable(written: Path) -> None:
    """`git clean` during an apply: a record in a deleted file would be lost with it."""
    with open_ledger(str(written)) as ledger:
        begin(ledger, a_call(2), version=1)
        written.unlink()
        with pytest.raises(Unwritable, match="removed or replaced"):
            begin(ledger, a_call(3), version=2)


def test_a_replaced_ledger_is_unwritable(written: Path) -> None:
    """The same when another file took its name."""
    with open_ledger(str(written)) as ledger:
        begin(ledger, a_call(2), version=1)
        copy = written.with_name("copy.db")
        copy.write_bytes(written.read_bytes())
        copy.replace(written)
        with pytest.raises(Unwritable, match="removed or replaced"):
            begin(ledger, a_call(3), version=2)


FULL_DISK = """
import sys
from reconciler.errors import Unwritable
from reconciler.ledger import open_ledger
from tests.ledger.calls_and_actors import a_call, begin
with open_ledger(sys.argv[1]) as ledger:
    try:
        for number in range(2, 2000):
            begin(ledger, a_call(number, rows=[f"row-{n}" for n in range(500)]), version=number - 1)
    except Unwritable as error:
        print(number, error.message)
"""


def test_a_full_disk_is_unwritable_and_loses_nothing(written: Path) -> None:
    """Every intent that returned is there, the one that failed is not."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(written)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=limit,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    failed = int(run.stdout.split()[0])
    assert "cannot be written" in run.stdout
    with open_ledger(str(written)) as ledger:
        assert len(ledger.recall([TABLE])[TABLE].calls) == failed - 1


def the_engine(url: str) -> Engine:
    """Return an engine on a store, which speaks of the schema as the program does."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    named = engine.dialect.name != "sqlite"
    return engine.execution_options(schema_translate_map={None: POSTGRES_SCHEMA}) if named else engine


def described(url: str) -> dict[str, Any]:
    """Return what a store says of its tables, also what Alembic does not compare."""
    schema = None if url.startswith("sqlite") else POSTGRES_SCHEMA
    with the_engine(url).connect() as connection:
        asked = inspect(connection)
        return {
            table: {
                "columns": {it["name"]: (it["nullable"], it["default"]) for it in asked.get_columns(table, schema)},
                "checks": {it["name"]: it["sqltext"] for it in asked.get_check_constraints(table, schema)},
                "key": asked.get_pk_constraint(table, schema)["constrained_columns"],
                "points": sorted(str(it["constrained_columns"]) for it in asked.get_foreign_keys(table, schema)),
                "indexes": {it["name"]: it["column_names"] for it in asked.get_indexes(table, schema)},
                "rows": connection.scalar(select(func.count()).select_from(Table(table, MetaData(), schema=schema))),
            }
            for table in asked.get_table_names(schema)
        }


def test_the_migrations_make_exactly_the_tables(tmp_path: Path, postgres_server: str) -> None:
    """On both stores, as a new ledger has them; and the newest migration's number is SCHEMA_VERSION."""
    new, migrated = (f"sqlite:///{tmp_path}/{name}.db" for name in ("new", "migrated"))
    new_there, migrated_there = (fresh_database(postgres_server) for _ in range(2))
    for address in (new, new_there):
        with open_ledger(address) as ledger:
            ledger.initialise()
    for old in (migrated, migrated_there):
        with the_engine(old).begin() as connection:
            if old == migrated_there:
                connection.exec_driver_sql(f"CREATE SCHEMA {POSTGRES_SCHEMA}")
            migrate.upgrade(connection)
    for address in (new, migrated, new_there, migrated_there):
        with the_engine(address).connect() as connection:
            if address.startswith("postgres"):
                connection.exec_driver_sql("SET search_path = reconciler")
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    for address, other in ((new, migrated), (new_there, migrated_there)):
        assert described(address) == described(other)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == f"{SCHEMA_VERSION:04}"
