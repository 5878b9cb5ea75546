"""The stores behind one interface: transactions, the clock, and what must be true of a store before it is used.

SQLite (`file.py`) or PostgreSQL (`server.py`); each operation has a deadline (`deadlines.py`). Write transactions of
SQLite are begun IMMEDIATE.
"""

import importlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, Executable
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from reconciler.errors import LedgerError, Unwritable
from reconciler.ledger import file, server
from reconciler.ledger.clocks import Boot, Moment
from reconciler.ledger.creation import create
from reconciler.ledger.deadlines import Deadlines, Operation, Silent
from reconciler.ledger.location import Location
from reconciler.ledger.schema import schema_of
from reconciler.ledger.store_errors import silent, translate
from reconciler.ledger.tables import POSTGRES_SCHEMA, SCHEMA_VERSION
from reconciler.text.codes import Code

Result = TypeVar("Result")

ANSWER_SECONDS = 30.0
"""How long any operation takes at most, however silent the store is."""

_UPGRADE_HINT = "Run `reconciler ledger init`."
_PORTION = 200
"""Lines of an export for which one deadline is."""

# What goes wrong below is told once, by an error of ours. Without a handler Python would print what the libraries log.
for _library in ("sqlalchemy", "alembic", "psycopg"):
    logging.getLogger(_library).addHandler(logging.NullHandler())


