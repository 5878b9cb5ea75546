"""Sums of spending, kept up to date with every call: budgets and anomalies read them, never each call.

Every change of a call changes the sums in the same transaction, in the quarter of an hour in which its last attempt
began. Quarters, because the midnight of every time zone is the start of one: a window's sum is that of its quarters,
whatever the zone, and nothing has to be reset when it ends. A call counts from its intent on, while it is in doubt too,
and gives back once it is known not to have landed.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_UP, Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Label, Row, Table, bindparam, func, insert, select

from reconciler.ledger import codec
from reconciler.ledger.prepared import Prepared, inserting
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import LEDGER_ID, calls, meta, spent, spent_totals
from reconciler.model.budget import Charge, RecentSums, Spent
from reconciler.model.history import CallState
from reconciler.text.digest import short_digest

QUARTER_SECONDS = 900
MILLIONTHS = Decimal(1_000_000)
_MOST = 10**16
"""Of one call: whatever an API says that it took, its outcome can be recorded."""
_LONGEST_SCOPE = 300
"""Characters; an index of PostgreSQL takes only so many."""
_STATES = (calls.c.state, calls.c.payments, calls.c.begun_at, calls.c.cells, calls.c.requested_cells)
OF_CALL = (
    *_STATES,
    calls.c.table_id,
    calls.c.plan_id,
    calls.c.address,
    calls.c.credits,
    calls.c.labels,
    calls.c.counted,
)
"""The columns that `amount_of` and `heap_of` read."""
_SUMS = ("cells", "credits", "unpriced_cells")


class Amount(NamedTuple):
    """A sum as it is stored, which may be given back."""

    cells: int = 0
    credits: int = 0
    """Millionths."""
    unpriced_cells: int = 0

    def less(self, other: "Amount") -> "Amount":
        """Return the difference."""
        return Amount(*(mine - its for mine, its in zip(self, other, strict=True)))


class Heap(NamedTuple):
    """Calls that are summed together: one row of `spent`."""

    table_id: str
    quarter: int
    plan_id: str
    manifest: str
    labels: tuple[str, ...]

    @property
    def scopes(self) -> list[str]:
        """The totals that it is in, in the order in which they are locked."""
        return sorted({"", *map(scope_of, self.labels)})

    def key(self) -> dict[str, Any]:
        """Return the columns of `spent` that name it."""
        digest, words = _named(self.plan_id, self.manifest, self.labels)
        named = {"plan_id": self.plan_id, "manifest": self.manifest, "words": words}
        return {"table_id": self.table_id, "quarter": self.quarter, "id": digest, **named}


# Calls of one apply that are summed together say the same again and again, while others wait for the ledger.


@lru_cache
def _named(plan_id: str, manifest: str, labels: tuple[str, ...]) -> tuple[str, str]:
    """Return the `id` and the `words` of a row of `spent`."""
    return short_digest([plan_id, manifest, list(labels)]), codec.encode(list(labels))


@lru_cache
def _words_of(labels: str) -> tuple[str, ...]:
    return tuple(sorted(f"{key}={value}" for key, value in json.loads(labels).items()))


def _adding(table: Table) -> Prepared:
    """Return the statement that adds to a row of a table, or makes it."""
    more = ", ".join(f"{each} = mine.{each} + excluded.{each}" for each in _SUMS)
    return inserting(table, [column.name for column in table.c], f"UPDATE SET {more}")


_ADD = _adding(spent)
_ADD_TOTAL = _adding(spent_totals)
_LOCK = select(meta.c.key).where(meta.c.key == LEDGER_ID).with_for_update()


def _sums_of(table: Table) -> list[Label[Any]]:
    return [func.coalesce(func.sum(table.c[each]), 0).label(each) for each in _SUMS]


_SUM_OF_TABLE = select(*_sums_of(spent)).where(
    spent.c.table_id == bindparam("of"), spent.c.quarter >= bindparam("since")
)
_SUM_OF_SCOPE = select(*_sums_of(spent_totals)).where(
    spent_totals.c.scope == bindparam("of"), spent_totals.c.quarter >= bindparam("since")
)
_SUM_OF_PLAN = select(*_sums_of(spent)).where(
    spent.c.manifest == bindparam("of"), spent.c.plan_id == bindparam("under")
)
_NEWEST = (
    select(spent.c.plan_id, spent.c.cells, spent.c.credits)
    .where(spent.c.manifest == bindparam("of"), spent.c.plan_id != bindparam("without"))
    .order_by(spent.c.quarter.desc())
    .execution_options(yield_per=10)
)


def scope_of(label: str) -> str:
    """Return the name of a label's totals; the empty one is that of all calls."""
    label = codec.storable_text(label)
    return label if len(label) <= _LONGEST_SCOPE else short_digest(label)


