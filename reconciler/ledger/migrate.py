"""Create or upgrade a store's tables with Alembic. Loaded only when that is needed: Alembic is slow to import.

A change of `tables.py` comes with a new file in `migrations/versions/`, and SCHEMA_VERSION grows to its number.
"""

import threading
import uuid
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, delete, insert, select

from reconciler.ledger.tables import LEDGER_ID, SCHEMA_VERSION, meta
from reconciler.version import __version__

# Alembic keeps the migration at work in module globals, so two threads cannot migrate two ledgers at once.
_one_at_a_time = threading.Lock()


def upgrade(connection: Connection) -> None:
    """Bring the tables to SCHEMA_VERSION within the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, "head")
    if connection.execute(select(meta.c.key).where(meta.c.key == LEDGER_ID)).first() is None:
        connection.execute(insert(meta), {"key": LEDGER_ID, "value": uuid.uuid4().hex})
    connection.execute(delete(meta).where(meta.c.key == "schema"))
    connection.execute(insert(meta), {"key": "schema", "value": str(SCHEMA_VERSION)})
    connection.execute(delete(meta).where(meta.c.key == "migrated_by"))
    connection.execute(insert(meta), {"key": "migrated_by", "value": __version__})
