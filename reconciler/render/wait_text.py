"""The findings of waiting, as text: the cells of each call, calls in doubt, what still runs, and the totals."""

from reconciler.model.report import Report
from reconciler.render.colour import Colour, Paint
from reconciler.render.plan_parts import in_doubt_text
from reconciler.render.report_text import awaited_words, settled_lines, unmet_lines
from reconciler.text.numbers import counted


def wait_text(report: Report, paint: Paint) -> str:
    """Return the text for a report of waiting alone."""
    parts = [*settled_lines(report, paint), *unmet_lines(report, paint)]
    if report.in_doubt:
        parts.append(in_doubt_text(report.in_doubt, paint))
    if report.awaited:
        parts.append(awaited_words(len(report.awaited)))
    if report.still_running:
        tables = counted(len(report.still_running), "table")
        parts.append(f"{tables} still running when waiting ended; `reconciler wait` goes on.")
    return "\n\n".join([*parts, _sums(report, paint)])


def _sums(report: Report, paint: Paint) -> str:
    settled = [result.settlement for result in report.results if result.settlement is not None]
    if not report.results:
        said = "No call was left to settle."
        is_open = report.in_doubt or report.still_running
        return said if is_open else f"Nothing to wait for: every table is idle. {said}"
    done = sum(each.done for each in settled)
    text = f"Waited: {len(settled):,} of {counted(len(report.results), 'accepted call')} settled: "
    text += f"{counted(done, 'cell')} done, {report.failed_cells:,} failed, {report.not_started_cells:,} not started."
    return paint(text, Colour.BAD if report.failed_cells or report.not_started_cells else Colour.STRONG)
