"""The text of notices: one headline, and a few lines that say where to look."""

from collections.abc import Iterable, Iterator, Sequence

from reconciler.errors import ReconcilerError
from reconciler.model.credits import Credits
from reconciler.model.drift import Drift, DriftKind
from reconciler.model.history import CallState
from reconciler.model.notice import Notice, Occasion
from reconciler.model.report import Report
from reconciler.planning.drift import DriftReport
from reconciler.render.budget_words import budget_lines
from reconciler.render.drift_text import cause_text
from reconciler.render.report_text import sums_text
from reconciler.spending.budgets import nearly_used_up
from reconciler.text.numbers import amount, counted
from reconciler.text.sanitize import one_line

MOST_LINES = 10
LONGEST_LINE = 500


def report_notice(report: Report, exit_code: int) -> Notice:
    """Return the notice of an apply that ended with a report."""
    spent = report.in_state(CallState.ACCEPTED) or report.in_state(CallState.IN_DOUBT)
    near = [use.content() for use in nearly_used_up(report.budgets)] if spent else []
    budgets = budget_lines(near, one_line)
    is_refused = report.in_state(CallState.REFUSED) or (report.stop is not None and not _was_attempted(report))
    is_in_doubt = report.in_doubt or report.unrecorded or report.in_state(CallState.IN_DOUBT)
    is_applied = report.results or report.unsent or report.held_back or report.outgrown or report.stale
    found = {
        Occasion.IN_DOUBT: is_in_doubt,
        Occasion.REFUSED: is_refused,
        Occasion.BUDGET: budgets,
        Occasion.APPLIED: is_applied,
    }
    occasions = tuple(occasion for occasion, is_so in found.items() if is_so)
    return Notice("apply", occasions, exit_code, sums_text(report), _few([*_of_report(report), *budgets]))


def refusal_notice(error: ReconcilerError, exit_code: int) -> Notice:
    """Return the notice of an apply that was refused before it sent anything."""
    headline = one_line(f"Refused, nothing was sent: {error.message.splitlines()[0]}", LONGEST_LINE)
    return Notice("apply", (Occasion.REFUSED,), exit_code, headline)


def drift_notice(found: DriftReport, exit_code: int) -> Notice:
    """Return the notice of drift."""
    causes = found.causes
    kinds = (DriftKind.DUE, DriftKind.DEAD_END, DriftKind.IN_DOUBT)
    due, dead, doubts = ([each for each in causes if each.kind is kind] for kind in kinds)
    parts = []
    if due:
        price = Credits.of(due).total
        parts.append(f"{_cells(due)} due, {'credits unknown' if price is None else f'{amount(price)} credits'}")
    if dead:
        parts.append(f"{_cells(dead)} in dead ends")
    if doubts:
        parts.append(f"{counted(len(doubts), 'call')} in doubt")
    return Notice("drift", (Occasion.DRIFT,), exit_code, f"Drift: {'; '.join(parts)}.", _few(map(cause_text, causes)))


def _cells(causes: Sequence[Drift]) -> str:
    return counted(sum(each.cells for each in causes), "cell")


def _was_attempted(report: Report) -> bool:
    return len(report.results) > len(report.not_attempted)


def _of_report(report: Report) -> Iterator[str]:
    """Yield the most urgent line first. The API's own words stay out of it."""
    for result in report.in_state(CallState.IN_DOUBT):
        yield _doubt(result.call.address, result.call.cells, result.call.id)
    for call in report.in_doubt:
        yield _doubt(call.address, call.cells, call.id)
    for result in report.in_state(CallState.REFUSED):
        status = f" ({result.ending.status})" if result.ending and result.ending.status else ""
        yield f"{one_line(result.call.address)}: refused by the API{status}, {counted(result.call.cells, 'cell')}"
    if report.stop is not None:
        yield f"stopped early: {report.stop.cause.value}"
    for held in report.held_back:
        yield f"{one_line(held.address)}: {counted(held.cells, 'cell')} held back after the first portion"
    for unsent in report.unsent:
        yield f"{one_line(unsent.address)}: {counted(unsent.cells, 'cell')} approved and not sent"
    for name in sorted(report.stale):
        yield f"{one_line(name)}: no longer approved"
    if report.failed_cells or report.not_started_cells:
        yield f"{counted(report.failed_cells, 'cell')} failed, {report.not_started_cells:,} not started"


def _doubt(address: str, cells: int, call: str) -> str:
    return f"{one_line(address)}: {counted(cells, 'cell')} of call {call[:8]} in doubt, may have been paid for"


def _few(lines: Iterable[str]) -> tuple[str, ...]:
    found = [one_line(line, LONGEST_LINE) for line in lines]
    more = len(found) - MOST_LINES
    return (*found[:MOST_LINES], f"and {more:,} more") if more > 0 else tuple(found)
