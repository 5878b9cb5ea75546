"""Which schema a store has: whether there is a ledger in it, and whether this program knows it."""

from sqlalchemy import Connection, inspect, select

from reconciler.errors import Corrupt, TooNew
from reconciler.ledger.location import Location
from reconciler.ledger.store_errors import FROM_BACKUP
from reconciler.ledger.tables import POSTGRES_SCHEMA, SCHEMA_VERSION, meta
from reconciler.text.sanitize import one_line


def schema_of(connection: Connection, location: Location) -> int | None:
    """Return the schema version; None if there is no ledger. Raises Corrupt and TooNew."""
    is_sqlite = location.path is not None
    inspector = inspect(connection)
    if not inspector.has_table("meta", schema=None if is_sqlite else POSTGRES_SCHEMA):
        if is_sqlite and (others := inspector.get_table_names()):
            raise Corrupt(
                f"{location.shown} is a database of something else: it has a table `{one_line(others[0])}`",
                hint="Name another file with --ledger.",
            )
        return None
    try:
        version = int(connection.scalar(select(meta.c.value).where(meta.c.key == "schema")) or "")
    except ValueError:
        raise Corrupt(f"{location.shown} does not say which version of a ledger it is", hint=FROM_BACKUP) from None
    if version > SCHEMA_VERSION:
        raise TooNew(
            f"the ledger {location.shown} was written by a newer version of the program "
            f"(schema {version}; this one knows {SCHEMA_VERSION})",
            hint="Upgrade: pip install --upgrade extruct-reconciler.",
        )
    return version
