"""Submit: every check of an apply that needs no token; then the apply, its units and their jobs in one transaction."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from reconciler.documents.plan_reader import plan_of
from reconciler.documents.saved_plan_checks import AGAIN, check_head, saved_call
from reconciler.errors import LimitExceeded, StalePlan
from reconciler.fleet.monitoring.steps import step
from reconciler.fleet.split import Slice, split
from reconciler.fleet.written import Terms, UnitContent, WrittenManifests, terms_bytes
from reconciler.ledger.store import Transaction
from reconciler.model.manifest import Manifest
from reconciler.model.plan import Plan
from reconciler.model.submitted import SubmittedApply, Unit
from reconciler.operations.budgets import with_budgets
from reconciler.operations.permit import refuse_violations
from reconciler.operations.plan_pieces import plan_document
from reconciler.operations.session import Session, Several
from reconciler.settings.settings import Settings
from reconciler.spending.account_check import cost_of
from reconciler.spending.limits_check import check_limits, held_labels, violations

Queue: TypeAlias = Callable[[Any, str, Sequence[Unit]], None]
"""Enqueues units of a workspace within the transaction of the driver's connection."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a plan goes."""

    workspace: str
    enqueue: Queue
    also: Callable[[Transaction, str], None] = lambda _, __: None
    """Done in the transaction that submits, with the apply's id: if it raises, nothing was submitted."""
    on_commit: Callable[[str], None] = lambda _: None
    """Called with the apply's id before the commit: if interrupted from there on, ask the ledger what became of it."""


def submit(session: Session, file: Path, paths: Several, max_age_seconds: float, to: Destination) -> str:
    """Hand the file of a saved plan to the workers of a workspace; return the apply's id. Raises as `submit_plan`."""
    with plan_document(file) as content:
        return submit_plan(session, content, paths, max_age_seconds, to)


def submit_plan(
    session: Session, content: Mapping[str, Any], paths: Several, max_age_seconds: float, to: Destination
) -> str:
    """Hand a plan's document to the workers of a workspace; return the apply's id. Holds the calls of a unit at a time.

    Raises StalePlan if the plan is not an approval of these manifests any more, LimitExceeded if it exceeds a limit
    that holds here, LedgerError. What needs a token is checked by the worker, before the first intent.
    """
    now = datetime.now(UTC)
    saved = check_head(content, now, max_age_seconds)
    settings = session.settings
    saved.check_origin(settings.api_url)
    targets = session.load(paths, target=saved.include, exclude=saved.exclude)
    stale = saved.changed(targets.written)
    if stale and stale.keys() >= saved.manifest_digests.keys():
        raise StalePlan(f"{'; '.join(stale.values())}; nothing was submitted", hint=AGAIN)
    ledger = session.connections.writing_ledger()
    saved.check_ledger(ledger.id())
    plan = plan_of({**content, "calls": _without_rows(content["calls"])})
    plan = with_budgets(plan, replace(settings, base=None), lambda: ledger, saved.plan_id)
    _refuse_excess(plan, settings)
    totals = content["totals"]
    apply_id = uuid.uuid4().hex
    base = () if settings.base is None else tuple(settings.base.manifests)
    count, parts = split(content, targets.written, [call.table_id for call in plan.calls])
    with step("submit", apply=apply_id, workspace=to.workspace):
        apply = SubmittedApply(
            id=apply_id,
            plan_id=saved.plan_id,
            workspace=to.workspace,
            content=terms_bytes(Terms.of(settings, cost_of(plan), plan.budgets, units=count, now=now)),
            cells=totals["cells"],
            credits=None if totals["credits"] is None else Decimal(str(totals["credits"])),
            actor=session.connections.actor(),
        )
        ledger.applies.submit(
            apply,
            _units(apply.id, parts, base),
            lambda connection, units: to.enqueue(connection, to.workspace, units),
            settings.project.api.spend.lease_seconds,
            lambda tx: to.also(tx, apply.id),
            lambda: to.on_commit(apply.id),
        )
    return apply_id


def _refuse_excess(plan: Plan, settings: Settings) -> None:
    """Raise LimitExceeded if the whole plan exceeds a limit; workers check their parts of it, with the live tables."""
    nothing = "before anything was submitted"
    refuse_violations(check_limits(plan, settings.limits, None), nothing)
    base = settings.base
    if base is None:
        return
    if any(prices != settings.project.prices for prices in base.prices):
        message = "refused before anything was submitted: prices differ from those of the base, so what the plan costs "
        hint = "Submit once the change of prices is part of the base, or use `reconciler apply`."
        raise LimitExceeded(f"{message}there is unknown without the live tables", hint=hint)
    refuse_violations(violations(plan, base.limits, held_labels(plan, base)), nothing)


def _without_rows(calls: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield calls as far as limits ask for them. Raises StalePlan if one contradicts itself."""
    for call in calls:
        saved_call(call)
        yield {**call, "rows": ()}


def _units(apply_id: str, parts: Iterable[Slice], base: Sequence[Manifest]) -> Iterator[Unit]:
    written = WrittenManifests()
    for number, part in enumerate(parts):
        names = {manifest.name for manifest in part.manifests}
        about = [each for each in base if each.name in names or each.table_id in part.table_ids]
        unit = UnitContent(part.plan, written.documents(part.manifests), written.documents(about), part.whole)
        yield Unit(apply_id, number, part.table_ids, unit.to_bytes())
