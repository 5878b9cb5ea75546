"""Read a saved plan's file, with the same refusals and the same hints for every caller."""

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
    content = saved_plan_checks.parse(data.decode("utf-8", "replace"))
    problems = json_schema.problems("plan", content)
    if problems:
        raise StalePlan(
            f"the plan file is not understood: {problems[0].message}",
            hint="It was edited, or made by another version. Make a new plan and have it approved.",
            code=Code.PLAN_FILE_NOT_UNDERSTOOD,
        )
    saved_plan_checks.check_id(content)
    return content


def read_saved_plan(path: Path, max_age_seconds: float) -> SavedPlan:
    """Return what a plan file approves. Raises StalePlan if it is not understood or too old, SettingsError."""
    return saved_plan_checks.check_plan(read_plan_document(path), datetime.now(UTC), max_age_seconds)
