"""A plan as a person reads it: per table what is due and why, what is not and why, the sums last."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

from reconciler.amounts import amount, counted, duration
from reconciler.budget import Limits
from reconciler.clean import clean
from reconciler.manifest import Mode
from reconciler.place import Problem
from reconciler.plan import Call, OpenCall, Plan, PlannedTable, Reason, RunLine, Skip, SkipReason, Violation
from reconciler.render.paint import Colour, Paint

GLYPHS = {Mode.NEW: "+", Mode.FAILED: "!", Mode.ALL: "~"}
Addressed = TypeVar("Addressed", Call, Skip)
NOTHING_DUE, WAITING, DOUBT = "·", "…", "?"

SKIPPED = {
    SkipReason.FAILED: "failed; mode `new` leaves failed cells to a run of mode `failed`",
    SkipReason.IN_PROGRESS: "in progress",
    SkipReason.MISSING_INPUTS: "missing inputs",
    SkipReason.BLOCKED: "blocked, an upstream cell is not done and not part of this plan",
    SkipReason.ATTEMPTS_EXHAUSTED: "out of attempts",
    SkipReason.IN_DOUBT: "in doubt",
    SkipReason.UNKNOWN_STATUS: "of a status this version does not know",
}
"""Reasons worth a line; cells that are where the run wants them are not."""


def plan_text(
    plan: Plan, limits: Limits, violations: Sequence[Violation], paint: Paint, *, is_preview: bool = True
) -> str:
    """Return the whole plan as text, without a newline at its end; a preview ends with what to do next."""
    parts: list[str] = []
    if _is_settled(plan):
        runs = sum(len(table.runs) for table in plan.tables)
        sizes = f"{counted(len(plan.tables), 'table')}, {counted(runs, 'run')}"
        return f"Nothing to do: {sizes}, every cell in scope is where the manifests want it."
    calls = _by_address(plan.calls)
    skips = _by_address(plan.skipped)
    width = max((len(table.manifest) for table in plan.tables), default=0)
    blocks = [_table(table, calls, skips, width, paint) for table in plan.tables]
    if blocks:
        parts.append("\n".join(blocks))
    if plan.in_doubt:
        parts.append(in_doubt_text(plan.in_doubt, paint))
    if plan.diagnostics:
        parts.append(problems_text(plan.diagnostics))
    parts.append(_summary(plan, limits, violations, is_preview=is_preview))
    return "\n\n".join(parts)


def _is_settled(plan: Plan) -> bool:
    quiet = {SkipReason.DONE, SkipReason.SATISFIED}
    return not (plan.calls or plan.in_doubt or plan.diagnostics) and all(skip.reason in quiet for skip in plan.skipped)


def _by_address(items: Sequence[Addressed]) -> dict[str, list[Addressed]]:
    grouped: dict[str, list[Addressed]] = {}
    for item in items:
        grouped.setdefault(item.address, []).append(item)
    return grouped


def _table(
    table: PlannedTable, calls: dict[str, list[Call]], skips: dict[str, list[Skip]], width: int, paint: Paint
) -> str:
    title = f"{clean(table.name)} · {counted(table.rows, 'row')} · {clean(table.run_status)}"
    lines = [f"{paint(table.manifest.ljust(width), Colour.STRONG)}   {title}"]
    names = max((len(_run_name(run)) for run in table.runs), default=0)
    for run in table.runs:
        lines += _run(run, calls.get(run.address, []), skips.get(run.address, []), table, names, paint)
    return "\n".join(lines)


def _run(
    run: RunLine, calls: Sequence[Call], skips: Sequence[Skip], table: PlannedTable, names: int, paint: Paint
) -> list[str]:
    name = _run_name(run).ljust(names)
    worth = [skip for skip in skips if skip.reason in SKIPPED]
    if not calls:
        if not table.is_finished and any(skip.reason is SkipReason.IN_PROGRESS for skip in worth):
            waiting = sum(skip.cells for skip in worth if skip.reason is SkipReason.IN_PROGRESS)
            text = f"{counted(waiting, 'cell')} in progress; due cells wait until the table is idle"
            others = [skip for skip in worth if skip.reason is not SkipReason.IN_PROGRESS]
            return [f"  {WAITING} {name}  {run.mode:<6}  {text}", *_skip_lines(others)]
        notes = [f"{counted(skip.cells, 'cell')} {SKIPPED[skip.reason]}" for skip in worth]
        text = " · ".join(["nothing due", *notes])
        return [paint(f"  {NOTHING_DUE} {name}  {run.mode:<6}  {text}", Colour.QUIET)]
    columns = len({column for call in calls for column in call.columns})
    fields = [
        f"{GLYPHS[run.mode]} {name}",
        f"{run.mode:<6}",
        f"{counted(columns, 'column'):<10}",
        f"{counted(sum(call.cells for call in calls), 'cell'):>12}",
        f"{_credits(calls):>14}",
        _reason(calls[0], len(calls)),
    ]
    return [paint("  " + "  ".join(fields), Colour.CHANGE), *_skip_lines(worth)]


def _skip_lines(skips: Sequence[Skip]) -> list[str]:
    return [f"    {counted(skip.cells, 'cell')} skipped: {SKIPPED[skip.reason]}" for skip in skips]


def _run_name(run: RunLine) -> str:
    return run.address.partition("/")[2]


def _credits(calls: Sequence[Call]) -> str:
    known = [call.credits for call in calls if call.credits is not None]
    if len(known) < len(calls):
        return "credits unknown"
    return f"{amount(sum(known, Decimal(0)))} credits"


def _reason(call: Call, calls: int) -> str:
    words = {
        Reason.CELLS_EMPTY: "no value yet",
        Reason.CELLS_FAILED: "failed",
        Reason.REVISION_CHANGED: f"revision {clean(call.revision or '')} not run",
    }[call.reason]
    return words if calls == 1 else f"{words}, {calls:,} calls"


def in_doubt_text(calls: Sequence[OpenCall], paint: Paint) -> str:
    """Return what is in doubt, and how it ends."""
    verb = "is" if len(calls) == 1 else "are"
    head = f"{DOUBT} {counted(len(calls), 'call')} {verb} in doubt: "
    head += (
        "it may have been paid for, so it will not be sent again."
        if len(calls) == 1
        else ("they may have been paid for, so they will not be sent again.")
    )
    lines = [paint(head, Colour.DOUBT)]
    for call in calls:
        price = "credits unknown" if call.credits is None else f"{amount(call.credits)} credits"
        by = f" by {clean(call.actor)}" if call.actor else ""
        sent = f"sent {duration(call.age_seconds)} ago{by}"
        lines.append(f"  {clean(call.address)} · {counted(call.cells, 'cell')} · {price} · {sent}")
    lines.append(
        "  It settles by itself once the table shows that it ran. Otherwise look at the table, then say which:"
    )
    for call in calls:
        lines.append(f'    reconciler ledger resolve {call.id[:8]} --landed      --reason "…"')
        lines.append(f'    reconciler ledger resolve {call.id[:8]} --not-landed  --reason "…"')
    return "\n".join(lines)


def problems_text(problems: Sequence[Problem]) -> str:
    """Return located problems, one a line with its hint below."""
    lines = []
    for problem in problems:
        lines.append(f"{problem.place}: {problem.message}")
        if problem.hint:
            lines.append(f"  {problem.hint}")
    return "\n".join(lines)


def _summary(plan: Plan, limits: Limits, violations: Sequence[Violation], *, is_preview: bool) -> str:
    totals = plan.totals()
    if plan.errored:
        tail = f"The plan has {counted(len(plan.diagnostics), 'error')} and cannot be applied. Nothing was sent."
        return f"Plan: {tail}"
    if not plan.calls:
        return f"Nothing to do now: {counted(totals.tables, 'table')}, no call. Nothing was sent."
    limit = f" (limit {amount(limits.max_credits.value)})" if limits.max_credits is not None else ""
    if totals.credits is None:
        price = f"{amount(totals.known_credits)} credits and {counted(totals.unpriced_cells, 'cell')} of unknown price"
    else:
        price = f"{amount(totals.credits)} credits"
    sizes = [counted(totals.tables, "table"), counted(totals.calls, "call"), counted(totals.cells, "cell"), price]
    if not is_preview:
        return f"Plan: {', '.join(sizes)}{limit}."
    lines = [f"Plan: {', '.join(sizes)}{limit}. Nothing was sent."]
    lines += [f"An apply would be refused: {each.message}\n  set in {each.set_at}" for each in violations]
    if not violations:
        lines.append("Apply it with `reconciler apply`, or save it with `--out plan.json`.")
    return "\n".join(lines)
