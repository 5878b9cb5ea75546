"""Plan → JSON, versioned (`schemas/plan.v1.json`): what CI keeps, a reviewer approves and `apply --plan` takes back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reconciler.amounts import json_number
from reconciler.fingerprint import digest
from reconciler.place import Problem
from reconciler.plan import FORMAT_VERSION, Call, OpenCall, Plan, PlannedTable, Totals, Violation


@dataclass(frozen=True, slots=True)
class GitState:
    """The commit the manifests were read at."""

    sha: str
    dirty: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when a plan was made: everything in the file that is not the plan itself."""

    created_at: str
    """RFC 3339, UTC."""
    tool_version: str
    base_url: str
    git: GitState | None = None
    """None outside a git work tree."""


def document(plan: Plan, origin: Origin, violations: Sequence[Violation] = ()) -> dict[str, Any]:
    """Return the plan file's content. Its `plan_id` is the digest of all of it but `plan_id` and `created_at`."""
    content: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "tool_version": origin.tool_version,
        "errored": plan.errored,
        "git": None if origin.git is None else asdict(origin.git),
        "manifest_digest": plan.manifest_digest,
        "api": {"base_url": origin.base_url},
        "targeted": {"include": list(plan.include), "exclude": list(plan.exclude)},
        "tables": [_table(table) for table in plan.tables],
        "calls": [_call(call) for call in plan.calls],
        "skipped": [
            {"address": skip.address, "reason": skip.reason.value, "cells": skip.cells} for skip in plan.skipped
        ],
        "in_doubt": [_open_call(call) for call in plan.in_doubt],
        "totals": totals(plan.totals()),
        "violations": [
            {"rule": violation.rule, "message": violation.message, "set_at": violation.set_at}
            for violation in violations
        ],
        "diagnostics": [problem(each) for each in plan.diagnostics],
    }
    return {"plan_id": plan_id(content), "created_at": origin.created_at, **content}


def plan_id(content: Mapping[str, Any]) -> str:
    """Return the digest of a plan file's content; `plan_id` and `created_at` themselves do not count."""
    return digest({key: value for key, value in content.items() if key not in ("plan_id", "created_at")})


def _table(table: PlannedTable) -> dict[str, Any]:
    return {
        "manifest": table.manifest,
        "labels": dict(table.labels),
        "table_id": table.table_id,
        "name": table.name,
        "run_status": table.run_status,
        "rows": table.rows,
        "columns_digest": table.columns_digest,
        "cells": asdict(table.cells),
        "runs": [
            {
                "address": run.address,
                "mode": run.mode.value,
                "revision": run.revision,
                "columns": run.columns,
                "cells": run.cells,
            }
            for run in table.runs
        ],
    }


def _call(call: Call) -> dict[str, Any]:
    content: dict[str, Any] = {
        "id": call.id,
        "address": call.address,
        "table_id": call.table_id,
        "mode": call.mode.value,
        "revision": call.revision,
        "columns": list(call.columns),
        "column_keys": list(call.column_keys),
        "column_digests": [call.configs[column] for column in call.columns],
        "rows": list(call.rows),
        "cells": call.cells,
        "credits": json_number(call.credits),
        "reason": call.reason.value,
        "wave": call.wave,
    }
    if call.cells < len(call.columns) * len(call.rows):
        # The rectangle covers cells that its mode leaves alone; approval is for the others only.
        content["due"] = [{"columns": list(block.columns), "rows": list(block.rows)} for block in call.covered]
    return content


def _open_call(call: OpenCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "address": call.address,
        "table_id": call.table_id,
        "cells": call.cells,
        "credits": json_number(call.credits),
    }


def totals(of: Totals) -> dict[str, Any]:
    """Return the sums; `credits` is null where a price is unknown, never too low."""
    return {
        "tables": of.tables,
        "calls": of.calls,
        "cells": of.cells,
        "credits": json_number(of.credits),
        "unpriced_cells": of.unpriced_cells,
    }


def problem(of: Problem) -> dict[str, Any]:
    """Return a diagnostic with its place."""
    return {
        "path": of.place.path,
        "line": of.place.line,
        "column": of.place.column,
        "message": of.message,
        "hint": of.hint,
    }
