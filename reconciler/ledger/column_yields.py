"""The answers that running cells again changed, by column: settlements say it in their events.

A call's price is the ledger's for all its columns together. Where their prices differ, its intent tells each; without
that, its cells cost the same.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from sqlalchemy import select

from reconciler.ledger import codec
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import calls, events
from reconciler.model.attempt import Yield
from reconciler.model.ledger_entries import CallRecord, ColumnYield, EventKind

Told: TypeAlias = dict[tuple[str, str], Any]
"""By call and kind of event, what intents say of prices and settlements of answers."""
_INTENT, _SETTLED = EventKind.INTENT.value, EventKind.SETTLED.value
_PARTS = {_INTENT: "prices", _SETTLED: "yield"}


def keep_told(told: Told, call_id: str, kind: str, detail: Mapping[str, Any]) -> None:
    """Keep what an event tells; of several the last."""
    part = detail.get(_PARTS.get(kind, ""))
    if part:
        told[call_id, kind] = part


def column_yields(
    tx: Transaction, records: Iterable[CallRecord], archived: Told, since: float | None
) -> dict[str, ColumnYield]:
    """Return by column id what calls changed, as far as the ledger or archives tell. Raises Corrupt.

    None of the calls began before `since`.
    """
    told = archived | _events(tx, since)
    totals: dict[str, Yield] = {}
    rounds: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for record in records:
        prices = told.get((record.id, _INTENT), {})
        try:
            for column, (answers, changed) in told.get((record.id, _SETTLED), {}).items():
                price = _price(record, prices, column)
                one = Yield(int(answers), int(changed), None if price is None else price * answers)
                totals[column] = totals[column] + one if column in totals else one
                began = rounds[column].get(record.plan_id, record.begun_at)
                rounds[column][record.plan_id] = min(began, record.begun_at)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise codec.corrupt("call", record.id, error) from error
    return {column: _of(total, sorted(rounds[column].values())) for column, total in totals.items()}


def _of(total: Yield, times: list[float]) -> ColumnYield:
    between = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else None
    return ColumnYield(total, len(times), between)


def _events(tx: Transaction, since: float | None) -> Told:
    query = select(events.c.call_id, events.c.kind, events.c.detail).where(events.c.kind.in_(_PARTS))
    if since is not None:
        query = query.where(events.c.call_id.in_(select(calls.c.id).where(calls.c.begun_at >= since)))
    found: Told = {}
    with tx.stream(query.order_by(events.c.table_id, events.c.seq), 1000) as rows:
        for row in rows:
            keep_told(found, row.call_id, row.kind, json.loads(row.detail))
    return found


def _price(record: CallRecord, prices: dict[str, str | None], column: str) -> Decimal | None:
    if column in prices:
        return codec.price(prices[column])
    return None if record.credits is None or not record.cells else record.credits / record.cells
