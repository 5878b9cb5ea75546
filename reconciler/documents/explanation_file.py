"""Explanation → JSON, versioned."""

from collections.abc import Sequence
from typing import Any

from reconciler.planning.explanation import ExplainedCells
from reconciler.text.codes import Code
from reconciler.text.numbers import json_number

FORMAT_VERSION = "1.0"


def explanation_document(found: Sequence[ExplainedCells]) -> dict[str, Any]:
    """Return the JSON content: one entry for each run, column and reason."""
    return {"format_version": FORMAT_VERSION, "cells": [_group(each) for each in found]}


def code_document(of: Code) -> dict[str, Any]:
    """Return the JSON content for one code."""
    return {"format_version": FORMAT_VERSION, "code": of.value, "title": of.summary, "why": of.why, "mend": of.mend}


def _group(group: ExplainedCells) -> dict[str, Any]:
    return {
        "address": group.address,
        "table_id": group.table_id,
        "column": group.column,
        "due": group.is_due,
        "reason": group.reason.value,
        "cells": group.cells,
        "rows": list(group.rows),
        "waits_for": list(group.waits_for),
        "planned": list(group.planned),
        "covered_by": [
            {
                "call": call.id,
                "address": call.address,
                "mode": call.mode.value,
                "revision": call.revision,
                "state": call.state.value,
                "settled": call.settled,
                "age_seconds": round(call.age_seconds),
            }
            for call in group.covered_by
        ],
        "bought_folded": group.bought_folded,
        "would_change": group.would_change,
        **{
            stale.outdated.reason: {"rows": list(stale.rows), "credits": json_number(stale.cost.total)}
            for stale in group.stale
        },
    }
