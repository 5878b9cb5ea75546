"""The parts that only PostgreSQL needs: the engine, how its transactions begin, and who holds a lock.

Through psycopg, with nothing that lives longer than a transaction (no prepared statements, session settings or session
locks), so that it works behind a pooling proxy. Whatever the server's default, a commit is on its disk before it
returns.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import InvalidatePoolError, SQLAlchemyError

from reconciler.errors import SettingsError, Unwritable
from reconciler.ledger.deadlines import Operation
from reconciler.ledger.location import Location
from reconciler.ledger.tables import POSTGRES_SCHEMA
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

NOW = text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")
INITIALISE_LOCK = text("SELECT pg_advisory_xact_lock(7263547112)")
SCHEMA_EXISTS = text("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :name")

# One round trip at the start of a transaction. `true` makes each setting local to it. A server that was told not to
# wait for its disk or its standbys' disks is told to wait; `remote_apply` is stronger and stays.
# The driver says READ WRITE of transactions on a connection that was once used for reading, which a server's default of
# taking no writes does not forbid: it is asked for, so that it holds for all connections or none.
# A writer that is stopped within a transaction loses it, and its locks, before those who wait for them give up.
_WRITE = text(
    "SELECT 'on' IN (current_setting('transaction_read_only'), current_setting('default_transaction_read_only')) "
    "AS is_read_only, set_config('lock_timeout', :busy, true), "
    "set_config('idle_in_transaction_session_timeout', :idle, true), "
    "CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') "
    "THEN set_config('synchronous_commit', 'on', true) END"
)
_IDLE = text("SELECT set_config('idle_in_transaction_session_timeout', :idle, true)")
IDLE_FOR_LINES = "600s"
"""How long a transaction may wait for a line from elsewhere: a large plan on a busy machine, a pipe."""
_READ = text("SELECT set_config('lock_timeout', :busy, true)")
# Everyone at work in the ledger holds some lock; whoever is in the way has been there the longest.
_HOLDERS = text(
    "SELECT pid, usename, application_name, to_char(xact_start AT TIME ZONE 'UTC', 'HH24:MI:SS') AS since "
    "FROM pg_catalog.pg_stat_activity WHERE pid <> pg_backend_pid() AND pid IN ("
    "SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_database d ON d.oid = l.database "
    "WHERE l.granted AND n.nspname = :name AND d.datname = current_database()) "
    "ORDER BY xact_start NULLS LAST LIMIT 1"
)


def engine_of(location: Location, busy_seconds: float, current: Callable[[], Operation | None]) -> Engine:
    """Return an engine for a server; `current` is the operation that the calling thread is at work on."""
    assert location.url is not None
    # A database in SQL_ASCII, which `initdb` makes without a locale, would answer with bytes.
    arguments: dict[str, Any] = {"prepare_threshold": None, "client_encoding": "utf8"}
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
            pool_size=location.connections,
            max_overflow=0,
            pool_timeout=busy_seconds,
            hide_parameters=True,
        )
    except ModuleNotFoundError:
        raise SettingsError(
            "a PostgreSQL ledger needs the driver psycopg",
            hint="pip install 'extruct-reconciler[postgres]'",
            code=Code.UNUSABLE_LEDGER,
        ) from None

    def hold(connection: Any, *_: object) -> None:
        operation = current()
        if operation is not None:
            operation.holds(connection)

    def check(connection: Any, *_: object) -> None:
        hold(connection)
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            # The server or a proxy has closed what was idle: then all of them.
            raise InvalidatePoolError from error

    def close(context: ExceptionContext) -> None:
        if context.is_disconnect and context.execution_context is not None:
            # SQLAlchemy leaves the cursor open, and the driver warns of that.
            with suppress(engine.dialect.loaded_dbapi.Error):
                context.execution_context.cursor.close()

    # Before SQLAlchemy's own listener, which asks a new connection about the server.
    event.listen(engine, "connect", hold, insert=True)
    # Instead of the pool's own ping, which an operation could not be given up at.
    event.listen(engine, "checkout", check)
    event.listen(engine, "handle_error", close)
    return engine.execution_options(schema_translate_map={None: POSTGRES_SCHEMA})


def settings(busy_seconds: float) -> dict[str, str]:
    """Return what `begin_write` and `begin_read` set for their transaction."""
    milliseconds = int(busy_seconds * 1000)
    return {"busy": f"{milliseconds}ms", "idle": f"{max(1000, milliseconds // 2)}ms"}


def begin_write(connection: Connection, patience: dict[str, str], shown: str) -> None:
    """Prepare a new transaction for writing. Raises Unwritable before anything is written if the server takes none."""
    if connection.execute(_WRITE, patience).one().is_read_only:
        raise Unwritable(
            f"the ledger {shown} cannot be written: its server takes no writes (transaction_read_only is on)",
            hint="Name the primary server if this is a standby; else have `default_transaction_read_only` turned off.",
        )


def let_idle(connection: Connection, idle: str) -> None:
    """Let a server, if it is one, end the transaction once nothing was asked of it for so long."""
    if connection.dialect.name != "sqlite":
        connection.execute(_IDLE, {"idle": idle})


def begin_read(connection: Connection, patience: dict[str, str]) -> None:
    """Let a new transaction wait for no lock longer than a writer does."""
    connection.execute(_READ, patience)


def lock_holder(engine: Engine) -> tuple[str, int]:
    """Return, in words, the session that is longest at work in the ledger, and its process id; empty: not known."""
    try:
        with engine.connect() as connection:
            row = connection.execute(_HOLDERS, {"name": POSTGRES_SCHEMA}).first()
    except SQLAlchemyError:
        return "", 0
    if row is None:
        return "", 0
    program = f", {one_line(row.application_name)}" if row.application_name else ""
    since = f", since {row.since} UTC" if row.since else ""
    return f"held by process {row.pid} of the server (user {one_line(str(row.usename))}{program}{since})", row.pid
