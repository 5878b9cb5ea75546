"""The sending of one wave's calls, each by the protocol that never sends one twice."""

import random
from dataclasses import replace

from reconciler.ledger.lease_keeper import LeaseKeeper
from reconciler.model.attempt import Ending, Intent, Ticket
from reconciler.model.plan import Call, Plan
from reconciler.model.report import Report
from reconciler.operations.apply_context import ApplyContext
from reconciler.operations.profile import Phase
from reconciler.settings.settings import Settings
from reconciler.spending.elapsed import elapsed
from reconciler.spending.limits_check import counted_in_budgets
from reconciler.spending.protocol import Effects, SendTiming, SpendProtocol

LONGEST_BACKOFF_SECONDS = 8.0


def send(wave: Plan, plan_id: str, leases: LeaseKeeper, context: ApplyContext, settings: Settings) -> Report:
    """Send the calls of a plan, all of one wave; return the result of each. `settings` hold the budgets they keep."""
    unrecorded: list[str] = []
    counted = counted_in_budgets(wave, settings.limits, settings.base)
    as_counted = {call.id: call for call in counted.calls}

    def begin(intent: Intent) -> Ticket:
        call = as_counted[intent.call.id]
        own = replace(intent, charge=counted.charge(call), budgets=counted.budgets_of(call))
        return leases.begin(replace(own, apply_id=context.apply_id, growth=context.growth.get(call.manifest)))

    def lost(call: Call, ticket: Ticket, ending: Ending) -> None:
        unrecorded.append(call.id)
        context.watcher.on_unrecorded(call, ticket, ending)

    def pause(attempt: int) -> None:
        context.interrupt.sleep(random.uniform(0, min(LONGEST_BACKOFF_SECONDS, 2.0**attempt)))  # noqa: S311 - jitter

    api, timed = context.settings.project.api, context.profile.timed
    timing = SendTiming(api.spend.send_within_seconds, elapsed, pause, concurrency=api.run_concurrency)
    if context.pace is not None:
        timing = replace(timing, admit=context.pace.admit, hold=context.pace.hold)
    work = SpendProtocol(
        wave,
        Effects(
            send=timed(Phase.SENDING, context.runner.send),
            begin=timed(Phase.LEDGER, begin),
            end=timed(Phase.LEDGER, leases.end),
            on_unrecorded=lost,
        ),
        timing,
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
