"""A plan as text: for each table, which cells are due and which are not, and why; the totals come last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias, TypeVar

from reconciler.model.credits import Credits
from reconciler.model.limits import Limits
from reconciler.model.manifest import Mode
from reconciler.model.plan import (
    Call,
    CallInDoubt,
    ExpectedGrowth,
    Pending,
    Plan,
    PlannedRun,
    PlannedTable,
    Reason,
    RolloutResult,
    Skip,
    SkipReason,
    Violation,
)
from reconciler.planning.status import Drift
from reconciler.render.alignment import aligned
from reconciler.render.colour import Colour, Paint
from reconciler.render.staleness import older_than
from reconciler.spending.limits_check import NARROW
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import amount, counted, duration, moment_text, percent
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line

GLYPHS = {Mode.NEW: "+", Mode.FAILED: "!", Mode.ALL: "~"}
Addressed = TypeVar("Addressed", Call, Skip)
RunKey: TypeAlias = tuple[str, str]
"""Table id and address: a run may cover several tables."""
MOST_TABLES = 20
"""Manifests shown one by one; if there are more, the largest."""
NOTHING_DUE, WAITING, DOUBT = "·", "…", "?"

MOST_NAMED = 5
"""Upstream columns named per kind."""


def plan_text(
    plan: Plan,
    limits: Limits,
    violations: Sequence[Violation],
    paint: Paint,
    *,
    is_preview: bool = True,
    saved_in: str = "",
) -> str:
    """Return the whole plan as text, without a newline at its end; a preview ends with what to do next.

    `saved_in` is the plan file, if there is one.
    """
    if _is_settled(plan):
        runs = sum(len(table.runs) for table in plan.tables)
        sizes = f"{counted(len(plan.tables), 'table')}, {counted(runs, 'run')}"
        later = _next_due(plan)
        if any(skip.reason is SkipReason.NOT_DUE for skip in plan.skipped):
            return (
                f"Nothing to do: {sizes}, no cell in scope is due. Where a header proved it, no rows were read.{later}"
            )
        return f"Nothing to do: {sizes}, every cell in scope is where the manifests want it.{later}"
    parts: list[str] = []
    if len(plan.tables) > MOST_TABLES and plan.calls:
        parts.append(_sums(plan, limits))
    if plan.tables:
        parts.append(_tables(plan, paint))
    if plan.growth:
        parts.append(growth_text(plan.growth, paint))
    if plan.pending:
        parts.append(pending_text(plan.pending, paint))
    if plan.in_doubt:
        parts.append(in_doubt_text(plan.in_doubt, paint))
    if plan.diagnostics:
        parts.append(problems_text(plan.diagnostics))
    summary = _summary(plan, limits)
    parts.append(f"{summary}{_next_step(plan, violations, saved_in)}" if is_preview else summary)
    return "\n\n".join(parts)


def _is_settled(plan: Plan) -> bool:
    is_open = plan.calls or plan.pending or plan.in_doubt or plan.diagnostics
    return not is_open and all(skip.reason.is_as_wanted for skip in plan.skipped)


def _next_due(plan: Plan) -> str:
    """Return when the first cell falls due, for a plan in which nothing is due now."""
    found = [(run.next_due, run.address) for table in plan.tables for run in table.runs if run.next_due]
    if not found:
        return ""
    moment, address = min(found)
    return f"\nNext due: {one_line(address)}, {moment_text(moment)}."


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


def _tables(plan: Plan, paint: Paint) -> str:
    calls, skips = _by_run(plan.calls), _by_run(plan.skipped)
    shown, left_out = _largest(plan.tables, calls)
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
            colour = rows[key].colour
            lines += [heads[key] if colour is None else paint(heads[key], colour), *rows[key].below]
    if left_out:
        lines.append(_left_out(left_out, calls))
    return "\n".join(lines)


def _title(table: PlannedTable) -> str:
    return f"{one_line(table.name)} · {counted(table.rows, 'row')} · {one_line(table.run_status)}"


@dataclass(frozen=True, slots=True)
class _RunRow:
    """A run's cells, to be aligned with those of other runs, and the lines below them."""

    cells: Sequence[str]
    colour: Colour | None
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
        return _RunRow(cells, Colour.CHANGE, [*_skip_lines(worth), *next_due, *trial])
    moving = [skip for skip in worth if skip.reason in (SkipReason.IN_PROGRESS, SkipReason.WAITING_FOR_TABLE)]
    if moving and not table.is_finished:
        text = " · ".join(f"{counted(skip.cells, 'cell')} {skip.reason.phrase}" for skip in moving)
        resting = [skip for skip in worth if skip not in moving]
        return _RunRow(_named(WAITING, *name, text), None, [*_skip_lines(resting), *trial])
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


def waited_for(columns: Sequence[tuple[str, bool]], spelled: Callable[[str], str]) -> str:
    """Return the columns that blocked cells wait for, each given by key and whether it is implied; empty if unknown."""
    parts = []
    for is_implied, words in ((False, ""), (True, "implied by the kind of table or column: ")):
        keys = [spelled(key) for key, implied in columns if implied is is_implied]
        more = f" and {len(keys) - MOST_NAMED:,} more" if len(keys) > MOST_NAMED else ""
        if keys:
            parts.append(f"{words}{', '.join(keys[:MOST_NAMED])}{more}")
    return f": {'; '.join(parts)}" if parts else ""


def _run_name(run: PlannedRun) -> str:
    return run.address.partition("/")[2]


def _credits(calls: Sequence[Call]) -> str:
    return _price(Credits.of(calls).total)


