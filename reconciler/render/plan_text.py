"""A plan as text: for each table, which cells are due and which are not, and why; the totals come last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from reconciler.model.credits import Credits
from reconciler.model.limits import Limits
from reconciler.model.manifest import Mode
from reconciler.model.plan import (
    Call,
    Plan,
    PlannedRun,
    PlannedTable,
    Reason,
    Skip,
    SkipReason,
    Violation,
)
from reconciler.model.rollout_result import RolloutResult
from reconciler.render.alignment import aligned
from reconciler.render.budget_words import budget_lines
from reconciler.render.colour import MODE_COLOURS, Colour, Paint
from reconciler.render.columns_text import columns_lines
from reconciler.render.plan_parts import (
    WAITING,
    growth_text,
    in_doubt_text,
    pending_text,
    price_text,
    problems_text,
    refusal_text,
    schedule_words,
    trial_words,
    waited_for,
)
from reconciler.render.staleness import older_than
from reconciler.text.numbers import amount, counted, moment_text, percent
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line

GLYPHS = {Mode.NEW: "+", Mode.FAILED: "!", Mode.ALL: "~"}
Addressed = TypeVar("Addressed", Call, Skip)
RunKey: TypeAlias = tuple[str, str]
"""Table id and address: a run may cover several tables."""
MOST_TABLES = 20
"""Manifests shown one by one; if there are more, the largest."""
NOTHING_DUE = "·"


@dataclass(frozen=True, slots=True)
class PlanView:
    """How a plan is shown."""

    is_preview: bool = True
    """Ends with what to do next."""
    saved_in: str = ""
    """The plan file, if there is one."""
    lists_all: bool = False
    """Lists manifests with nothing due, too, and every table of a large plan."""
    rows: bool = False
    """Names the rows of each due cell."""
    width: int | None = None
    """The places of the terminal, on which an error's line of the manifest is shown; None if it is none."""


PREVIEW = PlanView()


def plan_text(
    plan: Plan,
    limits: Limits,
    violations: Sequence[Violation],
    paint: Paint,
    *,
    view: PlanView = PREVIEW,
) -> str:
    """Return the whole plan as text, without a newline at its end; a preview ends with what to do next."""
    if _is_settled(plan) and not view.lists_all:
        return f"{_settled(plan)}{_next_step(plan, violations, view.saved_in) if view.is_preview else ''}"
    parts: list[str] = []
    standing = plan.tables if view.lists_all else _standing(plan)
    if len(standing) > MOST_TABLES and plan.calls:
        parts.append(_sums(plan, limits))
    if plan.tables:
        parts.append(_tables(plan, standing, paint, view))
    if plan.growth:
        parts.append(growth_text(plan.growth, paint))
    if plan.pending:
        parts.append(pending_text(plan.pending, paint))
    if plan.in_doubt:
        parts.append(in_doubt_text(plan.in_doubt, paint))
    if plan.diagnostics:
        parts.append(problems_text(plan.diagnostics, view.width, paint))
    if plan.budgets:
        lines = budget_lines((use.content() for use in plan.budgets), one_line)
        parts.append("\n".join(["Budgets", *(f"  {line}" for line in lines)]))
    summary = _settled(plan) if _is_settled(plan) else "\n".join([*_schedule(plan), _summary(plan, limits)])
    parts.append(f"{summary}{_next_step(plan, violations, view.saved_in)}" if view.is_preview else summary)
    return "\n\n".join(parts)


def _is_settled(plan: Plan) -> bool:
    is_open = plan.calls or plan.pending or plan.in_doubt or plan.diagnostics
    return not is_open and all(skip.reason.is_as_wanted for skip in plan.skipped)


def _settled(plan: Plan) -> str:
    """Return the whole text of a plan with nothing to do."""
    runs = sum(len(table.runs) for table in plan.tables)
    sizes = f"{counted(len(plan.tables), 'table')}, {counted(runs, 'run')}"
    running = sum(not table.is_finished for table in plan.tables)
    if running:
        text = f"no cell in scope is due while {counted(running, 'table')} {'is' if running == 1 else 'are'} running."
    elif any(skip.reason is SkipReason.NOT_DUE for skip in plan.skipped):
        text = "no cell in scope is due. Where a header proved it, no rows were read."
    else:
        text = "every cell in scope is where the manifests want it."
    return "\n".join([f"Nothing to do: {sizes}, {text}{_next_due(plan)}", *_schedule(plan)])


