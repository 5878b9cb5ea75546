"""Which cells folded calls bought under which plan: a saved plan is used up by them, however old it may be.

Kept beside the checkpoints, because only an apply of that very plan asks for it.
"""

import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select

from reconciler.ledger import codec
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import approvals
from reconciler.model.compact import RowIndex, picked
from reconciler.model.history import Block, CallState, PastCall
from reconciler.model.manifest import Mode
from reconciler.model.runs import numbers_of, runs_of


def remember(tx: Transaction, table_id: str, calls: Iterable[PastCall], index: RowIndex) -> None:
    """Add calls that are folded now; `index` is over the table's listed rows."""
    by_plan: dict[str, list[Any]] = {}
    for call in calls:
        price = None if call.credits is None else str(call.credits)
        blocks = [[block.columns, list(runs_of(index.positions_of(block.rows)))] for block in call.covered]
        entry = [call.version, call.address, call.mode.value, call.revision, price, blocks]
        by_plan.setdefault(call.plan_id, []).append(entry)
    for plan_id, entries in by_plan.items():
        one = (approvals.c.table_id == table_id) & (approvals.c.plan_id == plan_id)
        before = tx.execute(select(approvals.c.content).where(one)).scalar()
        content = [*([] if before is None else json.loads(zlib.decompress(before))), *entries]
        tx.execute(delete(approvals).where(one))
        packed = zlib.compress(codec.encode(content).encode("ascii"))
        tx.execute(insert(approvals), {"table_id": table_id, "plan_id": plan_id, "content": packed})


def under(
    tx: Transaction, plan_id: str, table_ids: Collection[str], listed: Mapping[str, Sequence[str]]
) -> dict[str, tuple[PastCall, ...]]:
    """Return the folded calls of tables that were sent under a plan; `listed` are their row ids. Raises Corrupt."""
    found = {}
    rows = tx.execute(
        select(approvals).where(approvals.c.plan_id == plan_id, approvals.c.table_id.in_(table_ids))
    ).all()
    for row in rows:
        try:
            found[row.table_id] = unpacked(row.content, row.table_id, plan_id, listed[row.table_id])
        except (ValueError, LookupError) as error:
            raise codec.corrupt("approval", plan_id, error) from error
    return found


def unpacked(content: bytes, table_id: str, plan_id: str, listed: Sequence[str]) -> tuple[PastCall, ...]:
    """Return the calls that are remembered so, for a table with these row ids. Raises ValueError."""
    try:
        return tuple(_call(table_id, plan_id, each, listed) for each in json.loads(zlib.decompress(content)))
    except (TypeError, LookupError, ArithmeticError, AttributeError, RecursionError, zlib.error) as error:
        raise ValueError(str(error)) from error


def _call(table_id: str, plan_id: str, entry: Sequence[Any], listed: Sequence[str]) -> PastCall:
    version, address, mode, revision, price, blocks = entry
    covered = (
        Block(tuple(columns), tuple(picked(listed, numbers_of(map(tuple, runs), len(listed)))))
        for columns, runs in blocks
    )
    return PastCall(
        id="",
        table_id=table_id,
        mode=Mode(mode),
        revision=revision,
        state=CallState.ACCEPTED,
        attempt=1,
        settled=True,
        covered=tuple(covered),
        configs={},
        before={},
        age_seconds=0.0,
        address=address,
        credits=codec.price(price),
        plan_id=plan_id,
        version=version,
    )
