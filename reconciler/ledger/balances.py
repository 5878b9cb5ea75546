"""The balances that applies found."""

from sqlalchemy import insert, select

from reconciler.ledger import codec
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import balances
from reconciler.model.account import Account
from reconciler.model.balance import BalanceRecord


def note(tx: Transaction, plan_id: str, account: Account, age_seconds: float) -> None:
    """Keep the balance that an apply of a plan found so long ago; what is there of that moment stays."""
    at = tx.now() - age_seconds
    named = (balances.c.at == at) & (balances.c.plan_id == plan_id)
    if tx.execute(select(balances.c.at).where(named)).first() is None:
        found = {
            "organization": codec.storable_text(account.organization_id) or None,
            "available": None if account.available is None else f"{account.available:f}",
        }
        tx.execute(insert(balances), {"at": at, "plan_id": plan_id, **found})


def listed(tx: Transaction, since: float | None, until: float | None) -> list[BalanceRecord]:
    """Return the balances of a time, in its order; `until` is exclusive."""
    query = select(balances).order_by(balances.c.at, balances.c.plan_id)
    if since is not None:
        query = query.where(balances.c.at >= since)
    if until is not None:
        query = query.where(balances.c.at < until)
    return [
        BalanceRecord(row.at, codec.price(row.available), row.organization or "", row.plan_id)
        for row in tx.execute(query)
    ]
