"""The balances that applies found, with the counts of the tables that they read."""

from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Select, Table, delete, insert, select

from reconciler.ledger import codec
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import balances, table_counts
from reconciler.model.balance import BalanceRecord, TableCounts


def note(tx: Transaction, found: BalanceRecord) -> None:
    """Keep what an apply found; what is there of that moment stays."""
    named = (balances.c.at == found.at) & (balances.c.plan_id == found.plan_id)
    if tx.execute(select(balances.c.at).where(named)).first() is None:
        key = {"at": found.at, "plan_id": found.plan_id}
        balance = {
            "organization": codec.storable_text(found.organization) or None,
            "available": None if found.available is None else f"{found.available:f}",
        }
        tx.execute(insert(balances), key | balance)
        counts = [key | asdict(each) for each in found.tables]
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
