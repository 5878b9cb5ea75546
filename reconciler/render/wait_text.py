"""The findings of waiting, as text: the cells of each call, calls in doubt, what still runs, and the totals."""

from reconciler.model.report import Report
from reconciler.render.colour import Colour, Paint
from reconciler.render.last_line import last_words
from reconciler.render.plan_parts import in_doubt_text
from reconciler.render.report_text import ENDS, awaited_words, settled_lines, unmet_lines, yield_lines
from reconciler.text.numbers import counted


def wait_text(report: Report, paint: Paint, *, rows: bool = False) -> str:
    """Return the text for a report of waiting alone; `rows` names the rows of cells that are not done."""
    parts = [*settled_lines(report, paint, rows=rows), *yield_lines(report), *unmet_lines(report, paint)]
    if report.in_doubt:
        parts.append(in_doubt_text(report.in_doubt, paint))
    if report.awaited:
        parts.append(awaited_words(len(report.awaited)))
    code = report.exit_code()
    return "\n\n".join([*parts, paint(_sums(report) + last_words(report, code), ENDS.get(code, Colour.BAD))])


def _sums(report: Report) -> str:
    settled = [result.settlement for result in report.results if result.settlement is not None]
    if not report.results:
        said = "No call was left to settle."
        is_open = report.in_doubt or report.still_running
        return said if is_open else f"Nothing to wait for: every table is idle. {said}"
    done = counted(sum(each.done for each in settled), "cell")
    return f"Waited: {len(settled):,} of {counted(len(report.results), 'accepted call')} settled, {done} done."
