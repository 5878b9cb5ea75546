"""An apply's report as text: each call's outcome, then what is still open, then the totals."""

from collections.abc import Iterator, Mapping, Sequence

from reconciler.model.attempt import CallResult
from reconciler.model.history import CallState
from reconciler.model.plan import CallInDoubt
from reconciler.model.report import ExitCode, Outgrown, Report, Unsent, bought_cells, cost_of
from reconciler.render.alignment import aligned
from reconciler.render.colour import Colour, Paint
from reconciler.render.columns_text import columns_lines, columns_of_cells, columns_words, with_rows
from reconciler.render.last_line import last_words
from reconciler.render.plan_parts import (
    addressed,
    ended_words,
    in_doubt_text,
    price_text,
    trial_words,
    unmet_words,
    yield_words,
)
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

WORDS = {
    CallState.ACCEPTED: ("accepted", Colour.GOOD),
    CallState.REFUSED: ("refused", Colour.BAD),
    CallState.NOT_SENT: ("not sent", Colour.BAD),
    CallState.IN_DOUBT: ("in doubt", Colour.DOUBT),
}

ENDS: Mapping[int, Colour] = {
    ExitCode.OK: Colour.STRONG,
    ExitCode.CHANGES: Colour.STRONG,
    ExitCode.IN_DOUBT: Colour.DOUBT,
}
"""How the last line stands, by exit code; any other is trouble."""
WIDEST_WORD = len("not tried")
MOST_ROWS = 3
"""Row ids listed for a column whose cells did not start; the report file has all of them."""


def result_text(result: CallResult, width: int, paint: Paint, *, rows: bool = False) -> str:
    """Return one call's line, its address padded to `width`, with `rows` the rows of each column below it."""
    cells = counted(result.call.cells, "cell")
    ending, note = result.ending, result.reason
    word, colour = ("not tried", Colour.QUIET) if ending is None else WORDS[ending.state]
    if ending is not None and ending.receipt is not None:
        cells = f"{bought_cells(result):,} of {cells}"
        note = f"run {ending.receipt.run_id[:8]}" if ending.receipt.run_id else ""
    elif ending is not None:
        note = ending.detail
    columns = columns_lines([result.call], "    " if rows else "", rows=rows)
    inner = [] if rows else columns
    line = (addressed(result.call), paint(word, colour), cells, *inner, *([one_line(note)] if note else []))
    (head,) = aligned([line], least={0: width, 1: WIDEST_WORD})
    return "\n".join([head, *columns]) if rows else head


def report_text(report: Report, paint: Paint, exit_code: int | None = None, *, rows: bool = False) -> str:
    """Return the end of the report, below the lines of its calls: what waiting found, calls in doubt, and totals.

    `exit_code` is the apply's, by default the report's own; `rows` names every row of cells that are not done.
    """
    parts = [*settled_lines(report, paint, rows=rows), *yield_lines(report)]
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
    code = report.exit_code() if exit_code is None else exit_code
    parts.append(paint(sums_text(report) + last_words(report, code), ENDS.get(code, Colour.BAD)))
    return "\n\n".join(parts)


def stale_words(stale: Mapping[str, str]) -> str:
    """Return which manifests the saved plan no longer approves, and what to do."""
    lines = [f"No longer approved: {reason}." for _, reason in sorted(stale.items())]
    return "\n".join([*lines, "  None of their calls were sent. Make a new plan and have it approved."])


def unsent_words(report: Report) -> str:
    """Return which due and approved cells were not sent, why, and what to do."""
    lines = [f"{one_line(each.address)}: {_unsent_cells(each)}not sent: {each.reason}." for each in report.unsent]
    waits = "" if report.waited else "; without `--no-wait` it waits for tables that are running"
    return "\n".join([*lines, f"  Apply or submit it again: no cell is bought twice{waits}."])


def _unsent_cells(unsent: Unsent) -> str:
    return f"{counted(unsent.cells, 'cell')} approved and " if unsent.cells else ""


