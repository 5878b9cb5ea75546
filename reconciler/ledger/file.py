"""The parts that only SQLite needs: the engine of a file in WAL mode, fully synchronous, and read-only files."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, event

from reconciler.errors import LedgerError, Unwritable
from reconciler.ledger import creation
from reconciler.ledger.location import Location
from reconciler.ledger.store_errors import FROM_BACKUP
from reconciler.text.codes import Code

_NEEDS_WRITING = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class Unlocked(sqlite3.Connection):
    """A connection that takes no locks and sees no change: to a file that this user may not write beside."""


class Identity:
    """Which file the ledger is in, from when it was first seen: a connection goes on writing into one that is gone."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._file: tuple[int, int] | None = None

    def remember(self) -> None:
        """Take what is there for the ledger."""
        if self._location.path is not None:
            status = self._location.path.stat()
            self._file = (status.st_dev, status.st_ino)

    def require(self) -> None:
        """Raise Unwritable if the file was deleted or replaced; the record would be lost with it."""
        assert self._location.path is not None
        try:
            status = self._location.path.stat()
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._file:
            raise Unwritable(
                f"the ledger {self._location.shown} was removed or replaced while it was in use", hint=FROM_BACKUP
            )


def engine_of(path: Path, busy_seconds: float) -> Engine:
    """Return an engine for a file, which it never creates."""
    engine = create_engine(
        "sqlite://",
        creator=lambda: _connect(path, busy_seconds),
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=28,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _: object) -> None:
        # fullfsync: on macOS a plain fsync leaves the data in the disk's own cache; elsewhere it does nothing.
        for pragma in ("synchronous=FULL", "fullfsync=ON", "checkpoint_fullfsync=ON", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


class Writer:
    """The connection that one thread at a time writes through, a new one after each failure.

    It is kept, because to take one from the pool takes longer than all that SQLite does to begin and to end.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Hold the connection and a transaction on it, with the lock of a writer."""
        connection, self._kept = self._kept or self._engine.connect(), None
        try:
            with connection.begin():
                # A deferred transaction that reads before it writes fails as soon as another process writes in between.
                connection.connection.execute("BEGIN IMMEDIATE")
                yield connection
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        self._kept = connection

    def close(self) -> None:
        """Give the connection back."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    if not _may(os.W_OK, path) and _may(os.R_OK, path) and not has_log(path):
        # SQLite would leave files of this user's beside it, which are in the way of whoever may write.
        return _open(path, "mode=ro&immutable=1", busy_seconds, Unlocked)
    # mode=rw: connecting must never create a file.
    connection = _open(path, "mode=rw", busy_seconds, sqlite3.Connection)
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        # In WAL mode a reader writes, too: into files beside the ledger, which is not allowed here.
        connection.close()
        if error.sqlite_errorcode & 0xFF not in _NEEDS_WRITING or has_log(path) or not _may(os.R_OK, path):
            raise
        return _open(path, "mode=ro&immutable=1", busy_seconds, Unlocked)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _open(path: Path, mode: str, busy_seconds: float, kind: type[sqlite3.Connection]) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?{mode}",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
        factory=kind,
    )


def _may(do: int, path: Path) -> bool:
    return os.access(path, do, effective_ids=os.access in os.supports_effective_ids)


def has_log(path: Path) -> bool:
    """Return True if changes are beside the file and not yet in it: a process is writing, or was killed."""
    logs = [path.with_name(f"{path.name}-{kind}") for kind in ("wal", "journal")]
    return any(log.exists() and log.stat().st_size > 0 for log in logs)


@contextmanager
def looked_at(path: Path, connection: Connection) -> Iterator[None]:
    """Read from `connection`, once if it is `Unlocked`. Raises LedgerError if the file changed in the meantime."""
    driver: object = connection.connection.dbapi_connection
    if not isinstance(driver, Unlocked):
        yield
        return
    # Not back into the pool: the next reader has to see what was written since.
    connection.detach()
    before = _state(path)
    yield
    if _state(path) != before:
        raise LedgerError(
            f"the ledger {path} was written to while it was read", hint="Try again.", code=Code.UNREADABLE_LEDGER
        )


def _state(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return (status.st_ino, status.st_size, status.st_mtime_ns, has_log(path))


def use_wal(engine: Engine) -> None:
    """Put a file into WAL mode, unless another process is at work in it: then it is as durable and only slower."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError:
        return
    finally:
        connection.close()


@contextmanager
def nothing() -> Iterator[Connection]:
    """An empty ledger in memory: what a ledger that does not exist reads as, without creating it."""
    with _in_memory().connect() as connection:
        for statement in creation.statements("sqlite"):
            connection.exec_driver_sql(statement)
        yield connection


@cache
def _in_memory() -> Engine:
    # Each connection is a store of its own; what SQLAlchemy has compiled is kept.
    return create_engine("sqlite://", poolclass=NullPool)


def make_folder(path: Path, shown: str) -> None:
    """Create an SQLite ledger's folder and an empty file, both there after a power cut too."""
    folder = path.parent
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)
    ignore = folder / ".gitignore"
    if folder.name == ".reconciler" and not ignore.exists():
        ignore.write_text("# The ledger is this machine's memory, not part of the repository.\n*\n", encoding="utf-8")
    try:
        path.touch(mode=0o600, exist_ok=True)  # SQLite gives the files beside it the same mode
    except OSError as error:
        hint = "Check its folder, or name another place with --ledger."
        raise Unwritable(f"the ledger {shown} cannot be created: {error.strerror}", hint=hint) from error
    _sync(folder)


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
