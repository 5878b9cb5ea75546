"""One step of an apply that several machines carry out: look, record what has shown, send what is due now, no waiting.

It is the wave of an apply, and what it does is decided by the ledger and the live tables alone: whoever dies in the
middle of it, or does it twice, buys no cell a second time. A later step, on any machine, goes on from there.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from reconciler.documents.saved_plan_checks import SavedPlan
from reconciler.ledger.lease_keeper import LeaseKeeper, LeaseTiming
from reconciler.model.attempt import CallResult, Ending, Settlement
from reconciler.model.balance import TableCounts
from reconciler.model.history import CallState
from reconciler.model.plan import Call, Plan
from reconciler.model.report import Report
from reconciler.operations.account import with_account
from reconciler.operations.apply import Approved, WaveRunner, blocked, look_for_apply
from reconciler.operations.apply_context import ApplyContext
from reconciler.operations.fold import fold, settle_shown
from reconciler.operations.observe import Observation, Targets
from reconciler.operations.permit import Permit, refuse_unfit
from reconciler.operations.resume import results_of, resume, unsettled
from reconciler.planning.table_counts import count_tables
from reconciler.planning.waves import parted
from reconciler.spending.wait import count_cells


@dataclass(frozen=True, slots=True)
class StepScope:
    """The tables and calls that a step may touch."""

    tables: frozenset[str] | None
    """None for all that the manifests name: some may not exist yet."""
    part_of: Callable[[Call], Hashable]
    """Calls of different parts do not wait for each other's waves."""
    first: frozenset[Hashable] = frozenset()
    """Parts of which this is the first step: the calls of earlier applies that it meets there are waited for."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The calls that steps before this one sent or found."""

    calls: tuple[CallResult, ...] = ()
    """Sent for this apply, unless they are known to not have landed, or their sender may have died between tries."""
    resumed: tuple[CallResult, ...] = ()
    """Of earlier applies, waited for since the first step."""

    @classmethod
    def of(cls, calls: Iterable[CallResult], noted: Iterable[Report]) -> Self:
        """Return them from what the ledger says of this apply's calls, and what earlier steps noted besides.

        A call that was not sent, and of which no step noted that it is given up, is to be tried again.
        """
        noted = tuple(noted)
        cells = {result.call.id: result for report in noted for result in report.results}
        return cls(
            tuple(
                replace(each, failed=seen.failed, not_started=seen.not_started)
                if (seen := cells.get(each.call.id))
                else each
                for each in calls
                if each.call.id in cells or not each.may_be_tried_again
            ),
            tuple(result for report in noted for result in report.resumed),
        )


@dataclass(frozen=True, slots=True)
class Step:
    """The result of a step."""

    report: Report
    """With the calls that were sent before, each as it stands now."""
    targets: Targets
    moving: frozenset[str]
    """Ids of tables that are running, or have an accepted call that does not show yet."""
    left: frozenset[str]
    """Ids of tables with approved cells that were not sent."""
    ages: Mapping[str, float]
    """Of the calls that were in doubt when they were looked at: seconds since the last attempt began, by id."""
    unsettled: frozenset[str]
    """Ids of accepted calls that have not shown, of earlier applies, too."""
    looked_at: float
    """Seconds since the epoch by the store's clock."""
    counts: tuple[TableCounts, ...]
    """Of the tables, before anything was sent; only of a first step."""


def apply_step(targets: Targets, context: ApplyContext, saved: SavedPlan, earlier: Earlier, scope: StepScope) -> Step:
    """Take one step.

    Raises PlanError if nothing of the plan may be sent any more, Leased if another apply holds a table or has begun
    calls meanwhile, ApiError and LedgerError. Once it may have sent something, failures are in the report.
    """
    permit = Permit(saved, context, waits=True, tables=scope.tables)
    targets, settings = permit.find(targets)
    observation = look_for_apply(targets, targets.tables, context, permit)
    settled = settle_shown(observation, context)
    sent = _as_shown(earlier.calls, observation, settled)
    resumed = _resumed(earlier, observation, settled, scope, context)
    left = permit.left(observation)
    assert left is not None
    listed = left.without([result.call for result in sent])
    growing = frozenset(name for name, (cells, _) in saved.growth.items() if cells).difference(permit.stale)

    def planned(without: Sequence[Call]) -> Plan:
        rest = listed.without(without)
        return permit.planned(targets, observation, settings, replace(rest, growing=growing), anyway=rest)

    due = with_account(planned(()), settings, context.reader)
    refuse_unfit(due, settings)
    timing = LeaseTiming(context.settings.project.api.spend.lease_seconds, 0.0, context.interrupt.sleep)
    with LeaseKeeper(context.ledger, (), context.actor, timing, context.watcher.on_trouble) as leases:
        approved = Approved(permit, due, saved.plan_id, sent)
        work = _StepRunner(targets, settings, context, leases, approved, None)
        report = replace(work.step(observation, scope.part_of, planned), resumed=resumed)
        fold(leases.tables, leases, context)
    ages = {call.id: call.age_seconds for each in observation.histories.values() for call in each.calls if call.is_open}
    waits = frozenset(call.id for call in unsettled(observation)).difference(settled)
    looked_at = observation.recalled_at.timestamp()
    counts = count_tables(observation.snapshots, observation.histories) if scope.first else ()
    unsent = frozenset(table for table, *_ in listed.rows)
    return Step(report, targets, due.moving, unsent, ages, waits, looked_at, counts)


