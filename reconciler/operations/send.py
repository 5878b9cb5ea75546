"""The two long steps of an apply: send the calls of a wave, and wait until they have ended."""

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.client import Reader
from reconciler.errors import ApiError, LedgerError
from reconciler.ledger import Ledger
from reconciler.ledger.lease_keeper import LeaseKeeper
from reconciler.model.attempt import Actor, Ending, Stop, StopCause, Ticket
from reconciler.model.history import CallState
from reconciler.model.manifest import Mode
from reconciler.model.observed import TableSnapshot, TableStatus
from reconciler.model.plan import Call, Plan
from reconciler.model.read_scope import ReadScope
from reconciler.model.report import Report, bought_cells
from reconciler.operations.apply_events import Interrupt
from reconciler.operations.profile import Phase, Profile
from reconciler.operations.rescue import Witness
from reconciler.settings.settings import Settings
from reconciler.spending.elapsed import elapsed
from reconciler.spending.protocol import Effects, Runner, SendTiming, SpendProtocol
from reconciler.spending.wait import WaitTiming, count_cells, wait_until_settled

LONGEST_BACKOFF_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """The resources of an apply."""

    settings: Settings
    reader: Reader
    runner: Runner
    ledger: Ledger
    actor: Actor
    watcher: Witness
    interrupt: Interrupt
    lease_timeout_seconds: float = 0.0
    profile: Profile = field(default_factory=Profile)


def send(wave: Plan, plan_id: str, leases: LeaseKeeper, context: ApplyContext) -> Report:
    """Send the calls of a plan, all of one wave; return the result of each."""
    unrecorded: list[str] = []

    def lost(call: Call, ticket: Ticket, ending: Ending) -> None:
        unrecorded.append(call.id)
        context.watcher.on_unrecorded(call, ticket, ending)

    def pause(attempt: int) -> None:
        context.interrupt.sleep(random.uniform(0, min(LONGEST_BACKOFF_SECONDS, 2.0**attempt)))  # noqa: S311 - jitter

    api, timed = context.settings.project.api, context.profile.timed
    work = SpendProtocol(
        wave,
        Effects(
            send=timed(Phase.SENDING, context.runner.send),
            begin=timed(Phase.LEDGER, leases.begin),
            end=timed(Phase.LEDGER, leases.end),
            on_unrecorded=lost,
        ),
        SendTiming(api.spend.send_within_seconds, elapsed, pause, api.run_concurrency),
        plan_id=plan_id,
        actor=context.actor,
        interrupted=lambda: bool(context.interrupt),
    )
    results = []
    context.interrupt.is_sending |= bool(wave.calls)
    for result in work.run():
        results.append(result)
        context.watcher.on_result(result)
    order = {call.id: index for index, call in enumerate(wave.calls)}
    results.sort(key=lambda result: order[result.call.id])
    return Report(plan_id, tuple(results), work.stopped, unrecorded=tuple(unrecorded))


class _LiveTables:
    """The live tables for waiting; failures are reported and change nothing that was spent."""

    def __init__(self, context: ApplyContext) -> None:
        self._tools = context

    def statuses(self, tables: Collection[str]) -> dict[str, TableStatus]:
        try:
            answers = self._tools.reader.read_statuses(tables)
        except ApiError as error:
            self._tools.watcher.on_trouble(error.message)
            return {}
        self._tell(answers.values())
        return {table: answer for table, answer in answers.items() if isinstance(answer, TableStatus)}

    def snapshots(self, calls: Mapping[str, Sequence[Call]]) -> dict[str, TableSnapshot]:
        try:
            answers = self._tools.reader.read_tables(
                {table: _columns_of_all(of_table) for table, of_table in calls.items()},
                {table: _rows_of(of_table) for table, of_table in calls.items()},
            )
        except ApiError as error:
            self._tools.watcher.on_trouble(error.message)
            return {}
        self._tell(answers.values())
        return {table: answer for table, answer in answers.items() if isinstance(answer, TableSnapshot)}

    def _tell(self, answers: Iterable[object]) -> None:
        for message in sorted({answer.message for answer in answers if isinstance(answer, ApiError)}):
            self._tools.watcher.on_trouble(message)


def _columns_of_all(calls: Iterable[Call]) -> frozenset[str]:
    """Return columns whose values are needed, not only their states, to see that a call has run."""
    return frozenset(column for call in calls if call.mode is Mode.ALL for column in call.columns)


def _rows_of(calls: Iterable[Call]) -> ReadScope:
    return ReadScope(rows=frozenset(row for call in calls for row in call.rows))


def wait(report: Report, context: ApplyContext, timeout_seconds: float | None, others: Collection[str] = ()) -> Report:
    """Wait until the accepted calls have shown and their tables are idle; then count and settle their cells.

    Calls that were settled before are left unchanged; `others` are further tables to wait for. Raises nothing: a
    failure now does not change what was spent, and the report must be returned.
    """
    calls = [result.call for result in report.in_state(CallState.ACCEPTED) if result.settlement is None]
    interrupt = context.interrupt
    patience = WaitTiming(elapsed, interrupt.sleep, timeout_seconds, lambda: bool(interrupt))
    quiet = context.settings.project.api.spend.quiet_seconds
    with context.profile.phase(Phase.WAITING), interrupt.reading():
        waited = wait_until_settled(calls, others, _LiveTables(context), patience, quiet, context.watcher.on_poll)
    results = count_cells(report.results, waited.snapshots)
    try:
        for before, result in zip(report.results, results, strict=True):
            if result.settlement is not None and before.settlement is None:
                context.ledger.settle(result.call.id, result.settlement)
    except LedgerError as error:
        context.watcher.on_trouble(error.message)
    stop = report.stop or (Stop(StopCause.INTERRUPTED, "interrupted while waiting") if interrupt else None)
    return replace(
        report, results=results, waited=True, still_running=waited.running, awaited=waited.awaited, stop=stop
    )


def waiting(context: ApplyContext, timeout_seconds: float | None) -> Callable[[Report, Collection[str]], Report]:
    """Return a function that waits for a wave; all waves together have `timeout_seconds`."""
    waited = 0.0

    def wait_for(report: Report, others: Collection[str]) -> Report:
        nonlocal waited
        began = time.monotonic()
        awaited = [result for result in report.in_state(CallState.ACCEPTED) if result.settlement is None]
        left = None if timeout_seconds is None else max(0.0, timeout_seconds - waited)
        with context.watcher.waiting(sum(map(bought_cells, awaited))):
            found = wait(report, context, left, others)
        waited += time.monotonic() - began
        return found

    return wait_for
