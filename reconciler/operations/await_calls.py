"""Waiting without an apply: until tables are idle, and the accepted calls of earlier applies are settled."""

from dataclasses import dataclass, replace
from itertools import chain

from reconciler.errors import ManifestError
from reconciler.ledger.lease_keeper import LeaseKeeper, LeaseTiming
from reconciler.model.report import Report
from reconciler.operations import observe
from reconciler.operations.apply_context import WaitContext
from reconciler.operations.fold import record_endings
from reconciler.operations.judge import judged
from reconciler.operations.observe import Observation, Sources, Targets
from reconciler.operations.resume import results_of, unsettled
from reconciler.operations.wait import waiting


def await_calls(targets: Targets, context: WaitContext, timeout_seconds: float | None) -> Report:
    """Wait until the targets' tables are idle and their accepted calls are settled; record both, send nothing.

    A doubt that a table ends is recorded under the table's lease, for which another apply is waited for; a call that
    turns out to have landed is then waited for, too. Raises ManifestError if a table is unknown or cannot be read,
    Leased if an apply holds one for all of `timeout_seconds`, ApiError and LedgerError.
    """
    watch = _Watch(targets, context, timeout_seconds)
    observation = watch.look()
    report = Report("")
    wait_for = waiting(context, timeout_seconds)
    while True:
        fresh = [call for call in unsettled(observation) if call.id not in context.rests_at]
        results = results_of(fresh, observation, context)
        report = wait_for(replace(report, results=(*report.results, *results)), targets.tables)
        if report.still_running or report.awaited or not _has_doubts(observation):
            break
        observation = watch.look()
        if not any(call.id not in context.rests_at for call in unsettled(observation)):
            break
    if _has_doubts(observation):
        report = replace(report, in_doubt=observe.plan(targets, observation, context.settings).in_doubt)
    return judged(report, targets, context)


@dataclass(frozen=True, slots=True)
class _Watch:
    """Reads the tables, and records the doubts that they end."""

    targets: Targets
    context: WaitContext
    timeout_seconds: float | None

    def look(self) -> Observation:
        """Return an observation whose every ending the ledger has."""
        found = self._observe()
        if not found.verdicts:
            return found
        context = self.context
        longest = float("inf") if self.timeout_seconds is None else self.timeout_seconds
        timing = LeaseTiming(context.settings.project.api.spend.lease_seconds, longest, context.interrupt.sleep)
        tables = {verdict.call.table_id for verdict in found.verdicts}
        with LeaseKeeper(context.ledger, tables, context.actor, timing, context.watcher.on_trouble) as leases:
            # The apply that held a lease until now may have ended the doubt itself.
            found = self._observe()
            held = tuple(verdict for verdict in found.verdicts if verdict.call.table_id in tables)
            record_endings(held, leases, context)
        return found

    def _observe(self) -> Observation:
        context, targets = self.context, self.targets
        sources = Sources(context.reader, context.ledger, context.settings, context.profile)
        found = observe.observe_tables(targets, targets.tables, sources, whole=False)
        problems = observe.plan(targets, found, context.settings).diagnostics if found.unreadable else ()
        if problems or targets.unresolved:
            raise ManifestError(tuple(problems or targets.unresolved))
        return found


def _has_doubts(observation: Observation) -> bool:
    return any(call.is_open for call in chain.from_iterable(each.calls for each in observation.histories.values()))
