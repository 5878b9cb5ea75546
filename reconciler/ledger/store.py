"""The stores behind one interface: transactions, the clock, and what must be true of a store before it is used.

SQLite: a file in WAL mode, fully synchronous, write transactions begun IMMEDIATE. PostgreSQL: through psycopg, with
nothing that lives longer than a transaction (no prepared statements, session settings or session locks), so that it
works behind a pooling proxy. Whatever the server's default, a commit is on its disk before it returns.
"""

import importlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Executable,
    QueuePool,
    create_engine,
    event,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from reconciler.errors import Corrupt, LedgerError, SettingsError, TooNew, Unwritable
from reconciler.ledger.faults import FROM_BACKUP, translate
from reconciler.ledger.location import Location
from reconciler.ledger.tables import POSTGRES_SCHEMA, SCHEMA_VERSION, meta, metadata

Result = TypeVar("Result")

_POSTGRES_NOW = text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")
# One round trip at the start of a write. `true` makes each setting local to the transaction. A server that was told not
# to wait for its disk or its standbys' disks is told to wait; `remote_apply` is stronger and stays.
# A writer that is stopped within a transaction loses it, and its locks, before those who wait for them give up.
_POSTGRES_WRITE = text(
    "SELECT set_config('lock_timeout', :busy, true), set_config('idle_in_transaction_session_timeout', :idle, true), "
    "CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') "
    "THEN set_config('synchronous_commit', 'on', true) END"
)
_POSTGRES_INITIALISE_LOCK = text("SELECT pg_advisory_xact_lock(7263547112)")
_SCHEMA_EXISTS = text("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :name")
_UPGRADE_HINT = "Run `reconciler ledger init`."


