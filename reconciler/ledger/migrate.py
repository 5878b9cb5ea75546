"""Upgrade an older store's tables with Alembic. Loaded only when that is needed: Alembic is slow to import.

A change of `tables.py` comes with a new file in `migrations/versions/`, and SCHEMA_VERSION grows to its number.

Rewriting every call may take long, so an upgrade from before 0004 takes steps, each a transaction: 0003 makes room,
then the calls are rewritten some at a time, then 0004 drops what they leave behind, then 0005 sums what they spent.
What comes after only adds, so it is one step, and workers that know the tables as they were go on meanwhile. A step
that was cut off did nothing, and `ledger init` goes on where it stopped. In between no program works in the store:
to an older one it is too new, to this one too old.
"""

import json
import threading
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Column, Connection, MetaData, Row, Table, Text, bindparam, insert, select, update
from sqlalchemy.types import Double

from reconciler.errors import Leased
from reconciler.ledger import codec, leases, spent
from reconciler.ledger.creation import write_version
from reconciler.ledger.extents import Extent
from reconciler.ledger.store import Store, Transaction
from reconciler.ledger.tables import SCHEMA_VERSION, call_rows, meta, tables

ROOM_MADE = 3
"""The schema at which calls are rewritten."""
REWRITTEN = 4
"""The schema at which every call was, and what they spent is not summed yet."""
SUMMED = 5
"""The schema at which that is summed; those after it only add."""
SECONDS = 600.0
"""For a step that changes tables as a whole."""
_BATCH = 100
_LISTED = ("columns", "column_keys", "rows", "configs")

# Alembic keeps the migration at work in module globals, so two threads cannot migrate two ledgers at once.
_one_at_a_time = threading.Lock()

_calls = Table(
    "calls",
    MetaData(),
    *(Column(name, Text) for name in ("id", "table_id", "covered", "before", "shape", *_LISTED)),
    Column("settled_at", Double),
)
"""As ROOM_MADE has it: what is rewritten, and into what."""
_LEFT = (
    select(_calls).where(_calls.c.shape.is_(None), _calls.c.id > bindparam("after")).order_by(_calls.c.id).limit(_BATCH)
)
_REWRITE = update(_calls).where(_calls.c.id == bindparam("call_id"))


def upgrade(connection: Connection, schema: int = SCHEMA_VERSION) -> None:
    """Bring the tables to a schema within the connection's transaction; on the way no call is rewritten."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, f"{schema:04}")
    write_version(connection, schema)


def migrate(store: Store) -> None:
    """Bring a ledger of an older version up to date, or go on where that was cut off. Raises Leased, LedgerError."""
    store.step(make_room, SECONDS)
    is_done = False
    while not is_done:
        after: str | None = ""
        while after is not None:
            after = store.step(partial(rewrite, after=after), SECONDS)
        is_done = store.step(finish, SECONDS)
    store.step(count_spent, SECONDS)
    store.step(add_the_rest, SECONDS)


def make_room(tx: Transaction) -> None:
    """Take the first step, unless it was taken."""
    if _schema(tx) < ROOM_MADE:
        upgrade(tx.connection, ROOM_MADE)
        _refuse_leases(tx)


def rewrite(tx: Transaction, after: str) -> str | None:
    """Rewrite some calls, those with the next ids; return the last of these, None if there were none.

    Not under an apply that has begun since: it would try a call again as if it were still spelled the old way.
    """
    if _schema(tx) != ROOM_MADE:
        return None
    rows = tx.execute(_LEFT, {"after": after}).all()
    _refuse_leases(tx)
    for row in rows:
        try:
            extent = Extent.of_document({name: json.loads(row._mapping[name]) for name in ("covered", *_LISTED)})
            values = extent.values()
        except (ValueError, TypeError, LookupError) as error:
            raise codec.corrupt("call", row.id, error) from error
        extent.keep_shape(tx, row.table_id)
        tx.execute(insert(call_rows), {"call_id": row.id, **extent.rows_values(_marks(row))})
        tx.execute(_REWRITE, {"call_id": row.id, **dict.fromkeys((*_LISTED, "before"), ""), **values})
    return rows[-1].id if rows else None


def _marks(row: Row[Any]) -> str:
    # Once a call is settled nothing is judged by them.
    return str(row.before) if row.settled_at is None else "{}"


def finish(tx: Transaction) -> bool:
    """Drop what was rewritten; False if calls are left to rewrite, which a program at work since before has begun."""
    if _schema(tx) == ROOM_MADE:
        _refuse_leases(tx)
        if tx.execute(_LEFT, {"after": ""}).first() is not None:
            return False
        upgrade(tx.connection, REWRITTEN)
    return True


def count_spent(tx: Transaction) -> None:
    """Take the step after it: the sums of what was spent begin with the calls that are there; archived ones are not."""
    if _schema(tx) == REWRITTEN:
        _refuse_leases(tx)
        upgrade(tx.connection, SUMMED)
        spent.count_all(tx, _BATCH)


def add_the_rest(tx: Transaction) -> None:
    """Add what is new since: no program at work minds it."""
    if SUMMED <= _schema(tx) < SCHEMA_VERSION:
        upgrade(tx.connection)


def _schema(tx: Transaction) -> int:
    return int(tx.connection.scalar(select(meta.c.value).where(meta.c.key == "schema")) or 0)


def _refuse_leases(tx: Transaction) -> None:
    """Raise Leased while an apply is at work: it knows the tables as they were."""
    rows = tx.execute(select(tables).where(tables.c.owner.is_not(None)).with_for_update()).all()
    moment = tx.moment()
    held = [row for row in rows if leases.is_live(row, moment)]
    if held:
        raise Leased(leases.held_by(held, moment), hint="Run `reconciler ledger init` again once it has ended.")
