"""Writing what happens to calls: intent, ending, settlement, resolution. Each is one transaction and leaves an event.

Whoever begins an attempt has won three comparisons in one transaction: the lease is still its own (fence), no attempt
was begun for the table since it planned (version), and this attempt of this call is not there yet: R6 of
`spending/__init__.py`.
"""

from math import ceil
from typing import Any

from sqlalchemy import BigInteger, Row, bindparam, insert, select, update

from reconciler.errors import Leased, LedgerError
from reconciler.ledger import applies, budget_windows, call_states, codec, events, leases, spent
from reconciler.ledger.call_states import CallProgress, Transition
from reconciler.ledger.drafts import Draft
from reconciler.ledger.extents import shape_is_kept
from reconciler.ledger.prepared import Prepared, inserting
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import call_rows, calls, tables
from reconciler.model.attempt import Ended, Ending, Receipt, Settlement, Ticket, Verdict
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import EventKind, EventRecord, Lease
from reconciler.model.plan import Call
from reconciler.text.codes import Code

_STATE = (
    *(*spent.OF_CALL, calls.c.attempt, calls.c.boot, calls.c.booted_at, calls.c.apply_id),
    *(calls.c.settled_at, calls.c.settled_done, calls.c.settled_failed, calls.c.settled_not_started),
)
_STATE_OF_CALL = select(*_STATE).where(calls.c.id == bindparam("call_id"))
_FIND = Prepared(_STATE_OF_CALL)
_ATTEMPT = select(calls.c.token, calls.c.attempt, calls.c.table_version).where(calls.c.id == bindparam("call_id"))
# Locks the table's row, then the call's: in the order of FROM. A row that another process changed meanwhile is read
# again once it is locked, which PostgreSQL does not do for one that is only joined.
_LOCK = Prepared(_STATE_OF_CALL.select_from(tables.join(calls)).with_for_update())
# The table's row, which the transaction locks, and whether it has a shape. The store looks for that before it waits for
# the lock: it may have been added since.
_LOCK_TABLE = Prepared(
    select(tables, shape_is_kept(tables.c.table_id).label("has_shape"))
    .where(tables.c.table_id == bindparam("of_table"))
    .with_for_update(of=tables)
)
_LATER = (
    *("ended_at", "run_id", "requested_cells", "settled_at", "settled_done", "settled_failed", "settled_not_started"),
    *("row_set", "folded"),
)
_INSERT = inserting(calls, [each.name for each in calls.c if each.name not in _LATER], "NOTHING")
_INSERT_ROWS = Prepared(insert(call_rows))
_CHANGE_ROWS = Prepared(update(call_rows).where(call_rows.c.call_id == bindparam("of_call")))
_ADVANCE = Prepared(
    update(tables)
    .where(tables.c.table_id == bindparam("of_table"), tables.c.version == bindparam("found"))
    .values(version=tables.c.version + 1)
)
# A compare-and-set on state and attempt; the row is locked through its table, so it only fails if that is ever broken.
_IS_AS_FOUND = (
    calls.c.id == bindparam("call_id"),
    calls.c.state == bindparam("found_state"),
    calls.c.attempt == bindparam("found_attempt"),
)
_CHANGE = Prepared(update(calls).where(*_IS_AS_FOUND))
# More cells taken than asked for would change the sums, and is looked at.
_ACCEPT = Prepared(
    update(calls).where(
        *(calls.c.id == bindparam("call_id"), calls.c.table_id == bindparam("of_table")),
        *(calls.c.attempt == bindparam("found_attempt"), calls.c.state == CallState.INTENT.value),
        *(calls.c.payments == 0, calls.c.cells >= bindparam("taken", type_=BigInteger)),
    )
)


