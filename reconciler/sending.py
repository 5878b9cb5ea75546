"""The two long chapters of an apply: sending the calls of a wave, and waiting until they have ended."""

import random
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

from reconciler.apply import Apply, Pace, Runner, Stop, StopCause
from reconciler.client import Reader
from reconciler.errors import ApiError, LedgerError
from reconciler.history import CallState
from reconciler.leasing import Leases
from reconciler.ledger import Ledger
from reconciler.observed import TableSnapshot, TableStatus
from reconciler.outcome import Actor, CallResult, Ending, Ticket
from reconciler.plan import Call, Plan
from reconciler.profiling import Phase, Profile, TimedJournal, TimedRunner
from reconciler.report import Report
from reconciler.settings import Settings
from reconciler.shortcut import Shortcut
from reconciler.waiting import Patience, settle, wait_until_idle

LONGEST_BACKOFF_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Watcher:
    """What an apply tells while it works."""

    on_result: Callable[[CallResult], None]
    on_poll: Callable[[Mapping[str, TableStatus]], None]
    on_unrecorded: Callable[[Call, Ticket, Ending], None]
    """The ledger did not keep an ending: a person must. Called from the thread that sent the call."""
    on_trouble: Callable[[str], None]
    """Something went wrong that does not change what was spent."""


class Interrupt:
    """Set by a signal handler; read wherever an apply may stop.

    Nothing here takes a lock in Python: a handler that waited for one its own thread holds would never return.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._abandon: tuple[Callable[[], None], ...] = ()
        self.is_sending = False
        """True from just before the first intent: from then on an apply ends with its report, whatever happens."""
        self.is_over = False
        """True once nothing is left to do but to report."""

    def set(self) -> None:
        """Ask for the end; the call in flight is finished and recorded first."""
        self._is_set = True
        self._wake.put(None)

    def abandons(self, *abandon: Callable[[], None]) -> None:
        """Say what `insist` calls, in this order; each must be fit to be called by a signal handler."""
        self._abandon = abandon

    def insist(self) -> None:
        """Ask for the end at once: the waiting for calls in flight ends, too."""
        self.set()
        for abandon in self._abandon:
            abandon()

    def __bool__(self) -> bool:
        return self._is_set

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the interrupt."""
        with suppress(Empty):
            self._wake.get(timeout=max(0.0, seconds))
            self._wake.put(None)  # for the next one who sleeps


@dataclass(frozen=True, slots=True)
class Tools:
    """What an apply works with."""

    settings: Settings
    reader: Reader
    runner: Runner
    ledger: Ledger
    actor: Actor
    watcher: Watcher
    interrupt: Interrupt
    lease_timeout_seconds: float = 0.0
    profile: Profile = field(default_factory=Profile)


def send(wave: Plan, plan_id: str, leases: Leases, tools: Tools) -> Report:
    """Send the calls of a plan, all of one wave; return what became of each."""
    unrecorded: list[str] = []

    def lost(call: Call, ticket: Ticket, ending: Ending) -> None:
        unrecorded.append(call.id)
        tools.watcher.on_unrecorded(call, ticket, ending)

    def pause(attempt: int) -> None:
        tools.interrupt.sleep(random.uniform(0, min(LONGEST_BACKOFF_SECONDS, 2.0**attempt)))  # noqa: S311 - jitter

    pace = Pace(tools.settings.project.api.spend.send_within_seconds, time.monotonic, pause)
    work = Apply(
        wave,
        TimedRunner(tools.runner, tools.profile),
        TimedJournal(leases, tools.profile),
        pace,
        plan_id=plan_id,
        actor=tools.actor,
        on_unrecorded=lost,
        interrupted=lambda: bool(tools.interrupt),
        concurrency=tools.settings.project.api.run_concurrency,
    )
    results = []
    tools.interrupt.is_sending |= bool(wave.calls)
    for result in work.run():
        results.append(result)
        tools.watcher.on_result(result)
    order = {call.id: index for index, call in enumerate(wave.calls)}
    results.sort(key=lambda result: order[result.call.id])
    return Report(plan_id, tuple(results), work.stopped, unrecorded=tuple(unrecorded))


def wait(report: Report, tools: Tools, timeout_seconds: float | None) -> Report:
    """Wait until the tables of accepted calls are idle, read their cells once more, and settle the calls.

    Calls that were waited for before are left as they are.

    Raises nothing: whatever goes wrong now does not change what was spent, and the report must come out.
    """
    awaited = [result for result in report.in_state(CallState.ACCEPTED) if result.settlement is None]
    tables = {result.call.table_id for result in awaited}

    def statuses(pending: Collection[str]) -> dict[str, TableStatus]:
        try:
            answers = tools.reader.read_statuses(pending)
        except ApiError as error:
            tools.watcher.on_trouble(error.message)
            return {}
        for message in sorted({answer.message for answer in answers.values() if isinstance(answer, ApiError)}):
            tools.watcher.on_trouble(message)
        return {table: answer for table, answer in answers.items() if isinstance(answer, TableStatus)}

    interrupt = tools.interrupt
    patience = Patience(time.monotonic, interrupt.sleep, timeout_seconds, lambda: bool(interrupt))
    with tools.profile.phase(Phase.WAITING):
        running = wait_until_idle(tables, statuses, patience, tools.watcher.on_poll)
    results = report.results
    bought: dict[str, set[str]] = {}
    for result in awaited:
        bought.setdefault(result.call.table_id, set()).update(result.call.rows)
    try:
        with tools.profile.phase(Phase.WAITING):
            answers = tools.reader.read_tables(
                dict.fromkeys(tables.difference(running), frozenset()),
                {table: Shortcut(rows=frozenset(rows)) for table, rows in bought.items()},
            )
        snapshots = {table: answer for table, answer in answers.items() if isinstance(answer, TableSnapshot)}
        results = settle(results, snapshots)
        for before, result in zip(report.results, results, strict=True):
            if result.settlement is not None and before.settlement is None:
                tools.ledger.settle(result.call.id, result.settlement)
    except (ApiError, LedgerError) as error:
        tools.watcher.on_trouble(error.message)
    stop = report.stop or (Stop(StopCause.INTERRUPTED, "interrupted while waiting") if interrupt else None)
    return replace(report, results=results, waited=True, still_running=running, stop=stop)
