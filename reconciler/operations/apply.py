"""An apply from start to end: read and plan (`observe.py`), check limits, take leases, plan again within the approval;
then, wave by wave, send and wait (`send.py`, `wait.py`), read again, plan the rest.

Input and output meet the decisions here. Each function is one step, and leaves decisions to a pure module.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.documents.saved_plan_checks import SavedPlan
from reconciler.errors import ReconcilerError
from reconciler.ledger.lease_keeper import LeaseKeeper, LeaseTiming
from reconciler.model.attempt import CallResult, Stop, StopCause
from reconciler.model.credits import Credits, Priced
from reconciler.model.history import CallState, PastCall, TableHistory
from reconciler.model.plan import Call, Cause, Plan
from reconciler.model.report import Outgrown, Report, Unsent, held_back
from reconciler.operations.apply_context import ApplyContext
from reconciler.operations.fold import fold, record_endings, settle_shown
from reconciler.operations.judge import judged
from reconciler.operations.observe import Observation, Sources, Targets, observe_tables
from reconciler.operations.permit import Permit, refuse_unfit
from reconciler.operations.resume import resume
from reconciler.operations.send import send
from reconciler.planning.table_counts import count_tables
from reconciler.planning.waves import parted, upstream_of
from reconciler.settings.settings import Settings
from reconciler.spending.approval import Approval
from reconciler.spending.protocol import trouble_words
from reconciler.spending.wait import LONGEST_POLL_SECONDS
from reconciler.text.sanitize import one_line

PAUSE_SECONDS = 1.0
"""Before polling a table again whose header says idle and whose pages do not."""

LOOK_AGAIN_AFTER_SECONDS = 10.0
"""If the tables were read longer ago than this when the leases are held, e.g. after a prompt, read them again."""


def apply(
    targets: Targets,
    context: ApplyContext,
    approve: Callable[[Plan], str],
    saved: SavedPlan | None = None,
    wait_for: Callable[[Report, Collection[str]], Report] | None = None,
) -> Report:
    """Plan, have the plan approved, and send it wave by wave; return the report.

    `approve` returns the plan's id or raises; a `saved` plan bounds the proposal. `wait_for` waits until the calls of
    a report have ended, and until other tables are idle, as `wait` does; without it only the first wave is sent.
    Raises PlanError for a plan that is stale, has errors or exceeds a limit, Leased, ApiError and LedgerError, all
    before anything was sent; later failures are in the report.
    """
    permit = Permit(saved, context, waits=wait_for is not None)
    targets, settings = permit.find(targets)
    observation = look_for_apply(targets, targets.tables, context, permit)
    within = permit.left(observation)
    proposed = permit.plan(targets, observation, settings, within)
    plan_id = approve(proposed)
    permit.show(proposed)
    if proposed.account is not None and proposed.has_due:
        counts = count_tables(observation.snapshots, observation.histories)
        context.ledger.note_balance(plan_id, proposed.account, counts, age_seconds=permit.age_seconds)
    settled = settle_shown(observation, context)
    resumed = () if wait_for is None else resume(observation, settled, context)
    tables = {call.table_id for call in proposed.calls} | {verdict.call.table_id for verdict in observation.verdicts}
    is_patient = wait_for is not None and bool(proposed.waiting or proposed.growth or _has_left(proposed))
    begun = {call.table_id for each in observation.histories.values() for call in each.calls if call.is_begun}
    if context.lease_timeout_seconds > 0 or not (tables or is_patient):
        # A call that another process has just begun may end at any moment, under the lease of its table.
        tables |= begun
    if not tables and not is_patient:
        report = Report(
            plan_id,
            in_doubt=proposed.in_doubt,
            held_back=held_back(proposed),
            unsent=_left(proposed, _run_statuses(proposed)),
            blocked=() if _has_left(proposed) else blocked(proposed),
            resumed=resumed,
            stale=permit.stale,
        )
        return report if wait_for is None else wait_for(report, ())
    seconds = context.settings.project.api.spend.lease_seconds
    timing = LeaseTiming(seconds, context.lease_timeout_seconds, context.interrupt.sleep)
    with LeaseKeeper(context.ledger, tables, context.actor, timing, context.watcher.on_trouble) as leases:
        final, last = proposed, observation
        versions = {table: history.version for table, history in observation.histories.items()}
        is_old = permit.age_seconds > LOOK_AGAIN_AFTER_SECONDS
        # A call in doubt when read may have been ended since by its sender, which held the lease until now.
        if (
            is_old
            or observation.verdicts
            or not begun.isdisjoint(tables)
            or not (proposed.calls or is_patient)
            or any(leases.of(table).table_version != versions[table] for table in tables)
        ):
            targets, settings = permit.find(targets)
            last = look_for_apply(targets, tables, context, permit)
            final = permit.plan(targets, last, settings, permit.left(last))
        record_endings(last.verdicts, leases, context)
        work = WaveRunner(targets, settings, context, leases, Approved(permit, proposed, plan_id), wait_for)
        report = work.send(final, observation, last, resumed)
        fold(tables, leases, context)
    return report if wait_for is None else judged(report, work.targets, context)


def look_for_apply(targets: Targets, tables: Collection[str], context: ApplyContext, permit: Permit) -> Observation:
    """Read what an apply of these targets needs of tables. Raises as `observe_tables`."""
    sources = Sources(context.reader, context.ledger, context.settings, context.profile)
    return observe_tables(targets, tables, sources, whole=False, applied=permit.saved_plan_id)


def _has_left(due: Plan) -> bool:
    """Return True if approved cells wait for cells in progress: they may fall due without further calls."""
    return bool(due.held_up and due.moving)


def _left(due: Plan, shown: Mapping[str, str]) -> tuple[Unsent, ...]:
    """Return a plan's approved cells that wait, by run: for their table to be idle, or for cells in progress.

    `shown` is each table's last known `run_status`.
    """
    if not _has_left(due):
        return _waiting_for_tables(due, shown)
    reason = "it waits for cells that are in progress"
    return (*_waiting_for_tables(due, shown), *(Unsent(s.address, s.table_id, s.cells, reason) for s in due.held_up))


def blocked(due: Plan, results: Iterable[CallResult] = ()) -> tuple[Unsent, ...]:
    """Return a plan's approved cells that wait for others although nothing is in progress in their table, by run.

    Without runs of which a call stands in the results as not tried.
    """
    told = {(result.call.address, result.call.table_id) for result in results if result.ending is None}
    reason = "cells that it reads are not done"
    return tuple(
        Unsent(each.address, each.table_id, each.cells, reason)
        for each in due.held_up
        if each.table_id not in due.moving and (each.address, each.table_id) not in told
    )


def _run_statuses(*plans: Plan) -> dict[str, str]:
    return {table.table_id: table.run_status for plan in plans for table in plan.tables}


def _waiting_for_tables(due: Plan, shown: Mapping[str, str]) -> tuple[Unsent, ...]:
    """Return a plan's cells that wait for their table to be idle, by run."""
    cells: dict[tuple[str, str], int] = {}
    for call in due.waiting:
        cells[call.address, call.table_id] = cells.get((call.address, call.table_id), 0) + call.cells
    return tuple(
        Unsent(address, table, count, f"its table is {one_line(shown[table])}")
        for (address, table), count in cells.items()
    )


