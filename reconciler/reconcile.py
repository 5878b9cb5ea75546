"""The story of an apply: look and plan (`looking.py`), guard, lease, plan again within what was approved, send, wait.

Here the edges meet the decisions. Each function tells one chapter and leaves the deciding to a pure module.
"""

import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from reconciler.apply import Apply, Pace, Runner, Stop, StopCause
from reconciler.approval import Approval
from reconciler.client import Reader
from reconciler.errors import ApiError, ErroredPlan, LedgerError, LimitExceeded
from reconciler.guard import NARROW, check, whence
from reconciler.history import CallState
from reconciler.leasing import Leases
from reconciler.ledger import Ledger
from reconciler.looking import Look, Wanted, look, plan
from reconciler.observed import TableSnapshot, TableStatus
from reconciler.outcome import Actor, CallResult, Ending, Ticket
from reconciler.plan import Call, Plan
from reconciler.profiling import Phase, Profile, TimedJournal, TimedRunner
from reconciler.recovery import Verdict
from reconciler.report import Report
from reconciler.saved import SavedPlan
from reconciler.settings import Settings
from reconciler.shortcut import Shortcut
from reconciler.waiting import Patience, settle, wait_until_idle

LONGEST_BACKOFF_SECONDS = 8.0
LOOK_AGAIN_AFTER_SECONDS = 10.0
"""A look older than this when the leases are held is taken again: somebody thought about the plan meanwhile."""


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
    """Set by a signal handler; read wherever an apply may stop."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask for the end; the call in flight is finished and recorded first."""
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the interrupt."""
        self._event.wait(seconds)


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


@contextmanager
def apply(
    wanted: Wanted, tools: Tools, approve: Callable[[Plan], str], saved: SavedPlan | None = None
) -> Iterator[Report]:
    """Plan, have the plan approved, and send it; gives the report once everything is sent, while the leases are held.

    `approve` returns the plan's id or raises; a `saved` plan bounds what is proposed. Raises PlanError for a plan that
    is stale, has errors or passes a limit, Leased, ApiError and LedgerError, all before anything was sent; what goes
    wrong later is in the report.
    """
    looked_at = time.monotonic()
    seen = _look_for_apply(wanted, wanted.tables, tools)
    if saved is not None:
        saved.check_tables(seen.snapshots, tools.settings.project.prices)
    within = None if saved is None else saved.approval()
    with tools.profile.phase(Phase.PLANNING):
        proposed = _refuse(plan(wanted, seen, tools.settings, within), tools.settings)
    plan_id = approve(proposed)
    tables = {call.table_id for call in proposed.calls} | {verdict.call.table_id for verdict in seen.verdicts}
    if not tables:
        yield Report(plan_id, in_doubt=proposed.in_doubt)
        return
    seconds = tools.settings.project.api.spend.lease_seconds
    with Leases(
        tools.ledger,
        tables,
        tools.actor,
        seconds,
        wait_seconds=tools.lease_timeout_seconds,
        sleep=tools.interrupt.sleep,
        on_wait=tools.watcher.on_trouble,
    ) as leases:
        final = proposed
        versions = {table: history.version for table, history in seen.histories.items()}
        is_old = time.monotonic() - looked_at > LOOK_AGAIN_AFTER_SECONDS
        # What was in doubt at the look may have been ended since by the one who sent it, who held the lease till now.
        if is_old or seen.verdicts or any(leases.of(table).table_version != versions[table] for table in tables):
            approved_ago = time.monotonic() - looked_at + (0.0 if within is None else within.age_seconds)
            approved = Approval.of_calls(proposed.calls, approved_ago)
            seen = _look_for_apply(wanted, tables, tools)
            if saved is not None:
                saved.check_tables(seen.snapshots, tools.settings.project.prices)
            with tools.profile.phase(Phase.PLANNING):
                final = _refuse(plan(wanted, seen, tools.settings, approved), tools.settings)
        _record(seen.verdicts, leases, tools)
        yield _send(final, proposed, plan_id, leases, tools)


def _look_for_apply(wanted: Wanted, tables: Collection[str], tools: Tools) -> Look:
    return look(wanted, tables, tools.reader, tools.ledger, tools.settings, whole=False, profile=tools.profile)


def _refuse(proposed: Plan, settings: Settings) -> Plan:
    """Return the plan, or raise PlanError where it must not be sent."""
    if proposed.errored:
        raise ErroredPlan(proposed.diagnostics)
    violated = check(proposed, settings.limits, settings.floor)
    if violated:
        places = "\n".join(whence(violation) for violation in violated)
        message = "; ".join(violation.message for violation in violated)
        raise LimitExceeded(f"refused before anything was sent: {message}", hint=f"{places}\n{NARROW}")
    return proposed


def _record(verdicts: Iterable[Verdict], leases: Leases, tools: Tools) -> None:
    """Write what the live tables proved about calls in doubt, before anything is sent on the strength of it."""
    quiet = tools.settings.project.api.spend.quiet_seconds
    for verdict in verdicts:
        tools.ledger.resolve(
            verdict.call.id,
            verdict.call.attempt,
            landed=verdict.landed,
            reason="the live table shows it",
            actor=tools.actor,
            evidence=verdict.evidence,
            min_age_seconds=0.0 if verdict.landed else quiet,
            lease=leases.of(verdict.call.table_id),
        )


def _send(final: Plan, proposed: Plan, plan_id: str, leases: Leases, tools: Tools) -> Report:
    unrecorded: list[str] = []

    def lost(call: Call, ticket: Ticket, ending: Ending) -> None:
        unrecorded.append(call.id)
        tools.watcher.on_unrecorded(call, ticket, ending)

    def pause(attempt: int) -> None:
        tools.interrupt.sleep(random.uniform(0, min(LONGEST_BACKOFF_SECONDS, 2.0**attempt)))  # noqa: S311 - jitter

    pace = Pace(tools.settings.project.api.spend.send_within_seconds, time.monotonic, pause)
    work = Apply(
        final,
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
    for result in work.run():
        results.append(result)
        tools.watcher.on_result(result)
    looked_again = {table.table_id for table in final.tables}
    elsewhere = tuple(call for call in proposed.in_doubt if call.table_id not in looked_again)
    order = {call.id: index for index, call in enumerate(final.calls)}
    results.sort(key=lambda result: order[result.call.id])
    return Report(plan_id, tuple(results), work.stopped, (*elsewhere, *final.in_doubt), tuple(unrecorded))


def wait(report: Report, tools: Tools, timeout_seconds: float | None) -> Report:
    """Wait until the tables of accepted calls are idle, read their cells once more, and settle the calls.

    Raises nothing: whatever goes wrong now does not change what was spent, and the report must come out.
    """
    tables = {result.call.table_id for result in report.in_state(CallState.ACCEPTED)}

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
    for result in report.in_state(CallState.ACCEPTED):
        bought.setdefault(result.call.table_id, set()).update(result.call.rows)
    try:
        with tools.profile.phase(Phase.WAITING):
            answers = tools.reader.read_tables(
                dict.fromkeys(tables.difference(running), frozenset()),
                {table: Shortcut(rows=frozenset(rows)) for table, rows in bought.items()},
            )
        snapshots = {table: answer for table, answer in answers.items() if isinstance(answer, TableSnapshot)}
        results = settle(results, snapshots)
        for result in results:
            if result.settlement is not None:
                tools.ledger.settle(result.call.id, result.settlement)
    except (ApiError, LedgerError) as error:
        tools.watcher.on_trouble(error.message)
    stop = report.stop or (Stop(StopCause.INTERRUPTED, "interrupted while waiting") if interrupt else None)
    return replace(report, results=results, waited=True, still_running=running, stop=stop)
