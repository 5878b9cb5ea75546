"""The balances that applies found, with the counts of the tables that they read."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Select, Table, delete, insert, select

from reconciler.ledger import codec
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import balances, table_counts
from reconciler.model.account import Account
from reconciler.model.balance import BalanceRecord, TableCounts


def note(
    tx: Transaction, plan_id: str, account: Account, age_seconds: float, tables: Iterable[TableCounts] = ()
) -> None:
    """Keep the balance and tables that an apply of a plan found so long ago; what is there of that moment stays."""
    at = tx.now() - age_seconds
    named = (balances.c.at == at) & (balances.c.plan_id == plan_id)
    if tx.execute(select(balances.c.at).where(named)).first() is None:
        found = {
            "organization": codec.storable_text(account.organization_id) or None,
            "available": None if account.available is None else f"{account.available:f}",
        }
        tx.execute(insert(balances), {"at": at, "plan_id": plan_id, **found})
        counts = [{"at": at, "plan_id": plan_id, **asdict(each)} for each in tables]
        if counts:
            tx.execute(insert(table_counts), counts)


def listed(tx: Transaction, since: float | None, until: float | None) -> list[BalanceRecord]:
    """Return the balances of a time, in its order; `until` is exclusive."""
    counts: dict[tuple[float, str], list[TableCounts]] = {}
    for row in tx.execute(_of_time(table_counts, since, until)):
        found = TableCounts(*(row._mapping[field.name] for field in fields(TableCounts)))
        counts.setdefault((row.at, row.plan_id), []).append(found)
    return [
        BalanceRecord(
            row.at,
            codec.price(row.available),
            row.organization or "",
            row.plan_id,
            tuple(counts.get((row.at, row.plan_id), ())),
        )
        for row in tx.execute(_of_time(balances, since, until))
    ]


def forget(tx: Transaction, before: float) -> None:
    """Delete those of before a time; none is added later to a time that is over."""
    for table in (table_counts, balances):
        tx.execute(delete(table).where(table.c.at < before))


def _of_time(table: Table, since: float | None, until: float | None) -> Select[tuple[Any, ...]]:
    query = select(table).order_by(*table.primary_key.columns)
    if since is not None:
        query = query.where(table.c.at >= since)
    if until is not None:
        query = query.where(table.c.at < until)
    return query