def awaited_words(calls: int) -> str:
    """Return that accepted calls have not shown yet."""
    of = "1 accepted call has" if calls == 1 else f"{calls:,} accepted calls have"
    return f"{of} not shown in the table yet when waiting ended; `reconciler plan` shows how they end."


def outgrown_words(grown: Outgrown) -> str:
    """Return which cells grew beyond their limit, and what to do."""
    growth = grown.growth
    due = f"{counted(grown.cells, 'cell')} ({price_text(grown.credits)})"
    most = counted(growth.max_cells or 0, "cell")
    if growth.max_credits is not None:
        most += f" and {price_text(growth.max_credits)}"
    allowed = f"`allow_growth` lets one apply buy {most}" if growth.is_allowed else f"the plan foresaw at most {most}"
    return (
        f"{one_line(growth.manifest)}: {due} fell due once {one_line(growth.because)} had run, and {allowed}. "
        "None were sent.\n  Plan again: they are in the next plan."
    )


def yield_lines(report: Report) -> list[str]:
    """Return what running cells again changed, all in one text; none if nothing was run again."""
    lines = [f"{addressed(each)}: {one_line(each.column)}: {yield_words(each.total)}" for each in report.yields]
    return ["\n".join(lines)] if lines else []


def unmet_lines(report: Report, paint: Paint) -> list[str]:
    """Return a text for each run whose answers are not as expected."""
    return [paint(f"Not as expected: {unmet_words(each)}.", Colour.BAD) for each in report.unmet]


def settled_lines(report: Report, paint: Paint, *, rows: bool = False) -> list[str]:
    """Return what waiting found of each call, all in one text; none if nothing is settled.

    Cells that failed or did not start stand below by column, those that did not start with their first rows; `rows`
    names every row of both.
    """
    settled = [result for result in (*report.resumed, *report.results) if result.settlement is not None]
    if not settled:
        return []
    table = []
    for result in settled:
        found = result.settlement
        assert found is not None
        text = ended_words(found)
        colour = Colour.BAD if found.failed or found.not_started else Colour.GOOD
        table.append((addressed(result.call), paint(text, colour), *columns_lines([result.call], "", rows=False)))
    lines = []
    for result, line in zip(settled, aligned(table), strict=True):
        lines += [line, *_shortfall_lines(result, rows=rows)]
    return ["\n".join(lines)]


def _shortfall_lines(result: CallResult, *, rows: bool) -> Iterator[str]:
    """Yield the columns of the cells that an accepted call left failed, or neither done nor failed."""
    failed = columns_of_cells(result.call, result.failed, rows=rows)
    if rows:
        yield from (f"  failed: {with_rows(column)}" for column in failed)
    elif len(result.call.columns) > 1 and failed:  # of a single column the counts have said it
        yield f"  failed: {columns_words(failed)}"
    for column in columns_of_cells(result.call, result.not_started, rows=True):
        yield f"  not started: {with_rows(column, None if rows else MOST_ROWS)}"


def _open(result: CallResult) -> CallInDoubt:
    call = result.call
    return CallInDoubt(call.id, call.address, call.table_id, call.cells, call.credits, 0.0, table_name=call.table_name)


def sums_text(report: Report) -> str:
    """Return the totals, counted from outcomes."""
    accepted = report.in_state(CallState.ACCEPTED)
    if not report.results:
        said = "nothing was sent" if report.unsent or report.stale else "nothing was due, nothing was sent"
        return f"Applied: {said}." + _resumed(report)
    if not accepted:
        return f"Applied: no call was accepted.{_resumed(report)}"
    cells = counted(sum(bought_cells(result) for result in accepted), "cell")
    return f"Applied: {counted(len(accepted), 'call')} accepted, {cells}, {_price(accepted)}.{_resumed(report)}"


def _resumed(report: Report) -> str:
    """Return how many calls of earlier applies were waited for."""
    if not report.resumed:
        return ""
    settled = sum(result.settlement is not None for result in report.resumed)
    return f" {settled:,} of {counted(len(report.resumed), 'call')} of earlier applies settled."


def _price(results: Sequence[CallResult]) -> str:
    return price_text(cost_of(results).total)