def _next_due(plan: Plan) -> str:
    """Return when the first cell falls due, for a plan in which nothing is due now."""
    found = [(run.next_due, run.address) for table in plan.tables for run in table.runs if run.next_due]
    if not found:
        return ""
    moment, address = min(found)
    return f"\nNext due: {one_line(address)}, {moment_text(moment)}."


def _schedule(plan: Plan) -> list[str]:
    """Return what the schedules cost; empty if the plan does not tell."""
    if plan.forecast is None:
        return []
    cost = plan.forecast.cost
    return [schedule_words(cost.known, plan.forecast.change, cost.unpriced_cells, amount)]


def _by_run(items: Sequence[Addressed]) -> dict[RunKey, list[Addressed]]:
    grouped: dict[RunKey, list[Addressed]] = {}
    for item in items:
        grouped.setdefault((item.table_id, item.address), []).append(item)
    return grouped


def _largest(
    tables: Sequence[PlannedTable], calls: Mapping[RunKey, Sequence[Call]]
) -> tuple[Sequence[PlannedTable], Sequence[PlannedTable]]:
    """Split tables into those with errors or the most due cells, in their original order, and the rest."""
    if len(tables) <= MOST_TABLES:
        return tables, ()

    def weight(position: int) -> tuple[bool, int, int]:
        table = tables[position]
        return bool(table.runs), -sum(call.cells for call in _calls_of(table, calls)), position

    order = sorted(range(len(tables)), key=weight)
    shown, left_out = sorted(order[:MOST_TABLES]), order[MOST_TABLES:]
    return [tables[position] for position in shown], [tables[position] for position in left_out]


def _calls_of(table: PlannedTable, calls: Mapping[RunKey, Sequence[Call]]) -> list[Call]:
    return [call for run in table.runs for call in calls.get((table.table_id, run.address), ())]


def _left_out(tables: Sequence[PlannedTable], calls: Mapping[RunKey, Sequence[Call]]) -> str:
    found = [call for table in tables for call in _calls_of(table, calls)]
    cells = counted(sum(call.cells for call in found), "cell")
    return f"… and {counted(len(tables), 'more table')}: {counted(len(found), 'call')}, {cells}, {_credits(found)}"


def _tables(plan: Plan, standing: Sequence[PlannedTable], paint: Paint, view: PlanView) -> str:
    calls, skips, waiting = _by_run(plan.calls), _by_run(plan.skipped), _by_run(plan.waiting)
    shown, left_out = (standing, ()) if view.lists_all else _largest(standing, calls)
    titles = aligned([(paint(table.manifest, Colour.STRONG), _title(table)) for table in shown], gap="   ")
    rows = {
        (table.table_id, run.address): _run_row(table, run, calls, skips, paint)
        for table in shown
        for run in table.runs
    }
    heads = dict(zip(rows, aligned([row.cells for row in rows.values()], right={3, 4}), strict=True))
    lines = []
    for table, title in zip(shown, titles, strict=True):
        lines.append(title)
        if not table.runs:
            reason = "see the errors below" if plan.errored else "no longer approved"
            lines.append(paint(f"  not planned: {reason}", Colour.BAD))
        for key in ((table.table_id, run.address) for run in table.runs):
            columns = columns_lines(calls.get(key, ()) or waiting.get(key, ()), "      ", rows=view.rows)
            lines += [paint(heads[key], rows[key].colour), *columns, *rows[key].below]
    if left_out:
        lines.append(_left_out(left_out, calls))
    if len(standing) < len(plan.tables):
        named = {(table.manifest, table.table_id) for table in standing}
        resting = [table for table in plan.tables if (table.manifest, table.table_id) not in named]
        lines.append(paint(_resting(resting), Colour.QUIET))
    return "\n".join(lines)


def _standing(plan: Plan) -> Sequence[PlannedTable]:
    """Return the tables of which not every cell in scope is where the manifests want it."""
    open_runs = {(call.table_id, call.address) for call in plan.calls}
    open_runs |= {(skip.table_id, skip.address) for skip in plan.skipped if not skip.reason.is_as_wanted}
    return [
        table
        for table in plan.tables
        if not table.runs or any((table.table_id, run.address) in open_runs for run in table.runs)
    ]


