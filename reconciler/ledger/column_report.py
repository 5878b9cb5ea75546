"""The sums of what was spent, by column; and the answers that running its cells again changed.

A call's price is the ledger's for all its columns together. Where their prices differ, its intent tells each; without
that, its cells cost the same. Which answers changed stands in the event of its settlement.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from reconciler.ledger import codec
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import calls, events
from reconciler.model.attempt import Yield
from reconciler.model.credits import Credits
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallRecord, ColumnYield, EventKind, SpendLine


@dataclass(slots=True)
class _Column:
    calls: int = 0
    cells: int = 0
    cost: Credits = field(default_factory=Credits)
    in_doubt_calls: int = 0
    in_doubt_cells: int = 0
    in_doubt_cost: Credits = field(default_factory=Credits)
    total: Yield | None = None
    rounds: dict[str, float] = field(default_factory=dict)
    """Plan id → when the first call of that apply began that ran cells again."""


def by_column(tx: Transaction, records: Iterable[CallRecord]) -> list[SpendLine]:
    """Return a line per `manifest/column`, by that; `records` are calls that may have been paid for. Raises Corrupt."""
    covered = {row.id: row.covered for row in tx.execute(select(calls.c.id, calls.c.covered))}
    told = _events(tx)
    found: defaultdict[str, _Column] = defaultdict(_Column)
    for record in records:
        intent, settled = told[record.id, EventKind.INTENT.value], told[record.id, EventKind.SETTLED.value]
        try:
            counts = _cells(record, covered.get(record.id) or "[]")
            prices = {column: _price(record, intent, column) for column in record.columns}
            yields = {column: (int(answers), int(changed)) for column, (answers, changed) in settled.items()}
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise codec.corrupt("call", record.id, error) from error
        for column, key in zip(record.columns, record.column_keys, strict=True):
            of = found[f"{record.manifest}/{key}"]
            _add(of, record, counts.get(column, 0), prices[column])
            if column in yields:
                answers, changed = yields[column]
                price = prices[column]
                one = Yield(answers, changed, None if price is None else price * answers)
                of.total = one if of.total is None else of.total + one
                of.rounds[record.plan_id] = min(record.begun_at, of.rounds.get(record.plan_id, record.begun_at))
    return [_line(key, found[key]) for key in sorted(found) if found[key].calls or found[key].in_doubt_calls]


def _events(tx: Transaction) -> defaultdict[tuple[str, str], Any]:
    """Return what intents say of prices, and settlements of answers, by call and kind; the newest that says it."""
    kinds = (EventKind.INTENT.value, EventKind.SETTLED.value)
    query = select(events.c.call_id, events.c.kind, events.c.detail).where(events.c.kind.in_(kinds))
    found: defaultdict[tuple[str, str], Any] = defaultdict(dict)
    for row in tx.stream(query.order_by(events.c.table_id, events.c.seq), 1000):
        detail = json.loads(row.detail)
        part = detail.get("prices" if row.kind == EventKind.INTENT.value else "yield")
        if part:
            found[row.call_id, row.kind] = part
    return found


def _cells(record: CallRecord, covered: str) -> dict[str, int]:
    """Return the due cells of each column."""
    places = json.loads(covered)
    if not places:
        return dict.fromkeys(record.columns, record.row_count)
    counts: dict[str, int] = {}
    for of_columns, of_rows in places:
        rows = record.row_count if of_rows is None else sum(length for _, length in of_rows)
        for at in of_columns:
            column = record.columns[at]
            counts[column] = counts.get(column, 0) + rows
    return counts


def _price(record: CallRecord, prices: dict[str, str | None], column: str) -> Decimal | None:
    if column in prices:
        return codec.price(prices[column])
    return None if record.credits is None or not record.cells else record.credits / record.cells


def _add(of: _Column, record: CallRecord, cells: int, price: Decimal | None) -> None:
    cost = Credits.at([(price, cells)])
    for _ in range(record.payments):
        of.calls, of.cells, of.cost = of.calls + 1, of.cells + cells, of.cost + cost
    if record.state is not CallState.ACCEPTED:
        of.in_doubt_calls, of.in_doubt_cells = of.in_doubt_calls + 1, of.in_doubt_cells + cells
        of.in_doubt_cost += cost


def _line(key: str, of: _Column) -> SpendLine:
    times = sorted(of.rounds.values())
    between = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else None
    found = None if of.total is None else ColumnYield(of.total, len(times), between)
    return SpendLine(key, of.calls, of.cells, of.cost, of.in_doubt_calls, of.in_doubt_cells, of.in_doubt_cost, found)
