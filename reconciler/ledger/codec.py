"""Nouns to rows and rows to nouns: the one place that knows how a call is spelled in the store."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from sqlalchemy import Row

from reconciler.errors import Corrupt
from reconciler.ledger import row_sets
from reconciler.ledger.clocks import Moment
from reconciler.ledger.store_errors import FROM_BACKUP
from reconciler.model.attempt import Actor, Settlement
from reconciler.model.compact import CellMarks
from reconciler.model.history import Block, CallState, PastCall
from reconciler.model.ledger_entries import CallRecord, EventKind, EventRecord, Lease
from reconciler.model.manifest import Mode
from reconciler.model.plan import Call, Reason

Values: TypeAlias = dict[str, Any]
_LARGEST = 2**63 - 1
INPUTS = "inputs"
"""Among a call's marks, which go by column ids: those of its inputs, once it is settled."""
_PACKED = "packed"
"""Beside the bytes of marks."""
_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def encode(value: Any) -> str:
    """Return compact JSON in ASCII: also a NUL or half a surrogate pair from the API survives both stores."""
    return _JSON.encode(value)


def storable_text(text: str) -> str:
    """Return text that both stores take: U+FFFD for what PostgreSQL or UTF-8 cannot hold."""
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clean_or_none(text: str | None) -> str | None:
    """Return `clean(text)`, None for None."""
    return None if text is None else storable_text(text)


def storable(number: int | None) -> int | None:
    """Return a count from outside, kept within what a column holds."""
    return None if number is None else max(-_LARGEST, min(number, _LARGEST))


def actor_values(actor: Actor) -> Values:
    """Return the three columns that name an actor."""
    return {
        "actor": storable_text(actor.name),
        "ci_run": clean_or_none(actor.ci_run),
        "git_sha": clean_or_none(actor.git_sha),
    }


def call_values(call: Call, plan_id: str, labels: Mapping[str, str]) -> Values:
    """Return the columns of a call that say what it is; none that say how far it came."""
    return {
        "id": call.id,
        "table_id": call.table_id,
        "address": storable_text(call.address),
        "mode": call.mode.value,
        "revision": clean_or_none(call.revision),
        "row_count": len(call.rows),
        "cells": call.cells,
        "credits": None if call.credits is None else str(call.credits),
        "reason": call.reason.value,
        "wave": call.wave,
        "plan_id": storable_text(plan_id),
        "labels": encode(dict(labels)),
    }


def marks_value(marks: Mapping[str, Sequence[str]]) -> str:
    """Return what a call's cells showed before it, as it is stored."""
    return encode({column: _marks_stored(each) for column, each in marks.items()})


def _marks_stored(marks: Sequence[str]) -> str | list[str] | dict[str, str]:
    """Return marks in few bytes: with digests as such, and of one character each as one text, which reads as a list."""
    packed = marks.pack() if isinstance(marks, CellMarks) else None
    if packed is not None:
        return {_PACKED: b64encode(packed).decode("ascii")}
    listed = list(marks)
    return "".join(listed) if set(map(len, listed)) == {1} else listed


def inputs_value(settlement: Settlement) -> str:
    """Return what takes the place of the marks once a call is settled: digests of what its cells were made from."""
    found = {column: b64encode(digests).decode("ascii") for column, digests in settlement.inputs.items()}
    return encode({INPUTS: found} if found else {})