def begin(tx: Transaction, draft: Draft) -> Ticket:
    """Record the intent of a new attempt, and how one before it ended.

    Raises Leased and LedgerError, and LimitExceeded if it would pass a budget.

    Only the caller knows the attempt by its token: it can `void` what it was not told of.
    """
    intent, call = draft.intent, draft.intent.call
    table, moment = _lock_in_order(tx, draft), tx.moment()
    if intent.ended is not None and not _end_as_usual(tx, intent.ended, moment.now):
        complaint = end(tx, intent.ended.ticket, intent.ended.ending)
        if complaint:
            raise superseded(complaint)
        table, moment = _lock_table(tx, draft), tx.moment()  # its version may be another
    now = moment.now
    leases.require(table, draft.lease, moment)
    _require_version(table, intent.version)
    if not table.has_shape:
        draft.extent.keep_shape(tx, call.table_id)
    values = draft.call | {"attempt": 1, "payments": 0, "begun_at": now, **moment.values()}
    attempt = 1
    if _INSERT.run(tx, values):
        _INSERT_ROWS.run(tx, {"call_id": call.id} | draft.rows)
    else:
        attempt = _retry(tx, call, values)
        _CHANGE_ROWS.run(tx, {"of_call": call.id} | draft.rows)
    _require_one(_ADVANCE.run(tx, {"of_table": call.table_id, "found": intent.version}), call.id)
    of = (call.id, attempt)
    events.append(tx, table_id=call.table_id, attempt=of, kind=EventKind.INTENT, at=now, detail=draft.event)
    counted = values | {"requested_cells": None}
    spent.add(tx, [(spent.heap_of(counted), spent.amount_of(counted))])
    budget_windows.keep(tx, call, intent.budgets, now)
    if intent.growth is not None:
        budget_windows.keep_growth(tx, intent.plan_id, intent.growth)
    return Ticket(call.id, attempt, intent.version + 1)


def _lock_in_order(tx: Transaction, draft: Draft) -> Row[Any]:
    """Take the locks of an intent as every write does: the tables' rows, the apply's, the sums. Raises Stopped.

    Returns the row of the call's table. In another order two writes may wait for each other, and the server undoes one.
    """
    intent = draft.intent
    if intent.ended is not None and intent.ended.table_id != intent.call.table_id:
        leases.lock(tx, [intent.ended.table_id, intent.call.table_id])
    table = _lock_table(tx, draft)
    if intent.apply_id:
        applies.refuse_stopped(tx, intent.apply_id)
    if intent.budgets or intent.growth is not None:
        spent.lock(tx)
    return table


def _lock_table(tx: Transaction, draft: Draft) -> Row[Any]:
    """Lock the table's row, making one if it is missing; `has_shape` of it says whether the call's shape is kept."""
    table_id = draft.intent.call.table_id
    wanted = {"of_table": table_id, "of_shape": draft.extent.shape_id}
    table: Row[Any] | None = _LOCK_TABLE.first(tx, wanted)
    if table is None:
        leases.lock(tx, [table_id])
        table = _LOCK_TABLE.first(tx, wanted)
        assert table is not None
    return table


def _end_as_usual(tx: Transaction, ended: Ended, now: float) -> bool:
    """Record the acceptance of an attempt if nothing has happened to its call since; say whether that is so.

    Without a look at the call first; its table's row is locked. The call goes on counting what it has since its intent.
    """
    ticket, ending, receipt = ended.ticket, ended.ending, ended.ending.receipt
    if receipt is None or ending.stop is not None:
        return False
    begun = CallProgress(CallState.INTENT, ticket.attempt, payments=0)
    after = call_states.end(begun, ticket.attempt, ending.state, counted=False).standing
    values = _receipt_values(receipt) | {"state": after.state.value, "payments": after.payments, "ended_at": now}
    values |= {"call_id": ticket.call_id, "of_table": ended.table_id, "found_attempt": ticket.attempt}
    if not _ACCEPT.run(tx, values | {"taken": values["requested_cells"] or 0}):
        return False
    of = (ticket.call_id, ticket.attempt)
    kind = EventKind(ending.state.value)
    events.append(tx, table_id=ended.table_id, attempt=of, kind=kind, at=now, detail=_ending_detail(ending))
    return True


def _require_version(table: Row[Any], version: int) -> None:
    if table.version != version:
        message = f"another apply has begun calls for table {table.table_id} since this plan was made"
        raise Leased(message, hint="Plan again.")


