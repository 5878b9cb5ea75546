"""The last line of an apply and of a wait: what did not go well, the exit code it gives, and the next command."""

from collections.abc import Iterator, Sequence

from reconciler.model.attempt import StopCause
from reconciler.model.history import CallState
from reconciler.model.report import ExitCode, Report, sum_cells
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line


def last_words(report: Report, code: int) -> str:
    """Return the end of the last line, with the space before it; empty if all went well and nothing is left to do."""
    left = ", ".join(_shortfalls(report))
    parts = []
    if code == ExitCode.CHANGES:
        parts.append("Exit code 2: calls were sent.")
    elif code == ExitCode.OK:
        parts += [f"{left[0].upper()}{left[1:]}."] if left else []
    else:
        parts.append(f"Exit code {int(code)}: {left or _why_stopped(report)}.")
    return "".join(f" {part}" for part in (*parts, *_next_step(report)))


def _shortfalls(report: Report) -> Iterator[str]:
    """Yield everything that was asked for and is not done, the worst first; last what only time is needed for."""
    in_doubt = [result.call.cells for result in report.in_state(CallState.IN_DOUBT)]
    in_doubt += [call.cells for call in report.in_doubt]
    refused, not_sent = report.in_state(CallState.REFUSED), report.in_state(CallState.NOT_SENT)
    calls: tuple[tuple[Sequence[object], str, int], ...] = (
        (in_doubt, "in doubt", sum(in_doubt)),
        (refused, "refused", sum_cells(refused)),
        (not_sent, "not sent", sum_cells(not_sent)),
        (report.not_attempted, "not tried", sum_cells(report.not_attempted)),
        (report.later, "of later waves left", sum(call.cells for call in report.later)),
    )
    for found, words, cells in calls:
        if found:
            yield f"{counted(len(found), 'call')} {words} ({counted(cells, 'cell')})"
    counts = (
        (len(report.unrecorded), "outcome", "not in the ledger"),
        (report.failed_cells, "cell", "failed"),
        (report.not_started_cells, "cell", "not started"),
        (sum(held.cells for held in report.held_back), "cell", "held back"),
        (sum(each.cells for each in report.blocked), "cell", "blocked by cells that are not done"),
        (len(report.unmet), "run", "with answers that are not as expected"),
        (sum(grown.cells for grown in report.outgrown), "cell", "beyond the growth that was planned"),
        (sum(each.cells for each in report.unsent), "cell", "due and not sent"),
        (len(report.stale), "manifest", "no longer approved"),
        (len(report.still_running), "table", "still running"),
        (len(report.awaited), "accepted call", "not shown yet"),
    )
    yield from (f"{counted(number, noun)} {words}" for number, noun, words in counts if number)


def _why_stopped(report: Report) -> str:
    causes = {
        StopCause.OVERBOUGHT: "more cells were accepted than planned",
        StopCause.INTERRUPTED: "it was interrupted",
        StopCause.LEASED: "another apply is working on a table",
        StopCause.LEDGER: "the ledger cannot be written",
        StopCause.LIMIT: "a limit was exceeded",
    }
    return "it stopped early" if report.stop is None else causes.get(report.stop.cause, "it stopped early")


def _next_step(report: Report) -> Iterator[str]:
    """Yield the sentence with the next command, if there is one."""
    if report.in_doubt or report.unrecorded or report.in_state(CallState.IN_DOUBT):
        yield "Next: `reconciler plan`, which looks at the tables again and says how each doubt ends."
    elif report.still_running or report.awaited:
        yield "Next: `reconciler wait`, which goes on waiting."
    elif report.stale or report.outgrown:
        yield "Next: `reconciler plan --out FILE`, for a new plan to approve."
    elif report.later:
        yield "Next: the same command again, once the tables are idle."
    elif report.unsent:
        # Not "the same command": to follow an apply again, which is over, sends nothing.
        when = "the tables are idle" if report.stop is None else "the cause is mended"
        yield f"Next: apply or submit it again, once {when}."
    elif report.failed_cells or report.not_started_cells or report.held_back:
        yield f"Next: `reconciler plan`, which says what is due now; `reconciler explain {_failing(report)}` says why."
    elif report.unmet:
        yield "Next: look at the answers of these rows; `reconciler drift` names them until they are as expected."
    elif len(report.in_state(CallState.ACCEPTED)) < len(report.results) or report.stop is not None:
        yield "Next: `reconciler plan`, once the cause is mended."
    elif report.results and not report.waited:
        yield "Next: `reconciler wait`, which counts what became of the cells."


def _failing(report: Report) -> str:
    """Return the address of the first run with cells that failed, did not start or are held back."""
    ended = ((each.call.address, each.settlement) for each in (*report.resumed, *report.results))
    found = [address for address, of in ended if of is not None and (of.failed or of.not_started)]
    return one_line([*found, *(held.address for held in report.held_back)][0])
