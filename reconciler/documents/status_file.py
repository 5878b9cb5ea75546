"""Status and drift → JSON, versioned (`schemas/status.v1.json`, `schemas/drift.v1.json`)."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from reconciler.documents.parts import call_in_doubt_part, diagnostic_part
from reconciler.documents.reconciliation_file import reconciliation_document
from reconciler.model.drift import FAILS_ON, Drift, DriftKind, Severity
from reconciler.model.expectation import Unmet
from reconciler.model.plan import CallInDoubt
from reconciler.model.stale_cells import StaleCells
from reconciler.planning.drift import DriftReport
from reconciler.planning.status import RunStatus, Status
from reconciler.text.numbers import json_number, rfc3339

FORMAT_VERSION = "1.0"


def status_document(of: Status, observed_at: str) -> dict[str, Any]:
    """Return a status as JSON (`schemas/status.v1.json`); `observed_at` is RFC 3339."""
    content: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "observed_at": observed_at,
        "errored": bool(of.diagnostics),
        "tables": [
            {
                "manifest": table.manifest,
                "table_id": table.table_id,
                "name": table.name,
                "run_status": table.run_status,
                "is_finished": table.is_finished,
                "rows": table.rows,
                "cells": None if table.cells is None else asdict(table.cells),
                "runs": [_run(run) for run in table.runs],
            }
            for table in of.tables
        ],
        "in_doubt": [_open_call(call) for call in of.in_doubt],
        "totals": {
            "tables": len(of.tables),
            "runs": sum(len(table.runs) for table in of.tables),
            "calls": of.calls,
            "due": of.due,
            "credits": json_number(of.cost.total),
        },
        "diagnostics": [diagnostic_part(each) for each in of.diagnostics],
    }
    if of.pending:
        content["pending"] = [{"manifest": each.manifest, "waits_for": each.waits_for} for each in of.pending]
    return content


def drift_document(found: DriftReport, observed_at: str, fail_on: Collection[DriftKind] = FAILS_ON) -> dict[str, Any]:
    """Return the causes of drift as JSON (`schemas/drift.v1.json`); `observed_at` is RFC 3339.

    `fail_on` are the kinds of causes that count as drift.
    """
    plan = found.plan
    content = {
        "format_version": FORMAT_VERSION,
        "observed_at": observed_at,
        "errored": plan.errored,
        "drifted": found.fails_on(fail_on),
        "causes": [*map(drift_part, found.causes), *map(_unmet, found.unmet), *map(_stale, found.stale)],
        "in_doubt": [_open_call(call) for call in plan.in_doubt],
        "diagnostics": [diagnostic_part(each) for each in plan.diagnostics],
    }
    if found.outside is not None:
        content["outside"] = reconciliation_document(found.outside)
    return content


def drift_part(drift: Drift) -> dict[str, Any]:
    """Return one cause."""
    content: dict[str, Any] = {
        "address": drift.address,
        "table_id": drift.table_id,
        "reason": drift.reason.value,
        "revision": drift.revision,
        "cells": drift.cells,
        "credits": json_number(drift.credits),
        "kind": drift.kind.value,
        "severity": drift.kind.severity.value,
    }
    if drift.call:
        content["call"] = drift.call
    if drift.refresh is not None:
        content["refresh"] = drift.refresh.content()
    return content


def _unmet(unmet: Unmet) -> dict[str, Any]:
    return {
        "address": unmet.address,
        "table_id": unmet.table_id,
        "reason": "answers_unexpected",
        "revision": None,
        "cells": sum(each.found for each in unmet.judgements),
        "credits": 0,
        "kind": "unexpected",
        "severity": Severity.WARNING.value,
        "expect": [each.content() for each in unmet.judgements],
    }


def _stale(stale: StaleCells) -> dict[str, Any]:
    return {
        "address": stale.address,
        "table_id": stale.table_id,
        "reason": stale.outdated.reason,
        "revision": None,
        "cells": stale.cells,
        "credits": json_number(stale.cost.total),
        "kind": "stale",
        "severity": Severity.INFO.value,
        "columns": dict(stale.columns),
    }


def _run(run: RunStatus) -> dict[str, Any]:
    return {
        "address": run.address,
        "mode": run.mode.value,
        "revision": run.revision,
        "cells": run.cells,
        "shown": None if run.shown is None else asdict(run.shown),
        "due": run.due,
        "credits": json_number(run.credits),
        "waiting": run.waiting,
        "blocked": run.blocked,
        "missing_inputs": run.missing_inputs,
        "in_doubt": run.in_doubt,
        "attempts_exhausted": run.exhausted,
        "not_started": run.not_started,
        "age_unknown": run.age_unknown,
        "held_back": run.held_back,
        "behind": run.behind,
        "next_due": rfc3339(run.next_due),
    }


def _open_call(call: CallInDoubt) -> dict[str, Any]:
    return {**call_in_doubt_part(call), "age_seconds": round(call.age_seconds or 0)}