def _as_shown(
    earlier: Iterable[CallResult], observation: Observation, settled: Mapping[str, Settlement]
) -> tuple[CallResult, ...]:
    """Return the calls as the tables prove them to be, without those that did not land."""
    landed = {verdict.call.id: verdict.landed for verdict in observation.verdicts}
    found = []
    for result in earlier:
        if not landed.get(result.call.id, True):
            continue
        if result.call.id in landed:
            result = replace(result, ending=Ending(CallState.ACCEPTED))
        result = replace(result, settlement=settled.get(result.call.id, result.settlement))
        found.append(_with_cells(result, observation))
    return tuple(found)


def _with_cells(result: CallResult, observation: Observation) -> CallResult:
    """Name the cells that had failed or not started when a call was settled, if its table still shows as many."""
    was = result.settlement
    if was is None or not (was.failed or was.not_started) or result.failed or result.not_started:
        return result
    (found,) = count_cells([result], observation.snapshots)
    now = found.settlement
    if now is None or (now.done, now.failed, now.not_started) != (was.done, was.failed, was.not_started):
        return result
    return replace(result, failed=found.failed, not_started=found.not_started)


def _resumed(
    earlier: Earlier,
    observation: Observation,
    settled: Collection[str],
    scope: StepScope,
    context: ApplyContext,
) -> tuple[CallResult, ...]:
    """Return the calls of earlier applies that are waited for: those that were, as they stand, and those met now."""
    own = {result.call.id for result in earlier.calls}
    met = (
        each
        for each in resume(observation, settled, context)
        if each.call.id not in own and scope.part_of(each.call) in scope.first
    )
    return (*_as_they_stand(earlier.resumed, observation, settled, context), *met)


def _as_they_stand(
    resumed: Iterable[CallResult], observation: Observation, settled: Collection[str], context: ApplyContext
) -> Iterator[CallResult]:
    known = {call.id: call for each in observation.histories.values() for call in each.accepted()}
    for result in resumed:
        past = known.get(result.call.id)
        if result.settlement is None and past is not None and (past.settled or past.id in settled):
            yield from count_cells(tuple(results_of([past], observation, context)), observation.snapshots)
        else:
            yield result


class _StepRunner(WaveRunner):
    """Sends one wave of each part, and then says what is left."""

    def step(
        self,
        observation: Observation,
        part_of: Callable[[Call], Hashable],
        planned: Callable[[Sequence[Call]], Plan],
    ) -> Report:
        """Take the step; `planned` plans the rest again, without calls that were given up."""
        self._histories = dict(observation.histories)
        due = self._checked(self._proposed, observation)
        given_up: list[Call] = []
        while True:
            now, later, hopeless = self._first_waves(due, part_of)
            if not hopeless:
                break
            # What depends on them is not due any more, as between the waves of one process.
            reasons = self._troubles(hopeless)
            for call in hopeless:
                self._give_up([call], reasons[call.id])
            given_up += hopeless
            due = self._within_growth(planned(given_up), observation)
        self._send_wave(replace(due, calls=now))
        if self._report.stop is not None:
            self._give_up(later, f"the apply had stopped: {self._report.stop.message}")
            later = ()
        report = self._conclude(due, later)
        return replace(report, blocked=blocked(due, report.results))

    def _first_waves(
        self, due: Plan, part_of: Callable[[Call], Hashable]
    ) -> tuple[tuple[Call, ...], tuple[Call, ...], tuple[Call, ...]]:
        """Return each part's first wave, all later calls, and the first waves that are in trouble as a whole."""
        parts: dict[Hashable, list[Call]] = {}
        for call in due.calls:
            parts.setdefault(part_of(call), []).append(call)
        now: list[Call] = []
        later: list[Call] = []
        hopeless: list[Call] = []
        for calls in parts.values():
            first, rest = parted(calls)
            if rest and len(self._troubles(first)) == len(first):
                hopeless += first
            else:
                now += first
                later += rest
        return tuple(now), tuple(later), tuple(hopeless)
