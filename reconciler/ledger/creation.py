"""Create a new store's tables as they are today, without the migrations that once led there.

Alembic, which takes longer to import than the rest of the ledger, is not loaded; its version is written, so that later
migrations begin here. The tests compare what is made with what the migrations make.
"""

import uuid
from functools import cache

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert, select
from sqlalchemy.dialects import registry
from sqlalchemy.schema import CreateIndex, CreateTable

from reconciler.ledger.tables import CALLS_OPEN, LEDGER_ID, OPEN_CALL, POSTGRES_SCHEMA, SCHEMA_VERSION, meta, metadata
from reconciler.version import __version__

_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Alembic's own table."""


def create(connection: Connection) -> None:
    """Make the tables within the connection's transaction. They must not be there."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"SET LOCAL search_path TO {POSTGRES_SCHEMA}")
    for statement in statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
    connection.execute(insert(_version), {"version_num": f"{SCHEMA_VERSION:04}"})
    write_version(connection, SCHEMA_VERSION)


@cache
def statements(dialect: str) -> tuple[str, ...]:
    """Return the statements that make the tables, in a dialect of SQLAlchemy's."""
    spoken = registry.load(dialect)()
    CALLS_OPEN.dialect_options[dialect]["where"] = OPEN_CALL
    indexes = [index for table in metadata.sorted_tables for index in table.indexes]
    made: list[CreateTable | CreateIndex] = [CreateTable(table) for table in (*metadata.sorted_tables, _version)]
    made += map(CreateIndex, sorted(indexes, key=lambda index: str(index.name)))
    return tuple(str(statement.compile(dialect=spoken)) for statement in made)


def write_version(connection: Connection, schema: int) -> None:
    """Write in `meta` which schema the store has now and who made it; one without an identity gets one."""
    if connection.execute(select(meta.c.key).where(meta.c.key == LEDGER_ID)).first() is None:
        connection.execute(insert(meta), {"key": LEDGER_ID, "value": uuid.uuid4().hex})
    connection.execute(delete(meta).where(meta.c.key.in_(["schema", "migrated_by"])))
    connection.execute(insert(meta), {"key": "schema", "value": str(schema)})
    connection.execute(insert(meta), {"key": "migrated_by", "value": __version__})
