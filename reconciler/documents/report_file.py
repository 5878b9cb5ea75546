"""Report → JSON, versioned (`schemas/report.v1.json`)."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from reconciler.documents.parts import call_in_doubt_part, settlement_part
from reconciler.model.attempt import CallResult, Settlement
from reconciler.model.expectation import Unmet
from reconciler.model.history import CallState
from reconciler.model.plan import Call
from reconciler.model.report import Report, Yielded, bought_cells, cost_of, sum_cells
from reconciler.text.numbers import json_number

FORMAT_VERSION = "1.0"


def document(report: Report, exit_code: int) -> dict[str, Any]:
    """Return the report's JSON content. Cells and credits are counted from outcomes."""
    accepted = report.in_state(CallState.ACCEPTED)
    return {
        "format_version": FORMAT_VERSION,
        "plan_id": report.plan_id,
        "exit_code": exit_code,
        "stopped": None
        if report.stop is None
        else {"cause": report.stop.cause.value, "message": report.stop.message, "hint": report.stop.hint},
        "calls": [_result(result) for result in report.results],
        "by_manifest": _by_manifest(report.results),
        "in_doubt_before": [call_in_doubt_part(call) for call in report.in_doubt],
        "unrecorded": list(report.unrecorded),
        **_open_ends(report),
        "waited": report.waited,
        "still_running": list(report.still_running),
        "totals": {
            "calls": len(report.results),
            "accepted": len(accepted),
            "refused": len(report.in_state(CallState.REFUSED)),
            "not_sent": len(report.in_state(CallState.NOT_SENT)),
            "in_doubt": len(report.in_state(CallState.IN_DOUBT)),
            "not_attempted": len(report.not_attempted),
            "cells_planned": sum_cells(report.results),
            "cells_accepted": sum(bought_cells(result) for result in accepted),
            "credits_accepted": json_number(cost_of(accepted).total),
            "cells_failed": report.failed_cells,
            "cells_not_started": report.not_started_cells,
        },
    }


def _open_ends(report: Report) -> dict[str, Any]:
    """Return calls of earlier applies that were waited for, and what was approved and not sent although no call went
    wrong; a key is present only if it has entries."""
    held = [
        {
            "address": each.address,
            "table_id": each.table_id,
            "cells": each.cells,
            "tried": each.trial.cells,
            "failed": each.trial.failed,
            "max_failed": json_number(each.trial.max_failed),
        }
        | ({"expect": [judged.content() for judged in breached]} if (breached := each.trial.breached) else {})
        for each in report.held_back
    ]
    grown = [
        {
            "manifest": each.growth.manifest,
            "because": each.growth.because,
            "cells": each.cells,
            "credits": json_number(each.credits),
            "max_cells": each.growth.max_cells,
            "max_credits": json_number(each.growth.max_credits),
        }
        for each in report.outgrown
    ]
    later = [
        {"id": call.id, "address": call.address, "table_id": call.table_id, "cells": call.cells, "wave": call.wave}
        for call in report.later
    ]
    unsent, blocked = (
        [
            {"address": each.address, "table_id": each.table_id, "cells": each.cells, "reason": each.reason}
            for each in cells
        ]
        for cells in (report.unsent, report.blocked)
    )
    stale = [{"manifest": name, "reason": reason} for name, reason in sorted(report.stale.items())]
    resumed = [_result(each) for each in report.resumed]
    found = {"resumed": resumed, "held_back": held, "outgrown": grown, "later": later, "unsent": unsent, "stale": stale}
    found["blocked"] = blocked
    found["yield"] = [yield_part(each) for each in report.yields]
    found["budgets"] = [use.content() for use in report.budgets]
    found["unmet"] = [unmet_part(each) for each in report.unmet]
    return {key: entries for key, entries in (found | {"awaited": list(report.awaited)}).items() if entries}


