"""The story of an apply: look and plan (`looking.py`), guard, lease, plan again within what was approved; then wave by
wave: send and wait (`sending.py`), look again, plan what is left.

Here the edges meet the decisions. Each function tells one chapter and leaves the deciding to a pure module.
"""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from reconciler.apply import Stop, StopCause
from reconciler.approval import Approval
from reconciler.errors import ErroredPlan, LimitExceeded, ReconcilerError
from reconciler.finding import find_floor
from reconciler.guard import NARROW, check, whence
from reconciler.history import CallState
from reconciler.leasing import Leases
from reconciler.looking import Look, Wanted, look, plan, resolve
from reconciler.outcome import CallResult
from reconciler.plan import Call, Cause, Plan, sums
from reconciler.profiling import Phase
from reconciler.recovery import Verdict
from reconciler.report import Outgrown, Report, held_back
from reconciler.saved import SavedPlan
from reconciler.sending import Tools, send
from reconciler.settings import Settings
from reconciler.waves import above, parted

LOOK_AGAIN_AFTER_SECONDS = 10.0
"""A look older than this when the leases are held is taken again: somebody thought about the plan meanwhile."""


def apply(
    wanted: Wanted,
    tools: Tools,
    approve: Callable[[Plan], str],
    saved: SavedPlan | None = None,
    wait_for: Callable[[Report], Report] | None = None,
) -> Report:
    """Plan, have the plan approved, and send it wave by wave; return the report.

    `approve` returns the plan's id or raises; a `saved` plan bounds what is proposed. `wait_for` waits until what a
    report sent has ended, as `wait` does; without it the first wave is all that is sent. Raises PlanError for a plan
    that is stale, has errors or passes a limit, Leased, ApiError and LedgerError, all before anything was sent; what
    goes wrong later is in the report.
    """
    looked_at = time.monotonic()
    wanted, settings = _found(wanted, tools, saved)
    seen = _look_for_apply(wanted, wanted.tables, tools)
    if saved is not None:
        saved.check_tables(seen.snapshots, tools.settings.project.prices)
    within = None if saved is None else saved.approval()
    held = (lambda made: made) if saved is None else saved.held

    def approved_ago() -> float:
        return time.monotonic() - looked_at + (0.0 if within is None else within.age_seconds)

    with tools.profile.phase(Phase.PLANNING):
        proposed = _refuse(held(plan(wanted, seen, settings, within)), settings)
    plan_id = approve(proposed)
    tables = {call.table_id for call in proposed.calls} | {verdict.call.table_id for verdict in seen.verdicts}
    if not tables:
        report = Report(plan_id, in_doubt=proposed.in_doubt, held_back=held_back(proposed))
        return report if wait_for is None else wait_for(report)
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
            approved = Approval.of_calls(proposed.calls, approved_ago())
            wanted, settings = _found(wanted, tools, saved)
            seen = _look_for_apply(wanted, tables, tools)
            if saved is not None:
                saved.check_tables(seen.snapshots, tools.settings.project.prices)
            with tools.profile.phase(Phase.PLANNING):
                final = _refuse(held(plan(wanted, seen, settings, approved)), settings)
        _record(seen.verdicts, leases, tools)
        return _Waves(wanted, settings, tools, leases, proposed, plan_id, approved_ago, wait_for).send(final)


def _found(wanted: Wanted, tools: Tools, saved: SavedPlan | None) -> tuple[Wanted, Settings]:
    """Find the tables of the manifests and of those that limits go by. Raises StalePlan where a saved one moved."""
    with tools.profile.phase(Phase.READING):
        wanted, settings = resolve(wanted, tools.reader), find_floor(tools.settings, tools.reader)
    if saved is not None:
        saved.check_found(wanted.manifests, wanted.unread)
    return wanted, settings


def _look_for_apply(wanted: Wanted, tables: Collection[str], tools: Tools) -> Look:
    return look(wanted, tables, tools.reader, tools.ledger, tools.settings, whole=False, profile=tools.profile)


def _refuse(proposed: Plan, settings: Settings, sent: str = "before anything was sent") -> Plan:
    """Return the plan, or raise PlanError where it must not be sent; `sent` says what of it was."""
    if proposed.errored:
        raise ErroredPlan(proposed.diagnostics)
    violated = check(proposed, settings.limits, settings.floor)
    if violated:
        places = "\n".join(whence(violation) for violation in violated)
        message = "; ".join(violation.message for violation in violated)
        raise LimitExceeded(f"refused {sent}: {message}", hint=f"{places}\n{NARROW}")
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


