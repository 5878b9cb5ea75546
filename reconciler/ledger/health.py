"""Whether a ledger can be used, and what in it waits for a person; nothing is recorded."""

from dataclasses import dataclass

from sqlalchemy import text

from reconciler.errors import LedgerError, Unwritable
from reconciler.ledger import leases, queries
from reconciler.ledger.store import Store, Transaction
from reconciler.ledger.tables import POSTGRES_SCHEMA
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallFilter

MOST_COUNTED = 1000
_MAY_INSERT = text(f"SELECT has_table_privilege('{POSTGRES_SCHEMA}.calls', 'INSERT')")


@dataclass(frozen=True, slots=True)
class Health:
    """A ledger that can be read."""

    now: float
    """Seconds since the epoch by the store's clock."""
    in_doubt: int
    """Calls that are in doubt, at most `MOST_COUNTED`; also those under way."""
    held_tables: int
    """Tables that an apply holds."""
    may_write: bool
    """False if the role may read alone, which is enough for plans."""
    write_error: LedgerError | None
    """Why nothing could be recorded now, if it could not."""


def examine(store: Store) -> Health:
    """Read the ledger, and begin a transaction for writing that writes nothing. Raises LedgerError.

    Not for an SQLite ledger that is not there: it would be created.
    """

    def look(tx: Transaction) -> Health:
        doubts = CallFilter(states=[CallState.IN_DOUBT, CallState.INTENT], limit=MOST_COUNTED)
        held = [lease for lease in leases.held(tx) if lease.remaining_seconds > 0]
        may_write = store.location.path is not None or bool(tx.connection.scalar(_MAY_INSERT))
        return Health(tx.now(), len(queries.listed(tx, doubts)), len(held), may_write, None)

    found = store.read(look)
    if not found.may_write:
        return found
    try:
        store.write(lambda _: None)
    except Unwritable as error:
        return Health(found.now, found.in_doubt, found.held_tables, found.may_write, error)
    return found
