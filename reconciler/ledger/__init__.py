"""The ledger: what was intended, sent, paid for and resolved. The one door to SQLAlchemy and Alembic.

`open_ledger` gives a `Ledger` (`ledger.py`), whose methods each run one function in one transaction of a store
(`store.py`): `journal` writes what happens to calls, by the state machine in `transitions`, with a line in `events`;
`leases` says who may; `reading` and `spending` answer; `transfer` moves a ledger between stores. `tables` and
`migrations/` hold the schema, `codec` the spelling of nouns in it, `faults` what a store's failures mean.
"""

from reconciler.ledger.ledger import Ledger, open_ledger
from reconciler.model.ledger_entries import CallRecord, EventKind, EventRecord, Grouping, Lease, Loaded, SpendLine

__all__ = [
    "CallRecord",
    "EventKind",
    "EventRecord",
    "Grouping",
    "Lease",
    "Ledger",
    "Loaded",
    "SpendLine",
    "open_ledger",
]
