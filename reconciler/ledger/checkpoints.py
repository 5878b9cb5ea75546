"""Checkpoints in the store: read with a table's history, written in the transaction that folds calls into them."""

import zlib
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, false, func, insert, or_, select, true, update

from reconciler.ledger import approvals, codec, leases, row_sets
from reconciler.ledger.clocks import Moment
from reconciler.ledger.extents import PAST, WITH_ROWS
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import call_rows, calls, checkpoints, row_ids
from reconciler.model.checkpoint import Begun, Checkpoint
from reconciler.model.compact import PackedIds, RowIndex
from reconciler.model.folding import fold
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import Lease

MOST_CALLS = 100
MOST_CELLS = 500_000
"""Folded in one transaction, or one call: meanwhile no other process writes into the file, nor waits for long."""
ENOUGH_CALLS = 100
ENOUGH_CELLS = 20_000
"""As many may gather before an apply folds them: reading them takes less than a plan's other work."""

FOLDABLE: ColumnElement[bool] = and_(
    calls.c.folded == false(), calls.c.state == CallState.ACCEPTED.value, calls.c.settled_at.is_not(None)
)
_TO_FOLD = (
    select(*PAST, calls.c.cells)
    .select_from(WITH_ROWS)
    .where(calls.c.table_id == bindparam("of_table"), FOLDABLE)
    .order_by(calls.c.table_version)
    .limit(MOST_CALLS)
    .execution_options(yield_per=5)
)
_HAS_GATHERED = or_(func.count() >= ENOUGH_CALLS, func.sum(calls.c.cells) >= ENOUGH_CELLS)
_MOST_TABLES = 500
"""Named in one query."""
_FOLDED = update(calls).where(calls.c.id == bindparam("call_id")).values(row_set=bindparam("rows"), folded=true())

_UNNEEDED = delete(call_rows).where(call_rows.c.call_id == bindparam("call_id"))


def read(tx: Transaction, table_ids: Collection[str], moment: Moment) -> dict[str, Checkpoint]:
    """Return the checkpoints of those tables that have one. Raises Corrupt."""
    found = {}
    rows = tx.execute(select(checkpoints).where(checkpoints.c.table_id.in_(table_ids))).all()
    listed = listed_rows(tx, [row.table_id for row in rows])
    for row in rows:
        try:
            found[row.table_id] = Checkpoint.unpack(row.content, listed.get(row.table_id, ()), moment.since)
        except ValueError as error:
            raise codec.corrupt("checkpoint", row.table_id, error) from error
    return found


def listed_rows(tx: Transaction, table_ids: Collection[str]) -> dict[str, Sequence[str]]:
    """Return the row ids of tables, each at its number. Raises Corrupt."""
    pieces: dict[str, list[Sequence[str]]] = {}
    rows = tx.execute(
        select(row_ids).where(row_ids.c.table_id.in_(table_ids)).order_by(row_ids.c.table_id, row_ids.c.first)
    )
    for row in rows:
        own = pieces.setdefault(row.table_id, [])
        try:
            piece = row_sets.unpack_rows(row.ids)
            if row.first != sum(map(len, own)):
                raise ValueError("a piece of them is missing")
        except ValueError as error:
            raise codec.corrupt("row ids of table", row.table_id, error) from error
        own.append(piece)
    return {table_id: _joined(own) for table_id, own in pieces.items()}


def _joined(pieces: Sequence[Sequence[str]]) -> Sequence[str]:
    packed = [piece for piece in pieces if isinstance(piece, PackedIds)]
    if len(packed) == len(pieces):
        return PackedIds.joined(packed)
    return tuple(row for piece in pieces for row in piece)


def tables_to_fold(tx: Transaction) -> list[str]:
    """Return the ids of the tables that have calls to fold."""
    return list(tx.execute(select(calls.c.table_id).where(FOLDABLE).distinct().order_by(calls.c.table_id)).scalars())


def ripe(tx: Transaction, table_ids: Collection[str]) -> list[str]:
    """Return those of the tables, sorted, that have enough to fold that it is worth a transaction."""
    wanted, found = sorted(table_ids), list[str]()
    for start in range(0, len(wanted), _MOST_TABLES):
        of = calls.c.table_id.in_(wanted[start : start + _MOST_TABLES])
        found += tx.execute(
            select(calls.c.table_id)
            .where(of, FOLDABLE)
            .group_by(calls.c.table_id)
            .having(_HAS_GATHERED)
            .order_by(calls.c.table_id)
        ).scalars()
    return found


def compact(tx: Transaction, table_id: str, lease: Lease | None) -> int:
    """Fold some settled calls of a table into its checkpoint; return how many, 0 if none are left. Raises Leased.

    What planning is told stays the same, so the table's version does.
    """
    table = leases.lock_one(tx, table_id)
    moment = tx.moment()
    leases.require(table, lease, moment)
    rows = _to_fold(tx, table_id)
    if not rows:
        return 0
    known: dict[bytes, tuple[str, ...]] = {}
    past = [(codec.past_call(row, moment, known), Begun(row.begun_at, row.boot, row.booted_at)) for row in rows]
    before = read(tx, [table_id], moment).get(table_id) or Checkpoint(age_of=moment.since)
    listed = before.listing(row_id for row in rows for row_id in known[row.row_set])
    try:
        after = fold(listed, past)
    except (ValueError, zlib.error) as error:
        raise codec.corrupt("checkpoint", table_id, error) from error
    # First, so that SQLite uses their pages again for what is written next, and the file does not grow.
    tx.execute(_UNNEEDED, [{"call_id": row.id} for row in rows])
    _write(tx, table_id, len(before.rows), after)
    index = RowIndex(listed.rows)
    approvals.remember(tx, table_id, (call for call, _ in past), index)
    numbers = {packed: row_sets.pack_numbers(index.positions_of(ids)) for packed, ids in known.items()}
    tx.execute(_FOLDED, [{"call_id": row.id, "rows": numbers[row.row_set]} for row in rows])
    return len(rows)


def _to_fold(tx: Transaction, table_id: str) -> list[Row[Any]]:
    chosen: list[Row[Any]] = []
    cells = 0
    with tx.execute(_TO_FOLD, {"of_table": table_id}) as rows:
        for row in rows:
            cells += row.cells
            if chosen and cells > MOST_CELLS:
                break
            chosen.append(row)
    return chosen


def _write(tx: Transaction, table_id: str, listed: int, checkpoint: Checkpoint) -> None:
    tx.execute(delete(checkpoints).where(checkpoints.c.table_id == table_id))
    tx.execute(insert(checkpoints), {"table_id": table_id, "content": checkpoint.pack()})
    new = checkpoint.rows[listed:]
    if new:
        tx.execute(insert(row_ids), {"table_id": table_id, "first": listed, "ids": row_sets.pack_rows(new)})