def yield_part(of: Yielded) -> dict[str, Any]:
    """Return what running a column's cells again changed."""
    content: dict[str, Any] = {
        "address": of.address,
        "table_id": of.table_id,
        "column": of.column,
        "answers": of.total.answers,
        "changed": of.total.changed,
        "credits": json_number(of.total.credits),
    }
    if of.table_name:
        content["table_name"] = of.table_name
    return content


def unmet_part(of: Unmet) -> dict[str, Any]:
    """Return a run whose answers are not as expected."""
    content: dict[str, Any] = {"address": of.address, "table_id": of.table_id}
    content["expect"] = [each.content() for each in of.judgements]
    if of.problem:
        content["problem"] = of.problem
    if of.table_name:
        content["table_name"] = of.table_name
    return content


def _result(result: CallResult) -> dict[str, Any]:
    content = _outcome(result)
    if result.call.table_name:
        content["table_name"] = result.call.table_name
    return content


def _outcome(result: CallResult) -> dict[str, Any]:
    ending = result.ending
    receipt = ending.receipt if ending else None
    return {
        "id": result.call.id,
        "address": result.call.address,
        "table_id": result.call.table_id,
        "mode": result.call.mode.value,
        "revision": result.call.revision,
        "cells": result.call.cells,
        "credits": json_number(result.call.credits),
        "state": "not_attempted" if ending is None else ending.state.value,
        "detail": result.reason if ending is None else ending.detail,
        "status": ending.status if ending else None,
        "run_id": receipt.run_id if receipt else None,
        "requested_cells": receipt.requested_cells if receipt else None,
        "settled": settlement_part(result.settlement),
        "columns": _columns(result.call),
        **{
            name: [{"columns": list(block.columns), "rows": list(block.rows)} for block in blocks]
            for name, blocks in (("failed", result.failed), ("not_started", result.not_started))
            if blocks
        },
    }


def _columns(call: Call) -> list[dict[str, Any]]:
    """Return a call's columns, each with its due cells."""
    cells = Counter(dict.fromkeys(call.columns, 0))
    for block in call.covered:
        cells.update(dict.fromkeys(block.columns, len(block.rows)))
    if not call.covered:  # as a report that was read back has it
        cells = Counter(dict.fromkeys(call.columns, call.cells)) if len(call.columns) == 1 else Counter()
    keys = zip(call.columns, call.column_keys, strict=True)
    return [{"id": column, "key": key, "cells": cells.get(column)} for column, key in keys]


def _by_manifest(results: Sequence[CallResult]) -> list[dict[str, Any]]:
    """Return the receipt: what was planned and how it ended, one entry per manifest, by name."""
    grouped: dict[str, list[CallResult]] = {}
    for result in results:
        grouped.setdefault(result.call.manifest, []).append(result)
    return [{"manifest": manifest, **_receipt(grouped[manifest])} for manifest in sorted(grouped)]


def _receipt(results: Sequence[CallResult]) -> dict[str, Any]:
    ended: dict[CallState | None, list[CallResult]] = {}
    for result in results:
        ended.setdefault(None if result.ending is None else result.ending.state, []).append(result)
    accepted = ended.get(CallState.ACCEPTED, [])
    settled = [result.settlement for result in accepted if result.settlement is not None]
    return {
        "calls": len(results),
        "cells_planned": sum_cells(results),
        "cells_requested": sum(bought_cells(result) for result in accepted),
        "cells_refused": sum_cells(ended.get(CallState.REFUSED, [])),
        "cells_not_sent": sum_cells([*ended.get(CallState.NOT_SENT, []), *ended.get(None, [])]),
        "cells_in_doubt": sum_cells(ended.get(CallState.IN_DOUBT, [])),
        "cells_done": _settled(settled, lambda found: found.done),
        "cells_failed": _settled(settled, lambda found: found.failed),
        "cells_not_started": _settled(settled, lambda found: found.not_started),
        "credits_planned": json_number(cost_of(results).total),
        "credits": json_number(cost_of(accepted).total),
    }


def _settled(found: Sequence[Settlement], count: Callable[[Settlement], int]) -> int | None:
    """Sum a count over the settlements; None if the apply did not wait."""
    return sum(count(each) for each in found) if found else None