def _retry(tx: Transaction, call: Call, values: codec.Values) -> int:
    """Begin another attempt of a call that is there and bought nothing; return its number."""
    before = _FIND.first(tx, {"call_id": call.id})
    assert before is not None
    since = leases.when(before.begun_at)
    if before.table_id != call.table_id:
        raise LedgerError(f"call {call.id} is in the ledger for another table, {before.table_id}")
    if before.state == CallState.INTENT:
        raise Leased(f"another apply began call {call.id} on {since} and has not said how it ended", hint="Plan again.")
    if before.state == CallState.IN_DOUBT:
        raise LedgerError(
            f"call {call.id} is in doubt since {since}: it may have been paid for, and is not sent again",
            hint=f"Plan again, or end the doubt: reconciler ledger resolve {call.id[:8]}.",
        )
    if before.state == CallState.ACCEPTED:
        raise LedgerError(f"call {call.id} was already paid for, on {since}", hint="Plan again.")
    attempt: int = before.attempt + 1
    ended = dict.fromkeys(("ended_at", "run_id", "requested_cells"))
    found = {"call_id": call.id, "found_state": before.state, "found_attempt": before.attempt}
    _require_one(_CHANGE.run(tx, found | values | ended | {"attempt": attempt, "payments": before.payments}), call.id)
    return attempt


def void(tx: Transaction, table_id: str, call_id: str, token: str, detail: str) -> bool:
    """End the attempt that `token` is of as not sent, if it was recorded; say whether it was.

    The table's row is locked first. It was locked by the transaction that recorded the attempt, so that one is over: an
    attempt that is not there now will not appear later.
    """
    leases.lock_one(tx, table_id)
    known = tx.execute(_ATTEMPT, {"call_id": call_id}).first()
    if known is None or known.token != token:
        return False
    end(tx, Ticket(call_id, known.attempt, known.table_version), Ending(CallState.NOT_SENT, detail))
    return True


def end(tx: Transaction, ticket: Ticket, ending: Ending) -> str:
    """Record how an attempt ended; return what to complain about once it is durable. Raises LedgerError.

    The same ending again changes nothing, so that an outcome can be recorded again after a lost connection.
    """
    assert ending.state is not CallState.INTENT
    found = _lock_call(tx, ticket.call_id)
    now = tx.now()
    standing = _standing(found)
    if ticket.attempt > standing.attempt:
        raise LedgerError(f"attempt {ticket.attempt} of call {ticket.call_id} was never begun")
    receipt = ending.receipt
    detail = _ending_detail(ending)
    earlier: list[EventRecord] = []
    if standing.state is not CallState.INTENT or ticket.attempt != standing.attempt:
        earlier = [event for event in events.of_call(tx, ticket.call_id) if event.attempt == ticket.attempt]
        if _is_repeated(earlier, ending.state, detail):
            return ""
    counted = any(event.kind is EventKind.ACCEPTED or event.detail.get("landed") for event in earlier)
    move = call_states.end(standing, ticket.attempt, ending.state, counted=counted)
    changes: dict[str, Any] = {}
    if receipt is not None and move.standing.state is CallState.ACCEPTED:
        changes = _receipt_values(receipt)
    if ending.stop is not None and found.apply_id:
        applies.stop(tx, found.apply_id, ending.stop)
    _apply(tx, ticket.call_id, found, move, now, changes)
    detail["late"] = True if move.late else None
    _note(tx, found, (ticket.call_id, ticket.attempt), EventKind(ending.state.value), now, detail)
    return f"call {ticket.call_id}: {move.complaint}" if move.complaint else ""


def _ending_detail(ending: Ending) -> dict[str, Any]:
    receipt = ending.receipt
    return {
        "status": ending.status,
        "text": ending.detail,
        "run_id": receipt.run_id if receipt else None,
        "requested_cells": receipt.requested_cells if receipt else None,
    }


def _receipt_values(receipt: Receipt) -> codec.Values:
    return {
        "run_id": codec.storable_text(receipt.run_id),
        "requested_cells": codec.storable(receipt.requested_cells),
    }


def settle(tx: Transaction, call_id: str, settlement: Settlement) -> None:
    """Record how many cells of an accepted call are done, failed or not started; a newer count replaces it.

    Raises LedgerError.
    """
    found = _lock_call(tx, call_id)
    now = tx.now()
    if found.state != CallState.ACCEPTED:
        raise LedgerError(f"call {call_id} is {_words(found.state)}, not accepted: it has no cells to count")
    counts = (settlement.done, settlement.failed, settlement.not_started)
    if found.settled_at is not None and counts == (found.settled_done, found.settled_failed, found.settled_not_started):
        return
    names = ("settled_done", "settled_failed", "settled_not_started")
    _update(tx, call_id, found, {"settled_at": now, **dict(zip(names, counts, strict=True))})
    # The cells have shown: what they held before proves nothing more.
    _CHANGE_ROWS.run(tx, {"of_call": call_id, "before": codec.inputs_value(settlement)})
    detail: dict[str, Any] = dict(zip(("done", "failed", "not_started"), counts, strict=True))
    if settlement.yields:
        detail["yield"] = {column: [each.answers, each.changed] for column, each in settlement.yields.items()}
    _note(tx, found, (call_id, found.attempt), EventKind.SETTLED, now, detail)