def quarter_of(seconds: float) -> int:
    """Return the quarter of an hour, counted from the epoch, that a time is in."""
    return int(seconds // QUARTER_SECONDS)


def charge_value(charge: Charge | None) -> str | None:
    """Return what is stored of what a call counts, if it differs from what the call says."""
    if charge is None:
        return None
    credits_ = None if charge.credits is None else str(charge.credits)
    return codec.encode({"credits": credits_, "labels": list(charge.labels)})


def charge_of(value: str) -> Charge:
    """Return what `charge_value` was given. Raises as bad data does."""
    counted = json.loads(value)
    price = codec.price(counted["credits"])
    if price is not None and not price.is_finite():
        raise ValueError("its credits are not a number")
    return Charge(price, tuple(map(str, counted["labels"])))


def heap_of(row: Row[Any] | Mapping[Any, Any]) -> Heap:
    """Return what a call, given by the columns of `OF_CALL`, is summed with."""
    of = row if isinstance(row, Mapping) else row._mapping
    manifest = of["address"].partition("/")[0]
    return Heap(of["table_id"], quarter_of(of["begun_at"]), of["plan_id"], manifest, _charge(of).labels)


def kept(values: Mapping[str, Any]) -> tuple[Heap, Amount]:
    """Return what columns of `spent` hold."""
    labels = tuple(json.loads(values["words"]))
    heap = Heap(values["table_id"], values["quarter"], values["plan_id"], values["manifest"], labels)
    return heap, Amount(*(values[each] for each in _SUMS))


def amount_of(row: Row[Any] | Mapping[Any, Any]) -> Amount:
    """Return what a call counts: once for each payment, and once while it is not known whether it was paid for.

    Cells that the API took beyond those asked for count too, at the call's own average price, rounded up.
    """
    of = row if isinstance(row, Mapping) else row._mapping
    times = of["payments"] + (of["state"] in (CallState.INTENT, CallState.IN_DOUBT))
    if not times:
        return Amount()
    cells, price = of["cells"], _charge(of).credits
    beyond = max(0, (of["requested_cells"] or 0) - cells) if of["payments"] else 0
    total = min(_MOST, times * cells + beyond)
    if price is None:
        return Amount(total, 0, total)
    cost = price * times if not beyond else price * total / max(1, cells)
    return Amount(total, min(_MOST, int((cost * MILLIONTHS).to_integral_value(ROUND_UP))), 0)


def _charge(of: Mapping[Any, Any]) -> Charge:
    if of["counted"] is not None:
        return charge_of(of["counted"])
    return Charge(codec.price(of["credits"]), _words_of(of["labels"]))


def move(tx: Transaction, before: Mapping[Any, Any], after: Mapping[Any, Any]) -> None:
    """Change the sums by what a call counts `after` a change of it, less what it did before."""
    change = amount_of(after).less(amount_of(before))
    if any(change):
        add(tx, [(heap_of(after), change)])


def add(tx: Transaction, amounts: Iterable[tuple[Heap, Amount]]) -> None:
    """Add to the sums. The rows of the tables are locked, or the store is this transaction's alone."""
    listed = list(amounts)
    if listed:
        _ADD.run_each(tx, [{**heap.key(), **amount._asdict()} for heap, amount in listed])
        add_totals(tx, listed)


def add_totals(tx: Transaction, amounts: Iterable[tuple[Heap, Amount]]) -> None:
    """Add to the totals what was added to `spent`; each row once, and always in one order."""
    totals: dict[tuple[str, int], Amount] = {}
    for heap, amount in amounts:
        for scope in heap.scopes:
            before = totals.get((scope, heap.quarter))
            after = amount if before is None else Amount(*map(sum, zip(before, amount, strict=True)))
            totals[scope, heap.quarter] = after
    rows = [
        {"scope": scope, "quarter": quarter, **totals[scope, quarter]._asdict()} for scope, quarter in sorted(totals)
    ]
    if rows:
        _ADD_TOTAL.run_each(tx, rows)


def count_all(tx: Transaction, batch: int) -> None:
    """Make the sums from the calls that are there."""
    heaps: dict[Heap, Amount] = {}
    for row in tx.stream(select(*OF_CALL), batch):
        amount = amount_of(row)
        if any(amount):
            heap = heap_of(row)
            heaps[heap] = Amount(*map(sum, zip(heaps.get(heap, Amount()), amount, strict=True)))
    ordered = sorted(heaps.items())
    for start in range(0, len(ordered), batch):
        tx.execute(
            insert(spent), [{**heap.key(), **amount._asdict()} for heap, amount in ordered[start : start + batch]]
        )
    add_totals(tx, ordered)


def lock(tx: Transaction) -> None:
    """Let no other intent with a budget be recorded until this transaction ends: each sees all that came before it."""
    tx.execute(_LOCK)


def of_table(tx: Transaction, table_id: str, since: float) -> Spent:
    """Return what was spent on a table since the beginning of a window."""
    return _spent(tx.execute(_SUM_OF_TABLE, {"of": table_id, "since": quarter_of(since)}).one())


def of_scope(tx: Transaction, label: str, since: float) -> Spent:
    """Return what calls with a label spent since the beginning of a window, or all calls if it is empty."""
    return _spent(tx.execute(_SUM_OF_SCOPE, {"of": scope_of(label), "since": quarter_of(since)}).one())


def of_plan(tx: Transaction, manifest: str, plan_id: str) -> Spent:
    """Return what a manifest's calls under a plan came to, wherever they were sent from."""
    return _spent(tx.execute(_SUM_OF_PLAN, {"of": manifest, "under": plan_id}).one())


def of_tables(tx: Transaction, table_ids: Collection[str], since: float, batch: int) -> dict[str, Spent]:
    """Return what was spent on each of several tables; those without a sum are left out."""
    found: dict[str, Spent] = {}
    wanted: Sequence[str] = sorted(table_ids)
    for start in range(0, len(wanted), batch):
        query = (
            select(spent.c.table_id, *_sums_of(spent))
            .where(spent.c.table_id.in_(wanted[start : start + batch]), spent.c.quarter >= quarter_of(since))
            .group_by(spent.c.table_id)
        )
        found |= {row.table_id: _spent(row) for row in tx.execute(query)}
    return found


def recent(tx: Transaction, table_ids: Collection[str], since: float, batch: int) -> RecentSums:
    """Return the sums by quarter of an hour from `since` on: of these tables, of each label, and of all calls."""
    tables: dict[str, list[tuple[int, Spent]]] = {}
    wanted, first = sorted(table_ids), quarter_of(since)
    for start in range(0, len(wanted), batch):
        query = (
            select(spent.c.table_id, spent.c.quarter, *_sums_of(spent))
            .where(spent.c.table_id.in_(wanted[start : start + batch]), spent.c.quarter >= first)
            .group_by(spent.c.table_id, spent.c.quarter)
        )
        for row in tx.execute(query):
            tables.setdefault(row.table_id, []).append((row.quarter, _spent(row)))
    scopes: dict[str, list[tuple[int, Spent]]] = {}
    for row in tx.execute(select(spent_totals).where(spent_totals.c.quarter >= first)):
        scopes.setdefault(row.scope, []).append((row.quarter, _spent(row)))
    return RecentSums(tx.now(), tables, scopes)


def last_applies(tx: Transaction, manifest: str, count: int, without: str) -> Iterator[Decimal]:
    """Yield the credits of a manifest's last applies, the newest first; not of the plan `without`."""
    credits_: dict[str, int] = {}
    cells: dict[str, int] = {}
    # As few rows at a time as answer for a manifest of one table.
    with tx.connection.execute(_NEWEST, {"of": manifest, "without": without}) as rows:
        for plan_id, more_cells, more_credits in rows:
            if plan_id not in credits_ and sum(map(bool, cells.values())) == count:
                break
            credits_[plan_id] = credits_.get(plan_id, 0) + int(more_credits)
            cells[plan_id] = cells.get(plan_id, 0) + int(more_cells)
    for plan_id, total in credits_.items():
        if cells[plan_id]:
            yield total / MILLIONTHS


def _spent(row: Row[Any]) -> Spent:
    return Spent(int(row.cells), int(row.credits) / MILLIONTHS, int(row.unpriced_cells))
