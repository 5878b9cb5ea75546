"""Start an apply: set up its resources, and make sure that it returns a report once it has sent anything."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.documents.saved_plan_checks import SavedPlan
from reconciler.model.plan import Plan
from reconciler.model.report import Report
from reconciler.operations.apply import apply
from reconciler.operations.apply_context import ApplyContext, WaitContext
from reconciler.operations.apply_events import ApplyEvents, Interrupt
from reconciler.operations.connection import Connections
from reconciler.operations.observe import Targets
from reconciler.operations.rescue import Witness
from reconciler.operations.wait import waiting


@dataclass(frozen=True, slots=True)
class ApplyTerms:
    """The options of an apply."""

    waits: bool
    """True to wait until the tables are idle and then send the later waves too; False to send one wave."""
    timeout_seconds: float | None
    """For all waves together; None to wait as long as it takes."""
    lease_timeout_seconds: float
    """For another apply that is working on a table."""
    events: ApplyEvents
    interrupt: Interrupt


def wait_context(connections: Connections, events: ApplyEvents, interrupt: Interrupt) -> WaitContext:
    """Return what waiting works with; it creates no ledger, because without one there is nothing to settle."""
    connections.interrupt = interrupt
    reader, ledger = connections.reader(), connections.ledger()
    return WaitContext(
        settings=connections.settings,
        reader=reader,
        ledger=ledger,
        actor=connections.actor(),
        watcher=Witness(events),
        interrupt=interrupt,
        profile=connections.profile,
    )


def start_apply(
    targets: Targets,
    saved: SavedPlan | None,
    approve: Callable[[Plan], str],
    connections: Connections,
    terms: ApplyTerms,
) -> Report:
    """Apply; once a call may have been sent, always return the report. Before that, raises as `apply`."""
    interrupt, witness = terms.interrupt, Witness(terms.events)
    connections.interrupt = interrupt
    reader, ledger = connections.reader(), connections.writing_ledger()
    client = connections.spend_client()
    interrupt.abandons(client.abandon, reader.abandon)
    context = ApplyContext(
        settings=connections.settings,
        reader=reader,
        runner=client,
        ledger=ledger,
        actor=connections.actor(),
        watcher=witness,
        interrupt=interrupt,
        lease_timeout_seconds=terms.lease_timeout_seconds,
        profile=connections.profile,
    )
    wait_for = waiting(context, terms.timeout_seconds) if terms.waits else None

    def approved(proposed: Plan) -> str:
        return witness.approved(approve(proposed), proposed)

    report = witness.report_of(lambda: apply(targets, context, approved, saved, wait_for), interrupt)
    return replace(report, budgets=witness.budgets)
