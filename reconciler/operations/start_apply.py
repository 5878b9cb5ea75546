"""How an apply starts: what it works with, and that its report comes out once it has sent anything."""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.documents.saved_plan_checks import SavedPlan
from reconciler.model.plan import Plan
from reconciler.model.report import Report
from reconciler.operations.apply import apply
from reconciler.operations.apply_context import ApplyContext
from reconciler.operations.apply_events import ApplyEvents, Interrupt
from reconciler.operations.connection import Connections
from reconciler.operations.observe import Targets
from reconciler.operations.rescue import Witness
from reconciler.operations.wait import waiting


@dataclass(frozen=True, slots=True)
class ApplyTerms:
    """What an apply is told besides its plan."""

    waits: bool
    """Until the tables are idle, and then sends the later waves too; False: sends one wave."""
    timeout_seconds: float | None
    """For all waves together; None: as long as it takes."""
    lease_timeout_seconds: float
    """For another apply that is at work on a table."""
    events: ApplyEvents
    interrupt: Interrupt


def start_apply(
    targets: Targets,
    saved: SavedPlan | None,
    approve: Callable[[Plan], str],
    connections: Connections,
    terms: ApplyTerms,
) -> Report:
    """Apply; once a call may have been sent, return the report whatever goes wrong. Raises as `apply` before."""
    interrupt, witness = terms.interrupt, Witness(terms.events)
    connections.interrupt = interrupt
    reader, ledger = connections.reader(), connections.writing_ledger()
    client = connections.spend_client()
    interrupt.abandons(client.abandon, reader.abandon)
    context = ApplyContext(
        connections.settings,
        reader,
        client,
        ledger,
        connections.actor(),
        witness,
        interrupt,
        terms.lease_timeout_seconds,
        connections.profile,
    )
    wait_for = waiting(context, terms.timeout_seconds) if terms.waits else None

    def approved(proposed: Plan) -> str:
        return witness.approved(approve(proposed), proposed)

    return witness.report_of(lambda: apply(targets, context, approved, saved, wait_for), interrupt)