def _resting(tables: Sequence[PlannedTable]) -> str:
    """Return the one line about everything that has nothing due."""
    names = {table.manifest for table in tables}
    many = counted(len(tables), "table" if len(names) < len(tables) else "manifest")
    which = one_line(tables[0].manifest) if len(tables) == 1 else many
    dates = [run.next_due for table in tables for run in table.runs if run.next_due]
    later = f", the next cell falls due {moment_text(min(dates))}" if dates else ""
    hint = "" if len(tables) == 1 else " (-v lists them)"
    return f"{NOTHING_DUE} {which}: nothing due{later}{hint}"


def _title(table: PlannedTable) -> str:
    return f"{one_line(table.name)} · {counted(table.rows, 'row')} · {one_line(table.run_status)}"


@dataclass(frozen=True, slots=True)
class _RunRow:
    """A run's cells, to be aligned with those of other runs, and the lines below them."""

    cells: Sequence[str]
    colour: Colour
    below: Sequence[str]


def _run_row(
    table: PlannedTable,
    run: PlannedRun,
    calls: Mapping[RunKey, Sequence[Call]],
    skips: Mapping[RunKey, Sequence[Skip]],
    paint: Paint,
) -> _RunRow:
    key, name = (table.table_id, run.address), (_run_name(run), f"{run.mode:<6}")
    worth = [skip for skip in skips.get(key, ()) if skip.reason not in (SkipReason.DONE, SkipReason.SATISFIED)]
    due = calls.get(key, ())
    trial = _trial_lines(due, run.trial, paint)
    if due:
        next_due = [] if run.next_due is None else [f"    the next cell falls due {moment_text(run.next_due)}"]
        cells = _named(GLYPHS[run.mode], *name, *_sizes(due), _reason(due, run) + _in_waves(due))
        return _RunRow(cells, MODE_COLOURS[run.mode], [*_skip_lines(worth), *next_due, *trial])
    moving = [skip for skip in worth if skip.reason in (SkipReason.IN_PROGRESS, SkipReason.WAITING_FOR_TABLE)]
    if moving and not table.is_finished:
        text = " · ".join(f"{counted(skip.cells, 'cell')} {skip.reason.phrase}" for skip in moving)
        resting = [skip for skip in worth if skip not in moving]
        return _RunRow(_named(WAITING, *name, text), Colour.WAITING, [*_skip_lines(resting), *trial])
    notes = [f"{counted(skip.cells, 'cell')} {_skipped(skip)}" for skip in worth]
    if run.next_due is not None:
        notes.insert(0, f"next {moment_text(run.next_due)}")
    return _RunRow(_named(NOTHING_DUE, *name, " · ".join(["nothing due", *notes])), Colour.QUIET, trial)


def _named(glyph: str, name: str, *cells: str) -> tuple[str, ...]:
    return f"  {glyph} {name}", *cells


def _sizes(calls: Sequence[Call]) -> tuple[str, str, str]:
    """Return a run's columns, cells and credits; a singular is padded to a plural's width, to align the numbers."""
    columns = len({column for call in calls for column in call.columns})
    cells = counted(sum(call.cells for call in calls), "cell")
    price = _credits(calls)
    return (
        counted(columns, "column"),
        cells if cells.endswith("s") else f"{cells} ",
        f"{price} " if price.endswith("credit") else price,
    )


def _skip_lines(skips: Sequence[Skip]) -> list[str]:
    return [f"    {counted(skip.cells, 'cell')} skipped: {_skipped(skip)}" for skip in skips]


def _skipped(skip: Skip) -> str:
    return skip.reason.phrase + waited_for([(each.column, each.is_implied) for each in skip.waits_for], quote)


def _run_name(run: PlannedRun) -> str:
    return run.address.partition("/")[2]


def _credits(calls: Sequence[Call]) -> str:
    return price_text(Credits.of(calls).total)


def _reason(calls: Sequence[Call], run: PlannedRun) -> str:
    words = {
        Reason.CELLS_EMPTY: "no value yet",
        Reason.CELLS_FAILED: "failed",
        Reason.REVISION_CHANGED: f"revision {one_line(calls[0].revision or '')} not run",
        Reason.CONFIG_CHANGED: "not run with the present configuration",
        Reason.CELLS_STALE: f"older than {older_than(run.refresh, run.stale_before)}, or never run",
    }[calls[0].reason]
    return words if len(calls) == 1 else f"{words}, {len(calls):,} calls"


