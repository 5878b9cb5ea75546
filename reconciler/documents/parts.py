"""Parts that several documents share: each noun is encoded as JSON in one place."""

from typing import Any

from reconciler.model.attempt import Settlement
from reconciler.model.plan import CallInDoubt, Pending
from reconciler.text.location import Diagnostic, Location
from reconciler.text.numbers import json_number


def location_part(of: Location) -> dict[str, Any]:
    """Return a location in a file."""
    return {"path": of.path, "line": of.line, "column": of.column}


def diagnostic_part(of: Diagnostic) -> dict[str, Any]:
    """Return a diagnostic with its location."""
    return {**location_part(of.location), "code": of.code.value, "message": of.message, "hint": of.hint}


def call_in_doubt_part(of: CallInDoubt) -> dict[str, Any]:
    """Return a call in doubt."""
    return {
        "id": of.id,
        "address": of.address,
        "table_id": of.table_id,
        "cells": of.cells,
        "credits": json_number(of.credits),
    }


def pending_part(of: Pending) -> dict[str, Any]:
    """Return a manifest whose table does not exist yet, without its location."""
    return {"manifest": of.manifest, "waits_for": of.waits_for}


def settlement_part(of: Settlement | None) -> dict[str, Any] | None:
    """Return the counts of a call's cells; None while they are unknown."""
    return None if of is None else {"done": of.done, "failed": of.failed, "not_started": of.not_started}
