"""The waiting for a wave: until its accepted calls have shown, and their tables are idle."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.errors import ApiError, LedgerError
from reconciler.model.attempt import CallResult, Stop, StopCause
from reconciler.model.history import CallState
from reconciler.model.input_cells import AskedInputs
from reconciler.model.manifest import Mode
from reconciler.model.observed import TableSnapshot, TableStatus
from reconciler.model.plan import Call
from reconciler.model.read_scope import ReadScope
from reconciler.model.report import Report, bought_cells
from reconciler.operations.apply_context import WaitContext
from reconciler.operations.profile import Phase
from reconciler.spending.elapsed import elapsed
from reconciler.spending.wait import WaitTiming, count_cells, wait_until_settled
from reconciler.spending.yields import added_up


class _LiveTables:
    """The live tables for waiting; failures are reported and change nothing that was spent."""

    def __init__(self, context: WaitContext) -> None:
        self._context = context

    def statuses(self, tables: Collection[str]) -> dict[str, TableStatus]:
        try:
            answers = self._context.reader.read_statuses(tables)
        except ApiError as error:
            self._context.watcher.on_trouble(error.message)
            return {}
        self._tell(answers.values())
        return {table: answer for table, answer in answers.items() if isinstance(answer, TableStatus)}

    def snapshots(self, calls: Mapping[str, Sequence[Call]]) -> dict[str, TableSnapshot]:
        try:
            answers = self._context.reader.read_tables(
                {table: _columns_of_all(of_table) for table, of_table in calls.items()},
                {table: _rows_of(of_table) for table, of_table in calls.items()},
                inputs={table: [_inputs_of(call) for call in of_table] for table, of_table in calls.items()},
            )
        except ApiError as error:
            self._context.watcher.on_trouble(error.message)
            return {}
        self._tell(answers.values())
        return {table: answer for table, answer in answers.items() if isinstance(answer, TableSnapshot)}

    def _tell(self, answers: Iterable[object]) -> None:
        for message in sorted({answer.message for answer in answers if isinstance(answer, ApiError)}):
            self._context.watcher.on_trouble(message)


def _columns_of_all(calls: Iterable[Call]) -> frozenset[str]:
    """Columns of which a value, and not only a state, tells that a call has run."""
    return frozenset(column for call in calls if call.mode is Mode.ALL for column in call.columns)


def _inputs_of(call: Call) -> AskedInputs:
    return AskedInputs(frozenset(call.columns), frozenset(call.rows))


def _rows_of(calls: Iterable[Call]) -> ReadScope:
    return ReadScope(rows=frozenset(row for call in calls for row in call.rows))


def wait(
    report: Report,
    context: WaitContext,
    timeout_seconds: float | None,
    others: Collection[str] = (),
) -> Report:
    """Wait until the accepted calls have shown and their tables are idle, and count and settle what became of them.

    Calls that were settled before are left as they are; `others` are tables that are waited for besides. The quiet
    period of a call begins now, unless the context knows better. Raises nothing: whatever goes wrong now does not
    change what was spent, and the report must come out.
    """
    calls = [result.call for result in _awaited(report)]
    interrupt = context.interrupt
    timing = WaitTiming(elapsed, interrupt.sleep, timeout_seconds, lambda: bool(interrupt))
    quiet = context.settings.project.api.spend.quiet_seconds
    now = elapsed()

    def rests_in(call: Call) -> float:
        return max(0.0, context.rests_at.get(call.id, now + quiet) - now)

    with context.profile.phase(Phase.WAITING), interrupt.reading():
        waited = wait_until_settled(calls, others, _LiveTables(context), timing, rests_in, context.watcher.on_poll)
    results = count_cells(report.results, waited.snapshots)
    resumed = count_cells(report.resumed, waited.snapshots)
    try:
        for before, result in zip((*report.resumed, *report.results), (*resumed, *results), strict=True):
            if result.settlement is not None and before.settlement is None:
                context.ledger.settle(result.call.id, result.settlement)
    except LedgerError as error:
        context.watcher.on_trouble(error.message)
    stop = report.stop or (Stop(StopCause.INTERRUPTED, "interrupted while waiting") if interrupt else None)
    return replace(
        report,
        results=results,
        resumed=resumed,
        yields=added_up((*resumed, *results)),
        waited=True,
        still_running=waited.running,
        awaited=waited.awaited,
        stop=stop,
    )


def _awaited(report: Report) -> list[CallResult]:
    """Return the accepted calls that are not settled, those of earlier applies first."""
    return [each for each in (*report.resumed, *report.in_state(CallState.ACCEPTED)) if each.settlement is None]


def waiting(context: WaitContext, timeout_seconds: float | None) -> Callable[[Report, Collection[str]], Report]:
    """Return what waits for a wave; all waves together have `timeout_seconds`."""
    waited = 0.0

    def wait_for(report: Report, others: Collection[str]) -> Report:
        nonlocal waited
        began = time.monotonic()
        left = None if timeout_seconds is None else max(0.0, timeout_seconds - waited)
        with context.watcher.waiting(sum(map(bought_cells, _awaited(report)))):
            found = wait(report, context, left, others)
        waited += time.monotonic() - began
        return found

    return wait_for
