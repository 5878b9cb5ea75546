"""An intent as it will be written down, worked out before its transaction, whose end other calls wait for."""

from dataclasses import dataclass
from typing import Any

from reconciler.errors import LedgerError
from reconciler.ledger import codec, events, spent
from reconciler.ledger.codec import Values
from reconciler.ledger.extents import Extent
from reconciler.model.attempt import Intent
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import Lease


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts that do not depend on what the ledger holds."""

    intent: Intent
    lease: Lease | None
    extent: Extent
    call: Values
    """Columns of `calls`."""
    rows: Values
    """Columns of `call_rows`."""
    event: str
    """The details of its event."""


def draft(intent: Intent, lease: Lease | None, token: str) -> Draft:
    """Return the draft of an intent. Raises LedgerError."""
    call = intent.call
    if sum(block.cells for block in call.covered) != call.cells:
        raise LedgerError(f"call {call.id} cannot be recorded: it does not say which cells it covers")
    if lease is not None and lease.table_id != call.table_id:
        raise LedgerError(f"call {call.id} is for table {call.table_id}, and the lease for {lease.table_id}")
    extent = Extent.of_call(call)
    values = codec.call_values(call, intent.plan_id, intent.labels) | codec.actor_values(intent.actor) | extent.values()
    values["table_version"] = intent.version + 1
    values["state"] = CallState.INTENT.value
    values["token"] = token
    values["counted"] = spent.charge_value(intent.charge)
    values["apply_id"] = intent.apply_id or None
    detail: dict[str, Any] = {
        "address": call.address,
        "plan_id": intent.plan_id,
        "who": intent.actor.name,
        "ci_run": intent.actor.ci_run,
        "git_sha": intent.actor.git_sha,
        "cells": call.cells,
        "credits": None if call.credits is None else str(call.credits),
        "table_version": intent.version + 1,
        "fence": None if lease is None else lease.fence,
    }
    if len({call.prices.get(column) for column in call.columns}) > 1:
        known = {column: call.prices.get(column) for column in call.columns}
        detail["prices"] = {column: None if each is None else str(each) for column, each in known.items()}
    rows = extent.rows_values(codec.marks_value(call.before))
    return Draft(intent, lease, extent, values, rows, events.details(detail))