def _in_waves(calls: Sequence[Call]) -> str:
    """Return the calls' waves; empty if all are in the first."""
    waves = sorted({call.wave for call in calls})
    if len(waves) == 1:
        return "" if waves == [1] else f", wave {waves[0]}"
    return f", waves {waves[0]} {'and' if len(waves) == 2 else 'to'} {waves[-1]}"


def _trial_lines(calls: Sequence[Call], trial: RolloutResult | None, paint: Paint) -> list[str]:
    """Return how a rollout continues; empty if it has ended."""
    if trial is None or (not trial.is_breached and (trial.cells or len({call.wave for call in calls}) < 2)):
        return []
    if trial.is_breached:
        return [paint(f"    {trial_words(trial)}", Colour.BAD)]
    portion = counted(trial.first, "row")
    terms = [] if trial.max_failed is None else [f"at most {percent(trial.max_failed)} of their cells failed"]
    terms += ["their answers are as expected"] if trial.judgements else []
    return [f"    first {portion}; the rest once {' and '.join(terms)}"]


def _summary(plan: Plan, limits: Limits) -> str:
    if plan.errored:
        return f"The plan has {counted(len(plan.diagnostics), 'error')} and cannot be applied. Nothing was sent."
    if not plan.calls and plan.waiting:
        cells = counted(sum(call.cells for call in plan.waiting), "cell")
        verb = "waits" if cells == "1 cell" else "wait"
        return f"No call can be sent now: {cells} ({_credits(plan.waiting)}) {verb} until the table is idle."
    if not plan.calls:
        return f"Nothing to do now: {counted(len(plan.tables), 'table')}, no call is due. Nothing was sent."
    return _sums(plan, limits) + _last_wave(plan)


def _sums(plan: Plan, limits: Limits) -> str:
    totals = plan.totals()
    noted = [f"limit {amount(limits.max_credits.value)}"] if limits.max_credits is not None else []
    if plan.account is not None and plan.account.is_unlimited and plan.calls:
        noted.append("balance unlimited")
    limit = f" ({', '.join(noted)})" if noted else ""
    price = price_text(totals.credits)
    if totals.credits is None and totals.cost.known:
        unpriced = f"{counted(totals.cost.unpriced_cells, 'cell')} of unknown price"
        price = f"{price_text(totals.cost.known)} and {unpriced}"
    sizes = [counted(totals.tables, "table"), counted(totals.calls, "call"), counted(totals.cells, "cell"), price]
    return f"Plan: {', '.join(sizes)}{limit}.{_balance(plan)}"


def _balance(plan: Plan) -> str:
    """Return how many credits the account has, and what of them is left after the plan."""
    if plan.account is None or plan.account.is_unlimited or not plan.calls:
        return ""
    if plan.account.available is None:
        return " The account's balance is unknown."
    cost, available = plan.totals().cost.known, plan.account.available
    left = plan.account.after(plan.totals().credits)
    rest = "" if left is None or left < 0 else f", {amount(left)} left"
    return f" It costs {amount(cost)} of {amount(available)} credits{rest}."


def _last_wave(plan: Plan) -> str:
    last = max(call.wave for call in plan.calls)
    return f" In {last} waves, one after the other." if last > 1 else ""


def _next_step(plan: Plan, violations: Sequence[Violation], saved_in: str) -> str:
    """Return the end of a preview: that nothing was sent, and what to do; empty if nothing can be done."""
    if plan.errored:
        return " Exit code 1.\nMend what is named above, then plan again with `reconciler plan`."
    if violations:
        step = refusal_text(violations, "Exit code 3. ")
    elif not plan.has_due:
        return ""
    elif not plan.calls:
        step = "`reconciler apply` waits for it and sends them then."
    elif saved_in:
        step = f"Apply it with `reconciler apply --plan {one_line(saved_in)}`."
    else:
        step = "Apply it with `reconciler apply`, or save it with `--out plan.json`."
    return f"{' Nothing was sent.' if plan.has_due else ''}\n{step}"
