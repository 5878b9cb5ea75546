"""How an apply keeps the ledger young: doubts that the tables end are recorded, what has ended is settled, and what is
settled is folded."""

from collections.abc import Collection, Iterable
from contextlib import suppress

from reconciler.errors import Leased, LedgerError
from reconciler.ledger.lease_keeper import LeaseKeeper
from reconciler.model.attempt import Settlement, Verdict
from reconciler.operations.apply_context import ApplyContext, WaitContext
from reconciler.operations.observe import Observation
from reconciler.operations.profile import Phase
from reconciler.spending.doubt import DoubtEnding
from reconciler.spending.wait import shown_calls


def record_endings(endings: Iterable[DoubtEnding], leases: LeaseKeeper, context: WaitContext) -> None:
    """Record what the live tables proved about calls in doubt, before anything is done that relies on it."""
    quiet = context.settings.project.api.spend.quiet_seconds
    for ending in endings:
        verdict = Verdict(
            ending.call.id,
            ending.call.attempt,
            landed=ending.landed,
            reason="the live table shows it",
            actor=context.actor,
            evidence=ending.evidence,
            min_age_seconds=0.0 if ending.landed else quiet,
        )
        context.ledger.resolve(verdict, lease=leases.of(ending.call.table_id))


def settle_shown(observation: Observation, context: ApplyContext) -> dict[str, Settlement]:
    """Settle the calls that an apply sent and did not wait for, as far as their tables show now that they have ended.

    Returns their counts by id. Raises nothing: the next look will show it, too.
    """
    settled: dict[str, Settlement] = {}
    shows_within = context.settings.project.api.spend.shows_within_seconds
    in_doubt = {verdict.call.id for verdict in observation.verdicts}  # to the ledger they are, until it is told
    try:
        with context.profile.phase(Phase.LEDGER):
            for table, snapshot in observation.snapshots.items():
                for call, settlement in shown_calls(observation.histories[table], snapshot, shows_within):
                    if call.id not in in_doubt:
                        context.ledger.settle(call.id, settlement)
                        settled[call.id] = settlement
    except LedgerError as error:
        context.watcher.on_trouble(error.message)
    return settled


def fold(tables: Collection[str], leases: LeaseKeeper, context: ApplyContext) -> None:
    """Fold what is settled of tables whose leases are held, where enough has gathered. Raises nothing."""
    try:
        with context.profile.phase(Phase.LEDGER), suppress(Leased):
            for table in context.ledger.ripe_to_compact(tables):
                if context.interrupt:
                    return
                context.ledger.compact(table, lease=leases.of(table))
    except LedgerError as error:
        context.watcher.on_trouble(error.message)
