"""Taking over cells that were done before the ledger knew them: a record that counts at its revision and costs nothing.

It stands among the calls, so that planning, listing, export and import know it without a second way; but nothing was
sent, it has no payment, its credits are 0, and its reason says `adopted`.
"""

from collections.abc import Sequence

from sqlalchemy import insert, select, update

from reconciler.errors import Leased
from reconciler.ledger import codec, events, leases
from reconciler.ledger.extents import Extent
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import call_rows, calls, tables
from reconciler.model.attempt import Actor
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import EventKind
from reconciler.model.plan import Call, Reason


def adopt(tx: Transaction, records: Sequence[Call], *, actor: Actor, reason: str) -> int | Leased:
    """Add the records, all or none; return how many cells were new. What is there already stays.

    Returns Leased, for the caller to raise after the commit, while an apply holds the table.

    The records are one table's. While an apply holds its lease nothing is adopted: it may be buying those cells. Plans
    made before fail when they are applied, because the table's version grows.
    """
    if not records:
        return 0
    assert all(record.reason is Reason.ADOPTED and record.credits == 0 for record in records)
    (table_id,) = {record.table_id for record in records}
    table = leases.lock_one(tx, table_id)
    moment = tx.moment()
    now = moment.now
    refusal = leases.refusal(tx, [table], "", moment)
    if refusal is not None:
        return refusal
    version = table.version
    cells = 0
    for record in records:
        if tx.execute(select(calls.c.id).where(calls.c.id == record.id)).first() is not None:
            continue
        version += 1
        cells += record.cells
        extent = Extent.of_call(record)
        extent.keep_shape(tx, table_id)
        values = codec.call_values(record, Reason.ADOPTED.value, {}) | codec.actor_values(actor) | extent.values()
        values |= {"state": CallState.ACCEPTED.value, "attempt": 1, "payments": 0, "requested_cells": 0}
        values |= {"table_version": version, "begun_at": now, "ended_at": now, **moment.values()}
        # Settled: there is nothing to wait for.
        values |= {"settled_at": now, "settled_done": record.cells, "settled_failed": 0, "settled_not_started": 0}
        tx.execute(insert(calls), values)
        tx.execute(insert(call_rows), {"call_id": record.id} | extent.rows_values("{}"))
        detail = {
            "address": record.address,
            "revision": record.revision,
            "cells": record.cells,
            "reason": reason,
            "who": actor.name,
            "ci_run": actor.ci_run,
            "git_sha": actor.git_sha,
        }
        events.append(tx, table_id=table_id, attempt=(record.id, 1), kind=EventKind.ADOPTED, at=now, detail=detail)
    if version > table.version:
        tx.execute(update(tables).where(tables.c.table_id == table_id).values(version=version))
    return cells