def resolve(tx: Transaction, verdict: Verdict, lease: Lease | None) -> CallState:
    """End a doubt; return the state the call has now. Raises Leased and LedgerError."""
    call_id, attempt, actor = verdict.call_id, verdict.attempt, verdict.actor
    found = _lock_call(tx, call_id)
    moment = tx.moment()
    now = moment.now
    if lease is not None:
        table = leases.lock_one(tx, found.table_id)
        leases.require(table, lease, moment)
    standing = _standing(found)
    if standing.state not in (CallState.INTENT, CallState.IN_DOUBT):
        hint = "`reconciler ledger list --state in_doubt` shows the calls in doubt."
        raise LedgerError(f"call {call_id} is not in doubt: it is {_words(found.state)}", hint=hint)
    if standing.attempt != attempt:
        raise LedgerError(
            f"attempt {standing.attempt} of call {call_id} has begun since attempt {attempt} was looked at",
            hint="Plan again.",
        )
    age = moment.since(found)
    # A clock that was set back makes the age negative, which must not bar whoever need not wait.
    if max(0.0, age) < verdict.min_age_seconds:
        raise LedgerError(
            f"call {call_id} may still be in flight: its last attempt began {max(0.0, age):.0f} s ago",
            hint=f"Try again in {ceil(verdict.min_age_seconds - age)} s.",
        )
    move = call_states.resolve(standing, landed=verdict.landed)
    _apply(tx, call_id, found, move, now, {})
    detail = {
        "landed": verdict.landed,
        "reason": verdict.reason,
        "who": actor.name,
        "ci_run": actor.ci_run,
        "evidence": verdict.evidence,
    }
    _note(tx, found, (call_id, attempt), EventKind.RESOLVED, now, detail)
    return move.standing.state


def superseded(complaint: str) -> LedgerError:
    """Return the error for an ending that came when a newer attempt had begun."""
    return LedgerError(complaint, hint="Look at `reconciler ledger show` before anything is applied again.")


def _lock_call(tx: Transaction, call_id: str) -> Row[Any]:
    found: Row[Any] | None = _LOCK.first(tx, {"call_id": call_id})
    if found is None:
        raise LedgerError(f"there is no call {call_id} in the ledger", code=Code.NO_SUCH_CALL)
    return found


def _standing(found: Row[Any]) -> CallProgress:
    return CallProgress(CallState(found.state), found.attempt, found.payments)


def _apply(
    tx: Transaction, call_id: str, found: Row[Any], move: Transition, now: float, changes: dict[str, Any]
) -> None:
    after = move.standing
    if after != _standing(found):
        changes = changes | {"state": after.state.value, "payments": after.payments}
        if after.state.value != found.state:
            changes["ended_at"] = now
    if changes:
        _update(tx, call_id, found, changes)
    if move.reopens:
        tx.execute(update(tables).where(tables.c.table_id == found.table_id).values(version=tables.c.version + 1))


def _update(tx: Transaction, call_id: str, found: Row[Any], changes: dict[str, Any]) -> None:
    as_found = {"call_id": call_id, "found_state": found.state, "found_attempt": found.attempt}
    _require_one(_CHANGE.run(tx, as_found | changes), call_id)
    before = found._asdict()
    spent.move(tx, before, before | changes)


def _note(
    tx: Transaction, found: Row[Any], attempt: tuple[str, int], kind: EventKind, at: float, detail: dict[str, Any]
) -> None:
    events.append(tx, table_id=found.table_id, attempt=attempt, kind=kind, at=at, detail=detail)


def _is_repeated(earlier: list[EventRecord], state: CallState, detail: dict[str, Any]) -> bool:
    said = {key: value for key, value in detail.items() if value not in (None, "")}
    return any(
        event.kind == state.value and {key: event.detail[key] for key in event.detail if key != "late"} == said
        for event in earlier
    )


def _require_one(count: int, call_id: str) -> None:
    if count != 1:
        raise Leased(f"another process changed call {call_id} or its table at the same moment", hint="Plan again.")


def _words(state: str) -> str:
    return state.replace("_", " ")
