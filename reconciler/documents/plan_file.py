"""Plan → JSON, versioned (`schemas/plan.v1.json`): CI keeps it, a reviewer approves it and `apply --plan` reads it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reconciler.documents.parts import call_in_doubt_part, diagnostic_part, location_part, pending_part
from reconciler.model.account import Account
from reconciler.model.change import ChangeImpact
from reconciler.model.limits import Limits
from reconciler.model.origin import Origin, SnapshotOrigin
from reconciler.model.plan import (
    FORMAT_VERSION,
    Call,
    ExpectedGrowth,
    Pending,
    Plan,
    PlannedRun,
    PlannedTable,
    Totals,
    Violation,
    WaitsFor,
)
from reconciler.text.digest import digest_of_parts
from reconciler.text.numbers import json_number, rfc3339

PIECES_AT_ONCE = 10_000
_ENCODER = json.JSONEncoder(indent=2, ensure_ascii=True)


def document(
    plan: Plan,
    origin: Origin,
    violations: Sequence[Violation] = (),
    *,
    limits: Limits | None = None,
    against: ChangeImpact | None = None,
    taken: SnapshotOrigin | None = None,
) -> dict[str, Any]:
    """Return the plan file's content. Its `plan_id` is the digest of everything else in it."""
    content: dict[str, Any] = {
        "created_at": origin.created_at,
        "format_version": FORMAT_VERSION,
        "tool_version": origin.tool_version,
        "errored": plan.errored,
        "git": None if origin.git is None else asdict(origin.git),
        "manifest_digest": plan.manifest_digest,
        "manifest_digests": dict(plan.manifest_digests),
        "api": {"base_url": origin.base_url},
        "targeted": {"include": list(plan.include), "exclude": list(plan.exclude)},
        "tables": [_table(table) for table in plan.tables],
        "calls": [_call(call) for call in plan.calls],
        "skipped": _skips(plan),
        **({"growth": [_growth(each) for each in plan.growth]} if plan.growth else {}),
        "in_doubt": [call_in_doubt_part(call) for call in plan.in_doubt],
        "totals": totals(plan.totals()),
        "violations": [_violation(violation) for violation in violations],
        "diagnostics": [diagnostic_part(each) for each in plan.diagnostics],
    }
    if origin.review is not None:
        content["review"] = asdict(origin.review)
    if plan.account is not None:
        content["balance"] = _balance(plan, plan.account)
    if plan.forecast is not None:
        content["forecast"] = {
            "days": plan.forecast.days,
            "credits": json_number(plan.forecast.cost.total),
            "change": json_number(plan.forecast.change),
            "unpriced_cells": plan.forecast.cost.unpriced_cells,
        }
    if plan.budgets:
        content["budgets"] = [use.content() for use in plan.budgets]
    if plan.ledger_id:
        content["ledger"] = {"id": plan.ledger_id}
    if plan.pending:
        content["pending"] = [_pending(each) for each in plan.pending]
    allowed = {} if limits is None else {"max_credits": limits.max_credits, "max_cells": limits.max_cells}
    if any(allowed.values()):
        content["limits"] = {name: json_number(limit.value) if limit else None for name, limit in allowed.items()}
    if against is not None:
        content["against"] = _against(against)
    if taken is not None:
        content["live"] = {"source": "snapshot", **asdict(taken)}
    return {"plan_id": plan_id(content), **content}


def plan_id(content: Mapping[str, Any]) -> str:
    """Return the digest of a plan file's content, except for the `plan_id` itself."""
    return digest_of_parts({key: value for key, value in content.items() if key != "plan_id"})


def _skips(plan: Plan) -> list[dict[str, Any]]:
    """Return the skips, each with its table if its address may stand for several."""
    several = {run.address for table in plan.tables if table.has_siblings for run in table.runs}
    return [
        {"address": skip.address, "reason": skip.reason.value, "cells": skip.cells}
        | ({"table_id": skip.table_id} if skip.address in several else {})
        | ({"waits_for": [_waits_for(each) for each in skip.waits_for]} if skip.waits_for else {})
        for skip in plan.skipped
    ]


