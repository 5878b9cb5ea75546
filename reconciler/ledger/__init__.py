"""The ledger: what was intended, sent, paid for and resolved. The one door to SQLAlchemy and Alembic.

`open_ledger` gives a `Ledger` (`ledger.py`), whose methods each run one function in one transaction of a store
(`store.py`): `journal` writes what happens to calls, by the state machine in `call_states`, with a line in `events`;
`leases` says who may; `queries` and `spend_report` answer; `transfer` moves a ledger between stores. `checkpoints`
folds settled calls, and `archive` moves their trail into a file. `tables` and `migrations/` hold the schema, `codec`,
`extents` and `row_sets` the spelling of nouns in it, `store_errors` what a store's failures mean, `health`
whether it can be used.

What needs SQLAlchemy is loaded when it is first used: a plan from a snapshot has no ledger, and of a file that is not
there it only needs to know that (`no_ledger`).
"""

from typing import TYPE_CHECKING

from reconciler.ledger.no_ledger import NoLedger, Recalls, no_ledger_at
from reconciler.model.ledger_entries import CallRecord, EventKind, EventRecord, Grouping, Lease, Loaded, SpendLine

if TYPE_CHECKING:
    from reconciler.ledger.budget_windows import budget_uses_of
    from reconciler.ledger.ledger import Ledger, open_ledger
else:
    _HOMES = {"Ledger": "ledger", "open_ledger": "ledger", "budget_uses_of": "budget_windows"}

    def __getattr__(name: str) -> object:
        """Load a name when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f"module 'reconciler.ledger' has no attribute {name!r}")
        globals()[name] = found = getattr(__import__(f"reconciler.ledger.{_HOMES[name]}", fromlist=[name]), name)
        return found


__all__ = [
    "CallRecord",
    "EventKind",
    "EventRecord",
    "Grouping",
    "Lease",
    "Ledger",
    "Loaded",
    "NoLedger",
    "Recalls",
    "SpendLine",
    "budget_uses_of",
    "no_ledger_at",
    "open_ledger",
]
