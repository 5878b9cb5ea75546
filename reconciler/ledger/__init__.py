"""The ledger: what was intended, sent, paid for and resolved. The one door to SQLAlchemy and Alembic.

`open_ledger` gives a `Ledger` (`ledger.py`), whose methods each run one function in one transaction of a store
(`store.py`): `journal` writes what happens to calls, by the state machine in `call_states`, with a line in `events`;
`leases` says who may; `queries` and `spend_report` answer; `transfer` moves a ledger between stores. `checkpoints`
folds settled calls, and `archive` moves their trail into a file. `tables` and `migrations/` hold the schema, `codec`,
`extents` and `row_sets` the spelling of nouns in it, `store_errors` what a store's failures mean, `health`
whether it can be used.
"""

from reconciler.ledger.budget_windows import uses_of as budget_uses_of
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
    "budget_uses_of",
    "open_ledger",
]
