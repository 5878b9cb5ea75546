"""Records of the ledger → CSV, for spreadsheets.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and names come from outside: such a text
is written with an apostrophe before it, which spreadsheets take for: this is text.
"""

import csv
from collections.abc import Iterable, Sequence
from decimal import Decimal
from types import SimpleNamespace

from reconciler.documents.ledger_file import time_text, yield_part
from reconciler.model.ledger_entries import CallRecord, ColumnYield, SpendReport
from reconciler.text.sanitize import one_line

Value = str | int | float | Decimal | None

_CALL = (
    *("id", "begun_at", "state", "address", "table_id", "mode", "revision", "columns", "cells", "requested_cells"),
    *("credits", "done", "failed", "not_started", "actor", "ci_run", "api_run", "plan_id", "labels"),
)
_CHANGED = ("answers", "changed", "credits_per_change", "suggested_every")
_LONGEST = 2000
_FORMULA = ("=", "+", "-", "@")


def calls_csv(calls: Iterable[CallRecord]) -> str:
    """Return calls under a line of titles, without a newline at the end."""
    return _csv(_CALL, map(_call, calls))


def _call(of: CallRecord) -> Sequence[Value]:
    found = of.settlement
    results = (None, None, None) if found is None else (found.done, found.failed, found.not_started)
    labels = ",".join(f"{key}={value}" for key, value in of.labels.items())
    return (
        *(of.id, time_text(of.begun_at), of.shown_state, of.address, of.table_id, of.mode.value, of.revision),
        *(",".join(of.column_keys), of.cells, of.requested_cells, of.credits, *results),
        *(of.actor.name, of.actor.ci_run, of.run_id, of.plan_id, labels),
    )


def spend_csv(found: SpendReport, by: str) -> str:
    """Return a line per group under a line of titles; no total, which a sum over a column would count twice."""
    titles = (
        *(by, "name", "calls", "cells", "done", "failed", "credits", "unpriced_cells"),
        *("in_doubt_calls", "in_doubt_cells", "in_doubt_credits"),
        *(_CHANGED if by == "column" else ()),
    )
    rows = (
        (
            *(line.key, line.name, line.calls, line.cells, line.done, line.failed),
            *(line.cost.known, line.cost.unpriced_cells),
            *(line.in_doubt_calls, line.in_doubt_cells, line.in_doubt_cost.known),
            *(_changed(line.changed) if by == "column" else ()),
        )
        for line in found
    )
    return _csv(titles, rows)


def _changed(of: ColumnYield | None) -> Sequence[Value]:
    """Return the values under `_CHANGED`, as JSON says them; empty if no refresh of the column was looked at."""
    told = {} if of is None else yield_part(of)
    return [told.get(key) for key in _CHANGED]


def _csv(titles: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    lines: list[str] = []
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\n")
    writer.writerow(titles)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return "".join(lines).rstrip("\n")


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    text = one_line(value, _LONGEST)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