class Transaction:
    """One transaction on a store; ends with the `read` or `write` that gave it."""

    def __init__(self, store: "Store", connection: Connection) -> None:
        self.connection = connection
        self.is_on_sqlite = connection.dialect.name == "sqlite"
        self.driver: Any = connection.connection.dbapi_connection
        self._store = store

    def now(self) -> float:
        """Return the seconds since the epoch by the store's clock; ask after taking a lock, which may take time."""
        if self._store.clock is not None:
            return self._store.clock()
        # SQLite runs in this process: its `julianday('now')` is this very clock.
        return time.time() if self.is_on_sqlite else float(self.connection.scalar(server.NOW) or 0.0)

    def moment(self) -> Moment:
        """Return `now` beside the clock of this machine's boot."""
        return Moment.of(self.now(), self._store.boot)

    def execute(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Run one statement."""
        return self.connection.execute(statement, values)

    def stream(self, statement: Executable, rows: int) -> CursorResult[Any]:
        """Run a query whose answer may be larger than memory should hold: `rows` rows of it at a time."""
        return self.connection.execute(statement, execution_options={"yield_per": rows})

    def untimed(self, lines: Iterable[Result]) -> Iterator[Result]:
        """Yield what comes from elsewhere: the store has its time for each of them, and they have theirs."""
        source = iter(lines)
        server.let_idle(self.connection, server.IDLE_FOR_LINES)
        while True:
            with self._store.operation.untimed():
                line = next(source, None)
            if line is None:
                break
            yield line
        server.let_idle(self.connection, self._store.patience["idle"])


class Store:
    """A SQLite file or a PostgreSQL database. Usable from several threads."""

    def __init__(
        self,
        location: Location,
        *,
        clock: Callable[[], float] | None,
        busy_seconds: float,
        boot: Boot | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.location = location
        self.clock = clock
        self.boot = boot
        self.answer_seconds = answer_seconds
        self._busy_seconds = busy_seconds
        self.patience = server.settings(busy_seconds)
        self._deadlines = Deadlines(interrupted)
        self._is_sqlite = location.path is not None
        self._engine = self._connecting()
        options = {} if self._is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = self._engine.execution_options(**options)
        # SQLite has one writer at a time and waits by polling; threads of this process queue up here instead.
        self._turn = threading.RLock()
        self._is_checked = False
        self._file = file.Identity(location)
        self._writer = file.Writer(self._engine) if self._is_sqlite else None

    def _connecting(self) -> Engine:
        if self.location.path is not None:
            return file.engine_of(self.location.path, self._busy_seconds)
        return server.engine_of(self.location, self._busy_seconds, lambda: self._deadlines.current)

    def connect_arguments(self) -> dict[str, Any] | None:
        """Return what the driver is told to connect to a server, secrets included; None for a file."""
        if self.location.url is None:
            return None
        _, arguments = self._engine.dialect.create_connect_args(self.location.url)
        return dict(arguments)

    def close(self) -> None:
        """Give the connections back. The store is not used afterwards."""
        if self._writer is not None:
            self._writer.close()
        self._engine.dispose()
        self._deadlines.close()

    def is_there(self) -> bool:
        """Say whether an SQLite file holds a ledger; a server is not asked, and what cannot be told counts as one.

        A file alone is none: it may be empty, or a database without a table.
        """
        if not self._is_sqlite:
            return True

        def job() -> bool:
            if self._is_missing():
                return False
            with self._begin_read() as connection:
                return schema_of(connection, self.location) is not None

        try:
            return self._in_time(job, writing=False)
        except LedgerError:  # who opens it says what is wrong
            return True

    def read(self, work: Callable[[Transaction], Result]) -> Result:
        """Run `work` on one consistent view; an SQLite ledger that does not exist reads as empty."""

        def job() -> Result:
            with self._reading() as transaction:
                return work(transaction)

        return self._in_time(job, writing=False)

    def stream(self, work: Callable[[Transaction], Iterator[Result]]) -> Generator[Result, None, None]:
        """Yield what `work` yields from one consistent view held open: more than memory should hold."""

        def lines() -> Generator[Result, None, None]:
            with self._reading() as transaction:
                yield from work(transaction)

        source = lines()
        operation = Operation(self.answer_seconds)
        try:
            while portion := self._in_time(lambda: list(islice(source, _PORTION)), writing=False, operation=operation):
                yield from portion
                operation.go_on()
        finally:
            if not operation.is_given_up:
                self._in_time(source.close, writing=False, operation=operation)

    def write(
        self,
        work: Callable[[Transaction], Result],
        *,
        repeatable: bool = False,
        seconds: float | None = None,
        afresh: bool = False,
    ) -> Result:
        """Run `work` in one transaction, durable on return, within `seconds` if that is given. Raises Unwritable.

        `repeatable` work may run twice with the same effect: it is tried once more when the connection was lost.
        `afresh`: over a connection of its own, whatever has become of the others.
        """

        def job() -> Result:
            self._prepare()
            if afresh and not self._is_sqlite:  # whose writer takes a new one after each failure
                engine = self._connecting()
                try:
                    return self._write(work, engine)
                finally:
                    engine.dispose()
            try:
                return self._write(work)
            except DBAPIError as error:
                if not (repeatable and error.connection_invalidated):
                    raise
                return self._write(work)

        return self._in_time(job, writing=True, seconds=seconds)

    @property
    def operation(self) -> Operation:
        """The operation that the calling thread is at work on."""
        operation = self._deadlines.current
        assert operation is not None
        return operation

    def _in_time(
        self,
        job: Callable[[], Result],
        *,
        writing: bool,
        seconds: float | None = None,
        operation: Operation | None = None,
    ) -> Result:
        operation = operation or Operation(self.answer_seconds if seconds is None else seconds)

        def translated() -> Result:
            try:
                return job()
            except (SQLAlchemyError, sqlite3.Error, OSError) as error:
                raise self._translated(error, writing=writing) from error

        try:
            return self._deadlines.run(translated, operation)
        except Silent as error:
            raise silent(self.location, error.seconds, writing=writing) from None

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        if self._is_missing():
            with file.nothing() as connection:
                yield Transaction(self, connection)
            return
        with self._begin_read() as connection:
            if self._is_ready(connection):
                yield Transaction(self, connection)
                return
        with file.nothing() as connection:
            yield Transaction(self, connection)

    def initialise(self) -> None:
        """Create the ledger, or bring an older one up to date; nothing happens to one that is. Raises LedgerError."""
        is_older = self._in_time(self._initialise, writing=True)
        if is_older:
            # Alembic takes longer to import than the rest of the ledger, and is needed once in a ledger's life.
            importlib.import_module("reconciler.ledger.migrate").migrate(self)
            self._in_time(self._initialise, writing=True)

    def step(self, work: Callable[[Transaction], Result], seconds: float) -> Result:
        """Run one step of a migration in a transaction, within `seconds`, while no other process takes one."""

        def job() -> Result:
            with self._turn, self._begin_write() as connection:
                if not self._is_sqlite:
                    connection.execute(server.INITIALISE_LOCK)
                return work(Transaction(self, connection))

        return self._in_time(job, writing=True, seconds=seconds)

    def _initialise(self) -> bool:
        """Make what is not there; say whether what is there is older."""
        with self._turn:
            if self.location.path is not None:
                file.make_folder(self.location.path, self.location.shown)
            with self._begin_write() as connection:
                if not self._is_sqlite:
                    connection.execute(server.INITIALISE_LOCK)
                    if connection.execute(server.SCHEMA_EXISTS, {"name": POSTGRES_SCHEMA}).first() is None:
                        connection.exec_driver_sql(f"CREATE SCHEMA {POSTGRES_SCHEMA}")
                version = schema_of(connection, self.location)
                if version is None:
                    create(connection)
                elif version < SCHEMA_VERSION:
                    return True
            self._file.remember()
            self._is_checked = False
            with self._begin_read() as connection:
                self._is_ready(connection)
            if self._is_sqlite:
                file.use_wal(self._engine)
        return False

    def _write(self, work: Callable[[Transaction], Result], engine: Engine | None = None) -> Result:
        if not self._is_sqlite:
            with self._begin_write(engine) as connection:
                return work(Transaction(self, connection))
        with self._turn:
            self._file.require()
            with self._begin_write(engine) as connection:
                return work(Transaction(self, connection))

    # SQLite's transactions are begun here and on the driver's connection: an event of the engine that did it would make
    # SQLAlchemy look for listeners at every statement, which took a fifth of the ledger's time.

    @contextmanager
    def _begin_read(self) -> Iterator[Connection]:
        with self._connected(self._reader) as connection:
            path = self.location.path
            if path is None:
                server.begin_read(connection, self.patience)
                yield connection
                return
            with file.looked_at(path, connection):
                connection.connection.execute("BEGIN")
                yield connection

    @contextmanager
    def _begin_write(self, engine: Engine | None = None) -> Iterator[Connection]:
        if self._writer is not None:
            with self._writer.begin() as connection:
                yield connection
                self.operation.require()
            return
        with self._connected(engine or self._engine) as connection:
            server.begin_write(connection, self.patience, self.location.shown)
            yield connection

    @contextmanager
    def _connected(self, engine: Engine) -> Iterator[Connection]:
        """Hold a connection and a transaction on it; what has been given up is not committed."""
        operation = self.operation
        with engine.connect() as connection:
            try:
                with connection.begin():
                    yield connection
                    operation.require()
            finally:
                # Before the connection is given back: from then on it may be another operation's.
                operation.let_go()

    def _prepare(self) -> None:
        """Make sure that there is a ledger to write into: an SQLite one is made here, a PostgreSQL one never."""
        if self._is_checked:
            return
        with self._turn:
            if self._is_missing():
                self._initialise()
                return
            with self._begin_read() as connection:
                is_ready = self._is_ready(connection)
            if not is_ready:
                self._initialise()

    def _is_missing(self) -> bool:
        path = self.location.path
        return not self._is_checked and path is not None and not path.exists()

    def _is_ready(self, connection: Connection) -> bool:
        """Say whether the store holds a ledger of this version; False: an empty SQLite file. Anything else raises."""
        if self._is_checked:
            return True
        version = schema_of(connection, self.location)
        if version is None:
            if self._is_sqlite:
                return False
            message = f"there is no ledger yet at {self.location.shown}"
            raise LedgerError(message, hint=_UPGRADE_HINT, code=Code.NO_LEDGER)
        if version < SCHEMA_VERSION:
            message = f"the ledger {self.location.shown} was made by an older version of the program"
            raise LedgerError(message, hint=_UPGRADE_HINT, code=Code.NO_LEDGER)
        self._file.remember()
        self._is_checked = True
        return True

    def _translated(self, error: SQLAlchemyError | sqlite3.Error | OSError, *, writing: bool) -> LedgerError:
        if not isinstance(error, OSError):
            return translate(error, self.location, writing=writing, holder=lambda: server.lock_holder(self._reader))
        verb = "written" if writing else "read"
        return (Unwritable if writing else LedgerError)(
            f"the ledger {self.location.shown} cannot be {verb}: {error.strerror or error}",
            hint="Check its folder, or name another place with --ledger.",
        )
