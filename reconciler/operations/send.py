"""The sending of one wave's calls, each by the protocol that never sends one twice."""

import random

from reconciler.ledger.lease_keeper import LeaseKeeper
from reconciler.model.attempt import Ending, Ticket
from reconciler.model.plan import Call, Plan
from reconciler.model.report import Report
from reconciler.operations.apply_context import ApplyContext
from reconciler.operations.profile import Phase
from reconciler.spending.elapsed import elapsed
from reconciler.spending.protocol import Effects, SendTiming, SpendProtocol

LONGEST_BACKOFF_SECONDS = 8.0


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
