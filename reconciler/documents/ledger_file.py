"""Records of the ledger → JSON, for `reconciler ledger list`, `show` and `report`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from reconciler.documents.parts import settlement_part
from reconciler.model.ledger_entries import (
    ADOPTED,
    CallRecord,
    ColumnYield,
    EventRecord,
    Grouping,
    SpendLine,
    SpendReport,
)
from reconciler.text.numbers import age_text, json_number, rfc3339

FORMAT_VERSION = "1.0"


def call_part(call: CallRecord) -> dict[str, Any]:
    """Return a call."""
    return {
        "id": call.id,
        "address": call.address,
        "table_id": call.table_id,
        "mode": call.mode.value,
        "revision": call.revision,
        "columns": list(call.columns),
        "column_keys": list(call.column_keys),
        "rows": call.row_count,
        "cells": call.cells,
        "credits": json_number(call.credits),
        "labels": dict(call.labels),
        "reason": call.reason.value,
        "state": ADOPTED if call.is_adopted else call.state.value,
        "attempt": call.attempt,
        "begun_at": time_text(call.begun_at),
        "ended_at": time_text(call.ended_at),
        "settled_at": time_text(call.settled_at),
        "settlement": settlement_part(call.settlement),
        "run_id": call.run_id,
        "requested_cells": call.requested_cells,
        "plan_id": call.plan_id,
        "actor": asdict(call.actor),
    }


def call_document(call: CallRecord, events: Sequence[EventRecord]) -> dict[str, Any]:
    """Return a call and its events, oldest first."""
    return {**call_part(call), "events": [_event(event) for event in events]}


def _event(event: EventRecord) -> dict[str, Any]:
    return {"at": time_text(event.at), "kind": event.kind.value, "attempt": event.attempt, "detail": dict(event.detail)}


def spend_document(found: SpendReport, by: Grouping, since: float | None, until: float | None) -> dict[str, Any]:
    """Return what was spent on calls begun from `since` and before `until`, in seconds since the epoch."""
    return {
        "format_version": FORMAT_VERSION,
        "by": by,
        "from": time_text(since),
        "to": time_text(until),
        "totals": _spend(found.total),
        "lines": [{"key": line.key, "name": line.name, **_spend(line)} for line in found],
    }


def _spend(line: SpendLine) -> dict[str, Any]:
    return {
        "calls": line.calls,
        "cells": line.cells,
        "credits": json_number(line.cost.known),
        "unpriced_cells": line.cost.unpriced_cells,
        "done": line.done,
        "failed": line.failed,
        "in_doubt_calls": line.in_doubt_calls,
        "in_doubt_cells": line.in_doubt_cells,
        "in_doubt_credits": json_number(line.in_doubt_cost.known),
        **({} if line.changed is None else yield_part(line.changed)),
    }


def yield_part(of: ColumnYield) -> dict[str, Any]:
    """Return what became of a column's answers; the last is a suggestion by arithmetic alone."""
    per_change = of.total.credits_per_change
    return {
        "answers": of.total.answers,
        "changed": of.total.changed,
        "credits_per_change": None if per_change is None else json_number(round(per_change, 6).normalize() + 0),
        "refreshes": of.refreshes,
        "seconds_between_refreshes": None if of.between_seconds is None else round(of.between_seconds),
        "suggested_every": None if of.half_changed_seconds is None else age_text(of.half_changed_seconds),
    }


def time_text(seconds: float | None) -> str | None:
    """Return a time in seconds since the epoch as RFC 3339, UTC, to the millisecond."""
    return None if seconds is None else rfc3339(datetime.fromtimestamp(seconds, UTC), "milliseconds")
