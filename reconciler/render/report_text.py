"""An apply's report as text: each call's outcome, then what is still open, then the totals."""

from collections.abc import Iterator, Mapping, Sequence

from reconciler.model.attempt import CallResult
from reconciler.model.history import CallState
from reconciler.model.plan import CallInDoubt
from reconciler.model.report import Outgrown, Report, Unsent, bought_cells, cost_of, sum_cells
from reconciler.render.colour import Colour, Paint
from reconciler.render.plan_parts import addressed, in_doubt_text, trial_words, unmet_words
from reconciler.text.numbers import amount, counted
from reconciler.text.sanitize import one_line

WORDS = {
    CallState.ACCEPTED: ("accepted", Colour.GOOD),
    CallState.REFUSED: ("refused", Colour.BAD),
    CallState.NOT_SENT: ("not sent", Colour.BAD),
    CallState.IN_DOUBT: ("in doubt", Colour.DOUBT),
}

MOST_ROWS = 3
"""Row ids listed for a column whose cells did not start; the report file has all of them."""


def result_text(result: CallResult, width: int, paint: Paint) -> str:
    """Return one call's line, its address padded to `width`."""
    address = addressed(result.call).ljust(width)
    ending = result.ending
    if ending is None:
        cells = counted(result.call.cells, "cell")
        return f"{address}  {paint('not tried', Colour.QUIET)}  {cells}   {one_line(result.reason)}"
    word, colour = WORDS[ending.state]
    if ending.receipt is not None:
        run = f"   run {one_line(ending.receipt.run_id)[:8]}" if ending.receipt.run_id else ""
        cells = f"{bought_cells(result):,} of {counted(result.call.cells, 'cell')}{run}"
    else:
        cells = f"{counted(result.call.cells, 'cell')}   {one_line(ending.detail)}"
    return f"{address}  {paint(f'{word:<9}', colour)}  {cells}"


def report_text(report: Report, paint: Paint) -> str:
    """Return the end of the report, below the lines of its calls: what waiting found, calls in doubt, and totals."""
    parts = [*settled_lines(report, paint)]
    if report.stop is not None:
        hint = f"\n  {report.stop.hint}" if report.stop.hint else ""
        parts.append(paint(f"Stopped: {one_line(report.stop.message)}{hint}", Colour.BAD))
    for held in report.held_back:
        cells = counted(held.cells, "cell")
        text = f"{one_line(held.address)}: {trial_words(held.trial)}. {cells} held back."
        hint = "Look at these cells. To try again, change the column, the revision or what the `rollout` requires."
        parts.append(paint(f"{text}\n  {hint}", Colour.BAD))
    parts += unmet_lines(report, paint)
    parts += [paint(outgrown_words(grown), Colour.BAD) for grown in report.outgrown]
    parts += [paint(stale_words(report.stale), Colour.BAD)] if report.stale else []
    parts += [paint(unsent_words(report), Colour.BAD)] if report.unsent else []
    open_calls = [*report.in_doubt, *(_open(result) for result in report.in_state(CallState.IN_DOUBT))]
    if open_calls:
        parts.append(in_doubt_text(open_calls, paint))
    if report.awaited:
        parts.append(awaited_words(len(report.awaited)))
    if report.still_running:
        tables = counted(len(report.still_running), "table")
        parts.append(f"{tables} still running when waiting ended; `reconciler plan` shows them later.")
    parts.append(_sums(report))
    return "\n\n".join(parts)


def stale_words(stale: Mapping[str, str]) -> str:
    """Return which manifests the saved plan no longer approves, and what to do."""
    lines = [f"No longer approved: {reason}." for _, reason in sorted(stale.items())]
    return "\n".join([*lines, "  None of their calls were sent. Make a new plan and have it approved."])


def unsent_words(report: Report) -> str:
    """Return which due and approved cells were not sent, why, and what to do."""
    lines = [f"{one_line(each.address)}: {_unsent_cells(each)}not sent: {each.reason}." for each in report.unsent]
    return "\n".join([*lines, "  Apply again; `--wait` waits for tables that are running."])


def _unsent_cells(unsent: Unsent) -> str:
    return f"{counted(unsent.cells, 'cell')} approved and " if unsent.cells else ""