def _waits_for(of: WaitsFor) -> dict[str, Any]:
    return {"column": of.column, "implied": of.is_implied}


def _pending(of: Pending) -> dict[str, Any]:
    return pending_part(of) | location_part(of.location)


def _balance(plan: Plan, account: Account) -> dict[str, Any]:
    return {
        "organization": account.organization_slug or account.organization_id or None,
        "available": json_number(account.available),
        "after": json_number(account.after(plan.totals().credits)),
        "unlimited": account.is_unlimited,
        "source": account.source or None,
    }


def _violation(violation: Violation) -> dict[str, Any]:
    return {
        "rule": violation.rule,
        "message": violation.message,
        "set_at": violation.set_at,
        "number": json_number(violation.number),
        "limit": json_number(violation.limit),
        "contact": violation.raised_by,
    }


def _against(against: ChangeImpact) -> dict[str, Any]:
    return {
        "ref": against.ref,
        "changes": [
            {
                "address": change.address,
                "text": change.text,
                **location_part(change.location),
            }
            for change in against.changes
        ],
        "caused": totals(against.caused),
        "due_anyway": totals(against.anyway),
        "no_longer_due": totals(against.dropped),
    }


def iter_json(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the file's text piece by piece, so that a large plan is never in memory as a whole."""
    pieces: list[str] = []
    for piece in _ENCODER.iterencode(content):
        pieces.append(piece)
        if len(pieces) == PIECES_AT_ONCE:
            yield "".join(pieces)
            pieces.clear()
    yield "".join(pieces) + "\n"


def _table(table: PlannedTable) -> dict[str, Any]:
    content: dict[str, Any] = {
        "manifest": table.manifest,
        "labels": dict(table.labels),
        "table_id": table.table_id,
        "name": table.name,
        "run_status": table.run_status,
        "rows": table.rows,
        "columns_digest": table.columns_digest,
        "cells": None if table.cells is None else asdict(table.cells),
        "runs": [_run(run) for run in table.runs],
    }
    if table.source is not None:
        content["found_by"] = table.source.content()
    return content


def _run(run: PlannedRun) -> dict[str, Any]:
    content: dict[str, Any] = {
        "address": run.address,
        "mode": run.mode.value,
        "revision": run.revision,
        "columns": run.columns,
        "cells": run.cells,
    }
    if run.trial is not None:
        content["rollout"] = {
            "first": run.trial.first,
            "max_failed": json_number(run.trial.max_failed),
            "tried": run.trial.cells,
            "failed": run.trial.failed,
        }
        if run.trial.judgements:
            content["rollout"]["expect"] = [each.content() for each in run.trial.judgements]
    if run.follows_config:
        content["revision_of"] = "config"
    if run.refresh is not None:
        content["refresh"] = run.refresh.content()
        if run.stale_before is not None:
            content["stale_before"] = run.stale_before.isoformat(timespec="seconds")
        content["next_due"] = None if run.next_due is None else rfc3339(run.next_due)
    return content


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
        "prices": {
            key: json_number(call.prices.get(column))
            for column, key in zip(call.columns, call.column_keys, strict=True)
        },
        "reason": call.reason.value,
        "wave": call.wave,
    }
    if call.cause is not None:
        content["cause"] = call.cause.value
    if call.cells < len(call.columns) * len(call.rows):
        # The rectangle also covers cells that its mode leaves alone; only the others are approved.
        content["due"] = [{"columns": list(block.columns), "rows": list(block.rows)} for block in call.covered]
    return content


def _growth(growth: ExpectedGrowth) -> dict[str, Any]:
    return {
        "manifest": growth.manifest,
        "table_id": growth.table_id or None,
        "because": growth.because,
        "max_cells": growth.max_cells,
        "max_credits": json_number(growth.max_credits),
        "max_rows": growth.max_rows,
    }


def totals(of: Totals) -> dict[str, Any]:
    """Return the sums; `credits` is null where a price is unknown, never too low."""
    return {
        "tables": of.tables,
        "calls": of.calls,
        "cells": of.cells,
        "credits": json_number(of.credits),
        "unpriced_cells": of.cost.unpriced_cells,
    }
