"""Read a saved plan's file, with the same refusals and the same hints for every caller."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.documents import saved_plan_checks
from reconciler.documents.saved_plan_checks import SavedPlan
from reconciler.errors import StalePlan
from reconciler.manifests import json_schema
from reconciler.manifests.open_file import open_named
from reconciler.operations.named_file import named_file
from reconciler.text.codes import Code

LARGEST_FILE = 64 * 1024**2
"""Bytes; anything larger, including a device, is refused."""
_CALLS_AT_ONCE = 100
_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


def read_plan_document(path: Path) -> Any:
    """Return the JSON of a plan file that matches its `plan_id`. Raises StalePlan if it does not.

    Raises SettingsError if it cannot be read.
    """
    with named_file(path, "Name a file that `reconciler plan --out FILE` wrote."), open_named(path) as file:
        data = file.read(LARGEST_FILE + 1)
    return plan_content(data)


def plan_content(data: bytes) -> Any:
    """Return the JSON of a plan file's bytes, checked like `read_plan_document`. Raises StalePlan."""
    if len(data) > LARGEST_FILE:
        message = f"the plan file is not understood: it is larger than {LARGEST_FILE // 1024**2} MiB"
        raise StalePlan(
            message, hint="Plan a part of the manifests at a time (--target).", code=Code.PLAN_FILE_NOT_UNDERSTOOD
        )
    return checked(saved_plan_checks.parse(data.decode("utf-8", "replace")))


def checked(content: Any) -> Any:
    """Return a plan file's content that is as its schema wants it and matches its `plan_id`; else raise StalePlan.

    Its calls may be any sequence, and are asked for one after the other.
    """
    problem = _problem(content)
    if problem:
        raise StalePlan(
            f"the plan file is not understood: {problem}",
            hint="It was edited, or made by another version. Make a new plan and have it approved.",
            code=Code.PLAN_FILE_NOT_UNDERSTOOD,
        )
    saved_plan_checks.check_id(content)
    return content


def _problem(content: Any) -> str:
    """Return what the schema has against a plan file's content; "" if nothing."""
    calls = content.get("calls") if isinstance(content, dict) else None
    if not isinstance(calls, Sequence) or isinstance(calls, str):
        return _first_problem(content)
    head = _first_problem({**content, "calls": []})
    if head:
        return head
    bare = {name: [] if isinstance(value, list) else value for name, value in content.items()}
    for begin in range(0, len(calls), _CALLS_AT_ONCE):
        some = calls[begin : begin + _CALLS_AT_ONCE]
        if _first_problem({**bare, "calls": list(map(_with_one_row, some))}):
            # The whole of it, with its place in the file.
            for position, call in enumerate(some):
                if said := _first_problem({**bare, "calls": [call]}):
                    return said.replace("calls[0]", f"calls[{begin + position}]")
    return ""


def _first_problem(content: Any) -> str:
    found = json_schema.problems("plan", content)
    return found[0].message if found else ""


def _with_one_row(part: Any) -> Any:
    """Return a call, or a block of it, with one of its rows if all are ids: the schema looks long at each."""
    if not isinstance(part, dict) or not isinstance(rows := part.get("rows"), list):
        return part
    short = {**part, "rows": rows[:1]} if all(isinstance(row, str) and _ID(row) for row in rows) else part
    due = part.get("due")
    return {**short, "due": list(map(_with_one_row, due))} if isinstance(due, list) else short


def read_saved_plan(path: Path, max_age_seconds: float) -> SavedPlan:
    """Return what a plan file approves. Raises StalePlan if it is not understood or too old, SettingsError."""
    return saved_plan_checks.check_plan(read_plan_document(path), datetime.now(UTC), max_age_seconds)
