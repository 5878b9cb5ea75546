"""The calls of an apply of several machines, as the process that sent each would have reported them."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from reconciler.ledger import codec
from reconciler.ledger.extents import PAST, WITH_ROWS
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import calls, events
from reconciler.model.attempt import CallResult, Ending, Receipt, Settlement, Yield
from reconciler.model.history import Block, CallState
from reconciler.model.ledger_entries import EventKind
from reconciler.model.manifest import Mode
from reconciler.model.plan import Call, Reason

_BATCH = 500
_COLUMNS = (
    *PAST,
    *(calls.c.cells, calls.c.reason, calls.c.wave, calls.c.run_id, calls.c.requested_cells),
    *(calls.c.settled_done, calls.c.settled_failed, calls.c.settled_not_started, calls.c.folded),
)
_ENDINGS = tuple(state.value for state in CallState if state is not CallState.INTENT)


def of_apply(tx: Transaction, apply_id: str, table_ids: Collection[str] | None) -> list[CallResult]:
    """Return the calls of an apply in the order in which they began, each with its last attempt; of those tables only.

    Left out are calls that are known not to have landed, by evidence or a person: their cells are due again. An intent
    without an ending counts as in doubt. Of calls that are folded the cells are left out: no later one may cover them.
    """
    of = calls.c.apply_id == apply_id
    wanted = [of] if table_ids is None else (of & calls.c.table_id.in_(batch) for batch in _batches(table_ids))
    return [result for each in wanted for result in _found(tx, each)]


def named(tx: Transaction, ids: Collection[str]) -> list[CallResult]:
    """Return calls by their ids, in the same way; those that are gone are left out."""
    return [result for batch in _batches(ids) for result in _found(tx, calls.c.id.in_(batch))]


def _found(tx: Transaction, wanted: ColumnElement[bool]) -> Iterator[CallResult]:
    query = select(*_COLUMNS).select_from(WITH_ROWS).where(wanted)
    rows = tx.execute(query.order_by(calls.c.begun_at, calls.c.table_id, calls.c.table_version)).all()
    details = _details(tx, [row.id for row in rows])
    return (result for row in rows if (result := _result(row, details.get(row.id, {}))) is not None)


def _batches(ids: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(ids)
    return (ordered[start : start + _BATCH] for start in range(0, len(ordered), _BATCH))


def _details(tx: Transaction, ids: Iterable[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return by call and kind the detail of the newest event of its last attempt."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    wanted = (*_ENDINGS, EventKind.RESOLVED.value, EventKind.SETTLED.value)
    for batch in _batches(set(ids)):
        query = (
            select(events.c.call_id, events.c.kind, events.c.detail)
            .join(calls, calls.c.id == events.c.call_id)
            .where(events.c.call_id.in_(batch), events.c.kind.in_(wanted), events.c.attempt == calls.c.attempt)
            .order_by(events.c.table_id, events.c.seq)
        )
        for row in tx.execute(query):
            found.setdefault(row.call_id, {})[row.kind] = json.loads(row.detail)
    return found


def _result(row: Row[Any], details: dict[str, dict[str, Any]]) -> CallResult | None:
    try:
        state = CallState(row.state)
        if state is CallState.NOT_SENT and EventKind.RESOLVED.value in details:
            return None
        if state is CallState.INTENT:
            ending = Ending(CallState.IN_DOUBT, "its sender has not said how it ended")
        else:
            said = details.get(state.value, {})
            receipt = None
            if state is CallState.ACCEPTED and state.value in details:
                receipt = Receipt(row.run_id or "", row.requested_cells)
            ending = Ending(state, said.get("text", ""), said.get("status"), receipt)
        result = CallResult(_call(row), ending)
        if row.settled_at is None:
            return result
        counts = Settlement(row.settled_done, row.settled_failed, row.settled_not_started)
        return replace(result, settlement=replace(counts, yields=_yields(row, details)))
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise codec.corrupt("call", row.id, error) from error


def _call(row: Row[Any]) -> Call:
    columns = json.loads(row.columns)
    covered: tuple[Block, ...] = () if row.folded else codec.blocks(row, {}, ())
    return Call(
        id=row.id,
        address=row.address,
        table_id=row.table_id,
        mode=Mode(row.mode),
        revision=row.revision,
        columns=tuple(columns),
        column_keys=tuple(json.loads(row.column_keys)),
        rows=tuple(dict.fromkeys(each for block in covered for each in block.rows)),
        cells=row.cells,
        credits=codec.price(row.credits),
        reason=Reason(row.reason),
        wave=row.wave,
        covered=covered,
    )


def _yields(row: Row[Any], details: dict[str, dict[str, Any]]) -> dict[str, Yield]:
    columns = json.loads(row.columns)
    price = codec.price(row.credits)
    each = price / row.cells if price is not None and len(columns) == 1 else None
    found = details.get(EventKind.SETTLED.value, {}).get("yield", {})
    return {
        column: Yield(answers, changed, None if each is None else Decimal(each * answers))
        for column, (answers, changed) in found.items()
    }
