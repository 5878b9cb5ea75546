"""Reconciliation → JSON, for `reconciler ledger reconcile` and `drift --outside`."""

from datetime import UTC, datetime
from typing import Any

from reconciler.model.balance import BalanceRecord, Interval, MovedTable, Reconciliation, ends
from reconciler.text.numbers import json_number, rfc3339

FORMAT_VERSION = "1.0"


def reconciliation_document(of: Reconciliation) -> dict[str, Any]:
    """Return it as JSON; without two balances to compare, `from`, `to` and the balance are null."""
    found = ends(of.intervals)
    since, until = found or (None, None)
    return {
        "format_version": FORMAT_VERSION,
        "from": _time(since),
        "to": _time(until),
        "balance": {"from": _available(since), "to": _available(until)},
        "ours": json_number(of.ours),
        "outside": json_number(of.outside),
        "refunded": json_number(of.refunded),
        "in_doubt": json_number(of.in_doubt),
        "unpriced_cells": of.unpriced_cells,
        "intervals": [_interval(each) for each in of.intervals],
        "tables": [_table(each) for each in of.tables],
    }


def _interval(of: Interval) -> dict[str, Any]:
    return {
        "from": _time(of.since),
        "to": _time(of.until),
        "plan_id": of.since.plan_id or None,
        "ours": json_number(of.ours),
        "outside": json_number(of.outside),
        "refunded": json_number(of.refunded),
    }


def _table(of: MovedTable) -> dict[str, Any]:
    return {
        "table_id": of.table_id,
        "name": of.name,
        "manifests": list(of.manifests),
        "cells": of.cells,
        "moved": [{"from": _moment(each.since), "to": _moment(each.until), "cells": each.cells} for each in of.moves],
    }


def _time(of: BalanceRecord | None) -> str | None:
    return None if of is None else _moment(of.at)


def _moment(at: float) -> str:
    return rfc3339(datetime.fromtimestamp(at, UTC))


def _available(of: BalanceRecord | None) -> int | float | None:
    return None if of is None else json_number(of.available)