class Transaction:
    """One transaction on a store; ends with the `read` or `write` that gave it."""

    def __init__(self, connection: Connection, clock: Callable[[], float] | None) -> None:
        self.connection = connection
        self._clock = clock

    def now(self) -> float:
        """Return the seconds since the epoch by the store's clock; ask after taking a lock, which may take time."""
        if self._clock is not None:
            return self._clock()
        if self.connection.dialect.name == "sqlite":
            # The library runs in this process: its `julianday('now')` is this very clock.
            return time.time()
        return float(self.connection.scalar(_POSTGRES_NOW) or 0.0)

    def execute(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Run one statement."""
        return self.connection.execute(statement, values)

    def stream(self, statement: Executable, rows: int) -> CursorResult[Any]:
        """Run a query whose answer may be larger than memory should hold: `rows` rows of it at a time."""
        return self.connection.execute(statement, execution_options={"yield_per": rows})


class Store:
    """A SQLite file or a PostgreSQL database. Usable from several threads."""

    def __init__(self, location: Location, *, clock: Callable[[], float] | None, busy_seconds: float) -> None:
        self.location = location
        self._clock = clock
        milliseconds = int(busy_seconds * 1000)
        self._patience = {"busy": f"{milliseconds}ms", "idle": f"{max(1000, milliseconds // 2)}ms"}
        self._engine = _engine(location, busy_seconds)
        self._is_sqlite = location.path is not None
        options = {} if self._is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = self._engine.execution_options(**options)
        # SQLite has one writer at a time and waits by polling; threads of this process queue up here instead.
        self._turn = threading.RLock()
        self._is_checked = False
        self._file: tuple[int, int] | None = None

    def close(self) -> None:
        """Give the connections back. The store is not used afterwards."""
        self._engine.dispose()

    def read(self, work: Callable[[Transaction], Result]) -> Result:
        """Run `work` on one consistent view; an SQLite ledger that does not exist reads as empty."""
        with self.reading() as transaction:
            return work(transaction)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Hold one consistent view open, for reading more than memory should hold."""
        with self._translated(writing=False):
            if self._is_missing():
                with _nothing() as connection:
                    yield Transaction(connection, self._clock)
                return
            with self._begin_read() as connection:
                if self._is_ready(connection):
                    yield Transaction(connection, self._clock)
                    return
            with _nothing() as connection:
                yield Transaction(connection, self._clock)

    def write(self, work: Callable[[Transaction], Result], *, repeatable: bool = False) -> Result:
        """Run `work` in one transaction, durable on return. Raises Unwritable.

        `repeatable` work may run twice with the same effect: it is tried once more when the connection was lost.
        """
        with self._translated(writing=True):
            self._prepare()
            try:
                return self._write(work)
            except DBAPIError as error:
                if not (repeatable and error.connection_invalidated):
                    raise
                return self._write(work)

    def initialise(self) -> None:
        """Create the ledger, or bring an older one up to date; nothing happens to one that is. Raises LedgerError."""
        with self._translated(writing=True), self._turn:
            if self.location.path is not None:
                _make_folder(self.location.path, self.location.shown)
            with self._begin_write() as connection:
                if not self._is_sqlite:
                    connection.execute(_POSTGRES_INITIALISE_LOCK)
                    if connection.execute(_SCHEMA_EXISTS, {"name": POSTGRES_SCHEMA}).first() is None:
                        connection.exec_driver_sql(f"CREATE SCHEMA {POSTGRES_SCHEMA}")
                version = self._version(connection)
                if version is None or version < SCHEMA_VERSION:
                    # Alembic takes longer to import than the rest of the ledger, and is needed once in a ledger's life.
                    importlib.import_module("reconciler.ledger.migrate").upgrade(connection)
            self._remember_file()
            self._is_checked = False
            with self._begin_read() as connection:
                self._is_ready(connection)
            if self._is_sqlite:
                self._use_wal()

    def _write(self, work: Callable[[Transaction], Result]) -> Result:
        if not self._is_sqlite:
            with self._begin_write() as connection:
                return work(Transaction(connection, self._clock))
        with self._turn:
            self._refuse_replaced_file()
            with self._begin_write() as connection:
                return work(Transaction(connection, self._clock))

    # SQLite's transactions are begun here and on the driver's connection: an event of the engine that did it would make
    # SQLAlchemy look for listeners at every statement, which took a fifth of the ledger's time.

    @contextmanager
    def _begin_read(self) -> Iterator[Connection]:
        with self._reader.begin() as connection:
            if self._is_sqlite:
                connection.connection.execute("BEGIN")
            yield connection

    @contextmanager
    def _begin_write(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            if self._is_sqlite:
                # A deferred transaction that reads before it writes fails as soon as another process writes in between.
                connection.connection.execute("BEGIN IMMEDIATE")
            else:
                connection.execute(_POSTGRES_WRITE, self._patience)
            yield connection

    def _prepare(self) -> None:
        """Make sure that there is a ledger to write into: an SQLite one is made here, a PostgreSQL one never."""
        if self._is_checked:
            return
        with self._turn:
            if self._is_missing():
                self.initialise()
                return
            with self._begin_read() as connection:
                is_ready = self._is_ready(connection)
            if not is_ready:
                self.initialise()

    def _is_missing(self) -> bool:
        path = self.location.path
        return not self._is_checked and path is not None and not path.exists()

    def _is_ready(self, connection: Connection) -> bool:
        """Say whether the store holds a ledger of this version; False: an empty SQLite file. Anything else raises."""
        if self._is_checked:
            return True
        version = self._version(connection)
        if version is None:
            if self._is_sqlite:
                return False
            raise LedgerError(f"there is no ledger yet at {self.location.shown}", hint=_UPGRADE_HINT)
        if version < SCHEMA_VERSION:
            raise LedgerError(
                f"the ledger {self.location.shown} was made by an older version of the program", hint=_UPGRADE_HINT
            )
        self._remember_file()
        self._is_checked = True
        return True

    def _version(self, connection: Connection) -> int | None:
        """Return the schema version; None where there is no ledger. Raises Corrupt and TooNew."""
        inspector = inspect(connection)
        if not inspector.has_table("meta", schema=None if self._is_sqlite else POSTGRES_SCHEMA):
            if self._is_sqlite and (others := inspector.get_table_names()):
                raise Corrupt(
                    f"{self.location.shown} is a database of something else: it has a table {others[0]!r}",
                    hint="Name another file with --ledger.",
                )
            return None
        try:
            version = int(connection.scalar(select(meta.c.value).where(meta.c.key == "schema")) or "")
        except ValueError:
            raise Corrupt(f"{self.location.shown} does not say which version of a ledger it is") from None
        if version > SCHEMA_VERSION:
            raise TooNew(
                f"the ledger {self.location.shown} was written by a newer version of the program "
                f"(schema {version}; this one knows {SCHEMA_VERSION})",
                hint="Upgrade: pip install --upgrade extruct-reconciler.",
            )
        return version

    def _remember_file(self) -> None:
        if self.location.path is not None:
            status = self.location.path.stat()
            self._file = (status.st_dev, status.st_ino)

    def _refuse_replaced_file(self) -> None:
        """A connection goes on writing into a file that was deleted, and the record would be lost with it."""
        assert self.location.path is not None
        try:
            status = self.location.path.stat()
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._file:
            raise Unwritable(
                f"the ledger {self.location.shown} was removed or replaced while it was in use",
                hint=FROM_BACKUP,
            )

    def _use_wal(self) -> None:
        # Not possible while another process is at work in the file; then it stays as durable and is only slower.
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            return
        finally:
            connection.close()

    @contextmanager
    def _translated(self, *, writing: bool) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise translate(error, self.location, writing=writing) from error
        except OSError as error:
            raise Unwritable(
                f"the ledger {self.location.shown} cannot be written: {error.strerror or error}",
                hint="Check its folder, or name another place with --ledger.",
            ) from error


def _engine(location: Location, busy_seconds: float) -> Engine:
    if location.path is not None:
        return _sqlite_engine(location.path, busy_seconds)
    assert location.url is not None
    arguments: dict[str, Any] = {"prepare_threshold": None}
    if "connect_timeout" not in location.url.query:
        arguments["connect_timeout"] = 10
    if "application_name" not in location.url.query:
        arguments["application_name"] = "extruct-reconciler"
    try:
        engine = create_engine(
            location.url,
            connect_args=arguments,
            isolation_level="READ COMMITTED",
            use_native_hstore=False,
            pool_size=4,
            max_overflow=28,
            pool_pre_ping=True,
            pool_timeout=busy_seconds,
            hide_parameters=True,
        )
    except ModuleNotFoundError:
        raise SettingsError(
            "a PostgreSQL ledger needs the driver psycopg", hint="pip install 'extruct-reconciler[postgres]'"
        ) from None
    return engine.execution_options(schema_translate_map={None: POSTGRES_SCHEMA})


def _sqlite_engine(path: Path, busy_seconds: float) -> Engine:
    # mode=rw: connecting must never create a file.
    uri = f"{path.as_uri()}?mode=rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False)

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, max_overflow=28, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _: object) -> None:
        # fullfsync: on macOS a plain fsync leaves the data in the disk's own cache; elsewhere it does nothing.
        for pragma in ("synchronous=FULL", "fullfsync=ON", "checkpoint_fullfsync=ON", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


@contextmanager
def _nothing() -> Iterator[Connection]:
    """An empty ledger in memory: what a ledger that does not exist reads as, without creating it."""
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            metadata.create_all(connection)
            yield connection
    finally:
        engine.dispose()


def _make_folder(path: Path, shown: str) -> None:
    """Create an SQLite ledger's folder and an empty file, both there after a power cut too."""
    folder = path.parent
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)
    ignore = folder / ".gitignore"
    if folder.name == ".reconciler" and not ignore.exists():
        ignore.write_text("# The ledger is this machine's memory, not part of the repository.\n*\n", encoding="utf-8")
    try:
        path.touch(exist_ok=True)
    except OSError as error:
        raise Unwritable(f"the ledger {shown} cannot be created: {error.strerror}") from error
    _sync(folder)


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