def awaited_words(calls: int) -> str:
    """Return that accepted calls have not shown yet."""
    of = "1 accepted call has" if calls == 1 else f"{calls:,} accepted calls have"
    return f"{of} not shown in the table yet when waiting ended; `reconciler plan` shows how they end."


def outgrown_words(grown: Outgrown) -> str:
    """Return which cells grew beyond their limit, and what to do."""
    growth = grown.growth
    due = f"{counted(grown.cells, 'cell')} ({'unknown' if grown.credits is None else amount(grown.credits)} credits)"
    most = counted(growth.max_cells or 0, "cell")
    if growth.max_credits is not None:
        most += f" and {amount(growth.max_credits)} credits"
    allowed = f"`allow_growth` lets one apply buy {most}" if growth.is_allowed else f"the plan foresaw at most {most}"
    return (
        f"{one_line(growth.manifest)}: {due} fell due once {one_line(growth.because)} had run, and {allowed}. "
        "None were sent.\n  Plan again: they are in the next plan."
    )


def unmet_lines(report: Report, paint: Paint) -> list[str]:
    """Return a text for each run whose answers are not as expected."""
    return [paint(f"Not as expected: {unmet_words(each)}.", Colour.BAD) for each in report.unmet]


def settled_lines(report: Report, paint: Paint) -> list[str]:
    """Return what waiting found of each call, all in one text; none if nothing is settled."""
    settled = [result for result in report.results if result.settlement is not None]
    if not settled:
        return []
    width = max(len(addressed(result.call)) for result in settled)
    lines = []
    for result in settled:
        found = result.settlement
        assert found is not None
        text = f"{found.done:,} done, {found.failed:,} failed, {found.not_started:,} not started"
        colour = Colour.BAD if found.failed or found.not_started else Colour.GOOD
        lines.append(f"{addressed(result.call).ljust(width)}  {paint(text, colour)}")
        lines += [f"  not started: {words}" for words in not_started_words(result)]
    return ["\n".join(lines)]


def not_started_words(result: CallResult) -> Iterator[str]:
    """Yield the cells that an accepted call left neither done nor failed: one text per column."""
    keys = dict(zip(result.call.columns, result.call.column_keys, strict=True))
    for block in result.not_started:
        for column in block.columns:
            more = len(block.rows) - MOST_ROWS
            rows = ", ".join(block.rows[:MOST_ROWS]) + (f" and {more:,} more" if more > 0 else "")
            yield f"{one_line(keys.get(column, column))} in row{'s' if len(block.rows) > 1 else ''} {rows}"


def _open(result: CallResult) -> CallInDoubt:
    call = result.call
    return CallInDoubt(call.id, call.address, call.table_id, call.cells, call.credits, 0.0, table_name=call.table_name)


def _sums(report: Report) -> str:
    accepted = report.in_state(CallState.ACCEPTED)
    if not report.results:
        if report.unsent or report.stale:
            return "Applied: nothing was sent. The due cells that were not sent are listed above."
        return "Applied: nothing was due, nothing was sent."
    cells = counted(sum(bought_cells(result) for result in accepted), "cell")
    parts = [f"Applied: {counted(len(accepted), 'call')} accepted, {cells}, {_price(accepted)}."]
    for state, word in (
        (CallState.REFUSED, "refused"),
        (CallState.NOT_SENT, "not sent"),
        (CallState.IN_DOUBT, "in doubt"),
    ):
        found = report.in_state(state)
        if found:
            parts.append(f"{len(found):,} {word} ({counted(sum_cells(found), 'cell')}).")
    if report.not_attempted:
        parts.append(f"{len(report.not_attempted):,} not tried ({counted(sum_cells(report.not_attempted), 'cell')}).")
    if report.later:
        calls, cells = counted(len(report.later), "call"), counted(sum(call.cells for call in report.later), "cell")
        parts.append(
            f"{calls} of later waves left, {cells}: apply again once the tables are idle, or let `--wait` send them."
        )
    return " ".join(parts)


def _price(results: Sequence[CallResult]) -> str:
    credits_ = cost_of(results).total
    return "credits unknown" if credits_ is None else f"{amount(credits_)} credits"
