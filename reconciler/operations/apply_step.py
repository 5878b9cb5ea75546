"""One step of an apply that several machines carry out: look, record what has shown, send what is due now, no waiting.

It is the wave of an apply, and what it does is decided by the ledger and the live tables alone: whoever dies in the
middle of it, or does it twice, buys no cell a second time. A later step, on any machine, goes on from there.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.documents.saved_plan_checks import SavedPlan
from reconciler.ledger.lease_keeper import LeaseKeeper, LeaseTiming
from reconciler.model.attempt import CallResult, Ending
from reconciler.model.history import CallState
from reconciler.model.plan import Call, Plan
from reconciler.model.report import Report
from reconciler.operations.account import with_account
from reconciler.operations.apply import Approved, WaveRunner, look_for_apply
from reconciler.operations.apply_context import ApplyContext
from reconciler.operations.fold import fold, settle_shown
from reconciler.operations.observe import Observation, Targets
from reconciler.operations.permit import Permit, refuse_unfit
from reconciler.planning.waves import parted


@dataclass(frozen=True, slots=True)
class StepScope:
    """What a step may touch."""

    tables: frozenset[str] | None
    """None for all that the manifests name: some may not exist yet."""
    part_of: Callable[[Call], Hashable]
    """Calls of different parts do not wait for each other's waves."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step found and did."""

    report: Report
    """With the calls that were sent before, each as it stands now."""
    targets: Targets
    moving: frozenset[str]
    """Ids of tables that are running, or have an accepted call that does not show yet."""
    left: frozenset[str]
    """Ids of tables with approved cells that were not sent."""
    ages: Mapping[str, float]
    """Of the calls that were in doubt when they were looked at: seconds since the last attempt began, by id."""


def apply_step(
    targets: Targets, context: ApplyContext, saved: SavedPlan, earlier: Sequence[CallResult], scope: StepScope
) -> Step:
    """Take one step; `earlier` are the calls that were sent for this apply before, unless they are known to not have
    landed.

    Raises PlanError if nothing of the plan may be sent any more, Leased if another apply holds a table or has begun
    calls meanwhile, ApiError and LedgerError. Once it may have sent something, failures are in the report.
    """
    permit = Permit(saved, context, waits=True, tables=scope.tables)
    targets, settings = permit.find(targets)
    observation = look_for_apply(targets, targets.tables, context, permit)
    earlier = _as_shown(earlier, observation, context)
    left = permit.left(observation)
    assert left is not None
    listed = left.without([result.call for result in earlier])
    growing = frozenset(name for name, (cells, _) in saved.growth.items() if cells).difference(permit.stale)
    due = permit.planned(targets, observation, settings, replace(listed, growing=growing), anyway=listed)
    due = with_account(due, settings, context.reader)
    refuse_unfit(due, settings)
    timing = LeaseTiming(context.settings.project.api.spend.lease_seconds, 0.0, context.interrupt.sleep)
    with LeaseKeeper(context.ledger, (), context.actor, timing, context.watcher.on_trouble) as leases:
        approved = Approved(permit, due, saved.plan_id, earlier)
        work = _StepRunner(targets, settings, context, leases, approved, None)
        report = work.step(observation, scope.part_of)
        fold(leases.tables, leases, context)
    ages = {call.id: call.age_seconds for each in observation.histories.values() for call in each.calls if call.is_open}
    return Step(report, targets, due.moving, frozenset(table for table, *_ in listed.rows), ages)


def _as_shown(earlier: Sequence[CallResult], observation: Observation, context: ApplyContext) -> tuple[CallResult, ...]:
    """Settle what has shown; return the calls as the tables prove them to be, without those that did not land."""
    settled = settle_shown(observation, context)
    landed = {verdict.call.id: verdict.landed for verdict in observation.verdicts}
    found = []
    for result in earlier:
        if not landed.get(result.call.id, True):
            continue
        if result.call.id in landed:
            result = replace(result, ending=Ending(CallState.ACCEPTED))
        found.append(replace(result, settlement=settled.get(result.call.id, result.settlement)))
    return tuple(found)


class _StepRunner(WaveRunner):
    """Sends one wave of each part, and then says what is left."""

    def step(self, observation: Observation, part_of: Callable[[Call], Hashable]) -> Report:
        self._histories = dict(observation.histories)
        due = self._checked(self._proposed, observation)
        now, later = self._first_waves(due, part_of)
        self._send_wave(replace(due, calls=now))
        if self._report.stop is not None:
            self._give_up(later, f"the apply had stopped: {self._report.stop.message}")
            later = ()
        return self._conclude(due, later)

    def _first_waves(self, due: Plan, part_of: Callable[[Call], Hashable]) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
        """Return the calls of each part's first wave that can be sent, and the later ones."""
        parts: dict[Hashable, list[Call]] = {}
        for call in due.calls:
            parts.setdefault(part_of(call), []).append(call)
        now: list[Call] = []
        later: list[Call] = []
        for calls in parts.values():
            first, rest = parted(calls)
            # A wave that is in trouble as a whole is given up at once: nothing would come of waiting for it.
            while rest and len(self._troubles(first)) == len(first):
                now += first
                first, rest = parted(rest)
            now += first
            later += rest
        return tuple(now), tuple(later)