def _price(credits_: Decimal | None) -> str:
    if credits_ is None:
        return "credits unknown"
    return f"{amount(credits_)} {'credit' if credits_ == 1 else 'credits'}"


def _reason(calls: Sequence[Call], run: PlannedRun) -> str:
    words = {
        Reason.CELLS_EMPTY: "no value yet",
        Reason.CELLS_FAILED: "failed",
        Reason.REVISION_CHANGED: f"revision {one_line(calls[0].revision or '')} not run",
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
    return [f"    first {portion}; the rest once at most {percent(trial.max_failed)} of their cells failed"]


def trial_words(trial: RolloutResult) -> str:
    """Return the result of a first portion in words."""
    share = percent(trial.max_failed)
    return f"{trial.failed:,} of {counted(trial.cells, 'cell')} of the first portion failed, and at most {share} may"


def growth_text(growths: Sequence[ExpectedGrowth], paint: Paint) -> str:
    """Return the cells that may fall due while the plan is applied, with their maximum number if it is known."""
    lines = []
    for each in growths:
        name, because = one_line(each.manifest), one_line(each.because)
        text = f"{name}: {growth_words(because, each.max_rows, each.max_cells, each.max_credits)}"
        lines.append(paint(f"{DOUBT} {text}", Colour.CHANGE))
    return "\n".join(lines)


def growth_words(because: str, rows: int | None, cells: int | None, price: Decimal | float | None) -> str:
    """Return the maximum growth once `because` has run, in words; None stands for an unknown number."""
    most = "no `allow_growth`" if cells is None else f"at most {counted(cells, 'cell')}"
    if rows is None:
        return f"cells unknown until {because} has run; {most}"
    credits_ = "" if price is None else f", {_price(Decimal(price))}"
    return f"{counted(rows, 'row')} at most once {because} has run; {most}{credits_}"


def addressed(of: Call | CallInDoubt | Drift) -> str:
    """Return a call's address, with its table if the address may stand for several."""
    return f"{one_line(of.address)} ({one_line(of.table_name)})" if of.table_name else one_line(of.address)


def pending_text(pending: Sequence[Pending], paint: Paint) -> str:
    """Return the manifests that wait for their table, one per line."""
    rows = [(f"{WAITING} {each.manifest}", f"waits for {one_line(each.waits_for)}: not there yet") for each in pending]
    return "\n".join(paint(line, Colour.QUIET) for line in aligned(rows))


def in_doubt_text(calls: Sequence[CallInDoubt], paint: Paint) -> str:
    """Return the calls in doubt, and how each doubt ends."""
    verb, they = ("is", "it") if len(calls) == 1 else ("are", "they")
    head = f"{DOUBT} {counted(len(calls), 'call')} {verb} in doubt: "
    head += f"{they} may have been paid for, so {they} will not be sent again."
    lines = [paint(head, Colour.DOUBT)]
    for call in calls:
        by = f" by {one_line(call.actor)}" if call.actor else ""
        sent = "sent earlier" if call.age_seconds is None else f"sent {duration(call.age_seconds)} ago"
        lines.append(f"  {addressed(call)} · {counted(call.cells, 'cell')} · {_price(call.credits)} · {sent}{by}")
        lines.append("    It settles by itself once the table shows that it ran" + _or_that_it_did_not(call))
    lines.append("  Otherwise look at the table, then say which:")
    for call in calls:
        lines.append(f'    reconciler ledger resolve {call.id[:8]} --landed      --reason "…"')
        lines.append(f'    reconciler ledger resolve {call.id[:8]} --not-landed  --reason "…"')
    return "\n".join(lines)


def _or_that_it_did_not(call: CallInDoubt) -> str:
    if call.quiet_for_seconds is None:
        return "."
    when = f"in {duration(call.quiet_for_seconds)}" if call.quiet_for_seconds else "by now, on an idle table"
    return f", or did not: that is proven if its cells are still empty {when}."


def problems_text(problems: Sequence[Diagnostic]) -> str:
    """Return problems with their locations, one per line, each with its hint below."""
    lines = []
    for problem in problems:
        lines.append(f"{problem.location}: {problem.message}")
        if problem.hint:
            lines.append(f"  {problem.hint}")
    return "\n".join(lines)


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
    price = _price(totals.credits)
    if totals.credits is None and totals.cost.known:
        unpriced = f"{counted(totals.cost.unpriced_cells, 'cell')} of unknown price"
        price = f"{_price(totals.cost.known)} and {unpriced}"
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
    return f" In {last} waves: `--wait` sends one after the other." if last > 1 else ""


def _next_step(plan: Plan, violations: Sequence[Violation], saved_in: str) -> str:
    """Return the end of a preview: that nothing was sent, and what to do; empty if nothing can be done."""
    if plan.errored or not plan.has_due:
        return ""
    if not plan.calls:
        step = "`reconciler apply --wait` sends them then."
    elif violations:
        step = refusal_text(violations)
    elif saved_in:
        step = f"Apply it with `reconciler apply --plan {one_line(saved_in)}`."
    else:
        step = "Apply it with `reconciler apply`, or save it with `--out plan.json`."
    return f" Nothing was sent.\n{step}"


def refusal_text(violations: Sequence[Violation]) -> str:
    """Say that an apply would be refused, by which limits, and what to do."""
    lines = ["An apply would be refused before anything is sent:"]
    lines += [f"  {violation.message}\n    {violation.set_by}" for violation in violations]
    return "\n".join([*lines, NARROW])