def marks_of(stored: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Return the marks that `marks_value` was given, or that were stored as lists. Raises as bad data does."""
    return {
        column: CellMarks.unpack(b64decode(marks[_PACKED], validate=True)) if isinstance(marks, dict) else tuple(marks)
        for column, marks in stored.items()
        if column != INPUTS
    }


def marks_said(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return marks and digests as an export says them: every mark in a list. Raises as bad data does."""
    inputs = {INPUTS: stored[INPUTS]} if INPUTS in stored else {}
    return inputs | {column: list(marks) for column, marks in marks_of(stored).items()}


def inputs_of(marks: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the digests among marks. Raises as bad data does."""
    return {column: b64decode(digests, validate=True) for column, digests in marks.get(INPUTS, {}).items()}


def past_call(
    row: Row[*tuple[Any, ...]], moment: Moment, known: dict[bytes, tuple[str, ...]], listed: Sequence[str] = ()
) -> PastCall:
    """Return what planning needs of a call. Raises Corrupt.

    `known` lets calls with equal rows share them; `listed` are the table's row ids, for a call that is folded.
    """
    try:
        before = json.loads(row.before)
        return PastCall(
            id=row.id,
            table_id=row.table_id,
            mode=Mode(row.mode),
            revision=row.revision,
            state=CallState(row.state),
            attempt=row.attempt,
            settled=row.settled_at is not None,
            covered=blocks(row, known, listed),
            configs=json.loads(row.configs),
            before=marks_of(before),
            inputs=inputs_of(before),
            age_seconds=max(0.0, moment.since(row)),
            address=row.address,
            credits=price(row.credits),
            actor=row.actor,
            plan_id=row.plan_id,
            version=row.table_version,
        )
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise corrupt("call", row.id, error) from error


def blocks(row: Row[*tuple[Any, ...]], known: dict[bytes, tuple[str, ...]], listed: Sequence[str]) -> tuple[Block, ...]:
    """Return the cells that a call covers, as `past_call` does. Raises as bad data does."""
    rows = known.get(row.row_set) or known.setdefault(row.row_set, tuple(row_sets.unpack_rows(row.row_set, listed)))
    return row_sets.places_to_blocks(json.loads(row.covered), json.loads(row.columns), rows)


def call_record(row: Row[Any], moment: Moment) -> CallRecord:
    """Return a call for people. Raises Corrupt."""
    try:
        covered, settlement = getattr(row, "covered", None), None
        if row.settled_at is not None:
            settlement = Settlement(row.settled_done, row.settled_failed, row.settled_not_started)
        return CallRecord(
            id=row.id,
            table_id=row.table_id,
            address=row.address,
            mode=Mode(row.mode),
            revision=row.revision,
            columns=tuple(json.loads(row.columns)),
            column_keys=tuple(json.loads(row.column_keys)),
            row_count=row.row_count,
            cells=row.cells,
            credits=price(row.credits),
            reason=Reason(row.reason),
            wave=row.wave,
            plan_id=row.plan_id,
            labels=json.loads(row.labels),
            actor=Actor(row.actor, row.ci_run, row.git_sha),
            state=CallState(row.state),
            attempt=row.attempt,
            payments=row.payments,
            begun_at=row.begun_at,
            ended_at=row.ended_at,
            run_id=row.run_id,
            requested_cells=row.requested_cells,
            settled_at=row.settled_at,
            settlement=settlement,
            age_seconds=max(0.0, moment.since(row)),
            column_cells=()
            if covered is None
            else row_sets.cells_by_column(json.loads(covered), len(json.loads(row.columns)), row.row_count),
        )
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise corrupt("call", row.id, error) from error


def price(text: str | None) -> Decimal | None:
    """Return credits as they are stored."""
    return None if text is None else Decimal(text)


def ids_or_none(written: str) -> tuple[str, ...] | None:
    """Return a list of ids; None if it cannot be read."""
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return None
    is_list = isinstance(found, list) and all(isinstance(each, str) for each in found)
    return tuple(found) if is_list else None


def event_record(row: Row[Any]) -> EventRecord:
    """Return a line of the audit trail. Raises Corrupt."""
    try:
        return EventRecord(
            table_id=row.table_id,
            seq=row.seq,
            call_id=row.call_id,
            attempt=row.attempt,
            kind=EventKind(row.kind),
            at=row.at,
            detail=json.loads(row.detail),
        )
    except (ValueError, TypeError) as error:
        raise corrupt("event", f"{row.table_id}#{row.seq}", error) from error


def lease_ends(row: Row[Any], moment: Moment) -> float:
    """Return when a row's lease runs out by the store's clock as it stands now, its `owner` being set.

    No lease is longer than it was when it was taken, however far the store's clock was set back since.
    """
    ends = moment.translated(row.expires_at, row)
    return ends if row.lease_seconds is None else min(ends, moment.now + row.lease_seconds)


def lease(row: Row[Any], moment: Moment) -> Lease:
    """Return the lease that a row of `tables` holds; its `owner` must be set."""
    ends = lease_ends(row, moment)
    return Lease(
        table_id=row.table_id,
        owner=row.owner,
        actor=Actor(row.actor, row.ci_run, row.git_sha),
        acquired_at=row.acquired_at,
        expires_at=ends,
        fence=row.fence,
        table_version=row.version,
        remaining_seconds=ends - moment.now,
    )


def corrupt(noun: str, name: str, error: Exception) -> Corrupt:
    """Return the error for an entry that cannot be read."""
    return Corrupt(f"the ledger's {noun} {name} cannot be read: {error}", hint=FROM_BACKUP)