@dataclass(frozen=True, slots=True)
class Approved:
    """The approval of an apply: the approved plan, and the permit that is checked between waves."""

    permit: Permit
    plan: Plan
    plan_id: str
    earlier: tuple[CallResult, ...] = ()
    """Calls that were sent for it before, however they ended."""


class WaveRunner:
    """Sends approved cells wave by wave, and nothing else; reads the tables again between waves."""

    def __init__(
        self,
        targets: Targets,
        settings: Settings,
        context: ApplyContext,
        leases: LeaseKeeper,
        approved: Approved,
        wait_for: Callable[[Report, Collection[str]], Report] | None,
    ) -> None:
        self._targets = targets
        self._settings = settings
        self._context = context
        self._leases = leases
        self._permit = approved.permit
        self._proposed = approved.plan
        self._wait_for = wait_for
        self._growing = frozenset(growth.manifest for growth in self._proposed.growth if growth.max_cells)
        self._sent: list[Call] = [result.call for result in approved.earlier]
        """Every call of the waves so far, however it ended."""
        self._outgrown: dict[str, Outgrown] = {}
        self._doubts: dict[str, PastCall] = {}
        """Calls that were in doubt when the plan was proposed, by id."""
        self._histories: dict[str, TableHistory] = {}
        """By table, as last read."""
        self._report = Report(approved.plan_id, approved.earlier)
        self._permit.has_begun = True

    @property
    def targets(self) -> Targets:
        """The manifests with their tables, as last found."""
        return self._targets

    def send(self, due: Plan, first: Observation, last: Observation, resumed: tuple[CallResult, ...]) -> Report:
        """Send all calls of `due`, the first wave at once; raises nothing.

        `first` is the observation the plan was proposed from, `last` the one that `due` was planned from; `resumed` are
        calls of earlier applies to wait for.
        """
        self._report = replace(self._report, resumed=resumed)
        self._doubts = {call.id: call for each in first.histories.values() for call in each.calls if call.is_open}
        self._histories = {**first.histories, **last.histories}
        looked_at = {table.table_id for table in due.tables}
        due = replace(
            due, waiting=(*due.waiting, *(call for call in self._proposed.waiting if call.table_id not in looked_at))
        )
        pause = PAUSE_SECONDS
        while True:
            now, later = parted(due.calls)
            self._send_wave(replace(due, calls=now))
            running = {call.table_id for call in due.waiting}
            if self._growing or _has_left(due):
                running |= due.moving
            if self._wait_for is not None:
                self._report = self._wait_for(self._report, running)
            if self._report.stop is not None:
                self._give_up(later, f"the apply had stopped: {self._report.stop.message}")
                later = ()
            ended = self._report.stop is not None or self._report.still_running or self._report.awaited
            if self._wait_for is None or ended or not (later or running or self._growing or due.in_doubt):
                break
            try:
                due = self._plan_again()
            except ReconcilerError as error:
                stop = Stop(StopCause.LOOK, f"the next wave could not be planned: {error.message}", error.hint)
                self._report = replace(self._report, stop=stop)
                self._give_up(later, "the next wave could not be planned")
                later = ()
                break
            if not due.calls and not due.waiting and not _has_left(due) and not (self._growing and due.moving):
                later = ()
                break
            if due.calls:
                pause = PAUSE_SECONDS
            else:
                # Its header says idle, but its cells do not, or have not shown: wait for one poll interval.
                self._context.interrupt.sleep(pause)
                pause = min(2 * pause, LONGEST_POLL_SECONDS)
        return self._conclude(due, later)

    def _send_wave(self, wave: Plan) -> None:
        """Send a wave, leaving out tables and manifests in trouble: their trouble does not stop the others."""
        self._sent += wave.calls
        reasons = self._troubles(wave.calls)
        calls = tuple(call for call in wave.calls if call.id not in reasons)
        sent = send(replace(wave, calls=calls), self._report.plan_id, self._leases, self._context, self._settings)
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
        """Return why calls must no longer be sent, by id: a call of an earlier wave did not go well."""
        tables: dict[str, str] = {}
        manifests: dict[str, str] = {}
        for result in self._report.results:
            if result.ending is not None and result.ending.state is not CallState.ACCEPTED:
                words = trouble_words(result.ending.state)
                tables[result.call.table_id] = f"call {result.call.id[:8]} for the same table {words}"
                manifests[result.call.manifest] = (
                    f"call {result.call.id[:8]} of `{result.call.manifest}`, which comes first, {words}"
                )
        if not tables:
            return {}
        found = {}
        for call in calls:
            upstream = upstream_of(call.manifest, self._targets.manifests) & manifests.keys()
            reason = tables.get(call.table_id) or next((manifests[name] for name in sorted(upstream)), "")
            if reason:
                found[call.id] = reason
        return found

    def _give_up(self, calls: Iterable[Call], reason: str) -> None:
        results = [CallResult(call, None, reason) for call in calls]
        for result in results:
            self._context.watcher.on_result(result)
        self._report = replace(self._report, results=(*self._report.results, *results))

    def _plan_again(self) -> Plan:
        """Read again and plan the rest of the approval, and the growth. Raises as `observe_tables`."""
        if self._growing:
            # A table that a wave filled may not have existed before it.
            self._targets, self._settings = self._permit.find(self._targets)
        growing = {manifest.table_id for manifest in self._targets.manifests if manifest.name in self._growing}
        tables = {call.table_id for call in (*self._proposed.calls, *self._proposed.waiting)} | growing
        tables |= {call.table_id for call in self._proposed.in_doubt}
        if self._proposed.held_up or self._growing:
            # The cells it waits for may be in any of them.
            tables |= self._targets.tables
        with self._context.interrupt.reading():
            observation = look_for_apply(self._targets, tables, self._context, self._permit)
        self._histories |= observation.histories
        left = self._permit.left(observation)
        assert left is not None
        listed = left.without(self._sent)
        within = replace(listed, growing=self._growing.difference(self._permit.stale))
        # Split like the calls of a change: no call then mixes listed cells with others.
        due = self._permit.planned(self._targets, observation, self._settings, within, anyway=listed)
        return self._checked(due, observation)

    def _checked(self, due: Plan, observation: Observation) -> Plan:
        """Take the leases for a plan of the rest, record the doubts that it relies on, and return what may be sent."""
        due = self._within_growth(due, observation)
        sent = [result.call for result in self._report.results if result.ending is not None]
        refuse_unfit(replace(due, calls=(*sent, *due.calls)), self._settings, "with what was sent before it")
        # A running table may belong to another apply, and is left to it: leases are taken only for calls sent now.
        self._leases.take({call.table_id for call in due.calls} | {each.call.table_id for each in observation.verdicts})
        record_endings(observation.verdicts, self._leases, self._context)
        return due

    def _within_growth(self, due: Plan, observation: Observation) -> Plan:
        """Drop all growth of a manifest if it exceeds what the plan allows to buy."""
        whole = self._permit.whole
        assert whole is not None
        before = [
            call
            for history in observation.histories.values()
            for call in history.under(self._report.plan_id)
            if not whole.covers(call)
        ]
        grown = [call for call in due.calls if call.cause is Cause.CHANGE]
        for allowed in self._proposed.growth:
            own = [call for call in grown if call.manifest == allowed.manifest]
            bought = [call for call in before if call.address.partition("/")[0] == allowed.manifest]
            both: list[Priced] = [*bought, *own]
            cells, price = sum(call.cells for call in both), Credits.of(both).total
            most = allowed.max_credits
            is_dear = most is not None and (price is None or price > most)
            if own and (cells > (allowed.max_cells or 0) or is_dear):
                self._outgrown[allowed.manifest] = Outgrown(allowed, cells, price)
        calls = [
            replace(call, cause=None)
            for call in due.calls
            if call.cause is not Cause.CHANGE or call.manifest not in self._outgrown
        ]
        return replace(due, calls=tuple(calls))

    def _conclude(self, last: Plan, later: Iterable[Call]) -> Report:
        """Complete the report from the last observation, and from the first one for tables not read since."""
        observation = {table.table_id for table in last.tables}
        before = [call for call in self._proposed.in_doubt if call.table_id not in observation]
        own = {result.call.id for result in self._report.results}
        held = [each for each in held_back(self._proposed) if each.table_id not in observation]
        unsent = [*_left(last, _run_statuses(self._proposed, last)), *self._ended_doubts()]
        if self._wait_for is not None:
            reason = "waiting ended before its turn"
            unsent += [Unsent(call.address, call.table_id, call.cells, reason) for call in later]
            later = ()
            if self._report.still_running or self._report.awaited:
                reason = "waiting ended before its growth was known"
                unsent += [
                    Unsent(each.manifest, each.table_id, 0, reason) for each in self._proposed.growth if each.max_cells
                ]
        return replace(
            self._report,
            in_doubt=tuple(call for call in (*before, *last.in_doubt) if call.id not in own),
            held_back=(*held, *held_back(last)),
            outgrown=tuple(self._outgrown[name] for name in sorted(self._outgrown)),
            later=tuple(later),
            unsent=tuple(unsent),
            blocked=() if self._wait_for is None or _has_left(last) else blocked(last, self._report.results),
            stale=self._permit.stale,
        )

    def _ended_doubts(self) -> Iterator[Unsent]:
        """Yield calls whose doubt ended in this apply as not landed: they bought nothing, so their cells are due."""
        sent = Approval({}).without(self._sent).sent
        for call in self._doubts.values():
            is_remembered = any(each.id == call.id for each in self._histories[call.table_id].calls)
            if not is_remembered and self._permit.covers(call):
                cells = sum(
                    len(set(block.rows) - sent.get((call.table_id, column), frozenset()))
                    for block in call.covered
                    for column in block.columns
                )
                if cells:
                    reason = f"call {call.id[:8]} turned out not to have landed"
                    yield Unsent(call.address, call.table_id, cells, reason)