class _Waves:
    """Sends what was approved wave by wave, and nothing else; looks again between two waves."""

    def __init__(
        self,
        wanted: Wanted,
        settings: Settings,
        tools: Tools,
        leases: Leases,
        proposed: Plan,
        plan_id: str,
        approved_ago: Callable[[], float],
        wait_for: Callable[[Report], Report] | None,
    ) -> None:
        self._wanted = wanted
        self._settings = settings
        self._tools = tools
        self._leases = leases
        self._proposed = proposed
        self._approved_ago = approved_ago
        self._wait_for = wait_for
        growing = frozenset(growth.manifest for growth in proposed.growth if growth.max_cells)
        self._left = replace(Approval.of_calls(proposed.calls), growing=growing)
        """What is approved and was not sent yet."""
        self._grown: set[str] = set()
        """Ids of calls for cells that nobody could list when the plan was approved."""
        self._outgrown: dict[str, Outgrown] = {}
        self._report = Report(plan_id)

    def send(self, due: Plan) -> Report:
        """Send everything that is `due`, the first wave at once; raises nothing."""
        while True:
            now, later = parted(due.calls)
            self._send_wave(replace(due, calls=now))
            if self._wait_for is not None:
                self._report = self._wait_for(self._report)
            if self._report.stop is not None:
                self._give_up(later, f"the apply had stopped: {self._report.stop.message}")
                later = ()
            is_open = self._report.stop is None and not self._report.still_running
            if self._wait_for is None or not is_open or not (later or self._left.growing):
                break
            try:
                due = self._plan_again()
            except ReconcilerError as error:
                stop = Stop(StopCause.LOOK, f"the next wave could not be planned: {error.message}", error.hint)
                self._report = replace(self._report, stop=stop)
                self._give_up(later, "the next wave could not be planned")
                later = ()
                break
            if not due.calls:
                break
        return self._conclude(due, later)

    def _send_wave(self, wave: Plan) -> None:
        """Send a wave, but for what goes wrong already: a table's or a manifest's trouble stays its own."""
        self._left = self._left.without(wave.calls)
        reasons = self._troubles(wave.calls)
        calls = tuple(call for call in wave.calls if call.id not in reasons)
        sent = send(replace(wave, calls=calls), self._report.plan_id, self._leases, self._tools)
        self._report = replace(
            self._report,
            results=(*self._report.results, *sent.results),
            stop=sent.stop,
            unrecorded=(*self._report.unrecorded, *sent.unrecorded),
        )
        for call in wave.calls:
            if call.id in reasons:
                self._give_up([call], reasons[call.id])

    def _troubles(self, calls: Iterable[Call]) -> dict[str, str]:
        """Return the calls that must not be sent any more, by id, and why: one of an earlier wave did not go well."""
        tables: dict[str, str] = {}
        manifests: dict[str, str] = {}
        for result in self._report.results:
            if result.ending is not None and result.ending.state is not CallState.ACCEPTED:
                word = result.ending.state.value.replace("_", " ")
                tables[result.call.table_id] = f"call {result.call.id[:8]} for the same table is {word}"
                manifests[result.call.manifest] = (
                    f"call {result.call.id[:8]} of `{result.call.manifest}`, which comes first, is {word}"
                )
        if not tables:
            return {}
        found = {}
        for call in calls:
            upstream = above(call.manifest, self._wanted.manifests) & manifests.keys()
            reason = tables.get(call.table_id) or next((manifests[name] for name in sorted(upstream)), "")
            if reason:
                found[call.id] = reason
        return found

    def _give_up(self, calls: Iterable[Call], reason: str) -> None:
        results = [CallResult(call, None, reason) for call in calls]
        for result in results:
            self._tools.watcher.on_result(result)
        self._report = replace(self._report, results=(*self._report.results, *results))

    def _plan_again(self) -> Plan:
        """Look again and plan what is left of the approval, and what has grown. Raises what looking raises."""
        if self._left.growing:
            # What a wave filled may not have been there before it.
            self._wanted, self._settings = _found(self._wanted, self._tools, None)
        growing = {manifest.table_id for manifest in self._wanted.manifests if manifest.name in self._left.growing}
        tables = {call.table_id for call in self._proposed.calls} | growing
        self._leases.take(tables)
        seen = _look_for_apply(self._wanted, tables, self._tools)
        with self._tools.profile.phase(Phase.PLANNING):
            # Parted as what a change causes is: no call then mixes listed cells with others.
            within = replace(self._left, age_seconds=self._approved_ago())
            listed = replace(within, growing=frozenset())
            due = self._within_growth(plan(self._wanted, seen, self._settings, within, anyway=listed))
            sent = [result.call for result in self._report.results if result.ending is not None]
            _refuse(replace(due, calls=(*sent, *due.calls)), self._settings, "with what was sent before it")
        _record(seen.verdicts, self._leases, self._tools)
        return due

    def _within_growth(self, due: Plan) -> Plan:
        """Drop all that has grown of a manifest where it is more than may be bought of it."""
        sent = [result.call for result in self._report.results if result.call.id in self._grown]
        grown = [call for call in due.calls if call.cause is Cause.CHANGE]
        self._grown.update(call.id for call in grown)
        for allowed in self._proposed.growth:
            totals = sums(0, [call for call in (*sent, *grown) if call.manifest == allowed.manifest])
            price, most = totals.credits, allowed.max_credits
            is_dear = most is not None and (price is None or price > most)
            if totals.cells > (allowed.max_cells or 0) or is_dear:
                self._outgrown[allowed.manifest] = Outgrown(allowed, totals.cells, price)
        calls = [
            replace(call, cause=None)
            for call in due.calls
            if call.cause is not Cause.CHANGE or call.manifest not in self._outgrown
        ]
        return replace(due, calls=tuple(calls))

    def _conclude(self, last: Plan, later: Iterable[Call]) -> Report:
        """Add to the report what the last look showed, and what the first look did of tables not looked at since."""
        seen = {table.table_id for table in last.tables}
        before = [call for call in self._proposed.in_doubt if call.table_id not in seen]
        own = {result.call.id for result in self._report.results}
        held = [each for each in held_back(self._proposed) if each.table_id not in seen]
        return replace(
            self._report,
            in_doubt=tuple(call for call in (*before, *last.in_doubt) if call.id not in own),
            held_back=(*held, *held_back(last)),
            outgrown=tuple(self._outgrown[name] for name in sorted(self._outgrown)),
            later=tuple(later),
        )
