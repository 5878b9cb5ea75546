"""A plan of the live tables. A comparison and a plan from a snapshot need more, and are made in `plan_against.py`."""

from dataclasses import replace
from typing import Any

from reconciler.model.origin import Origin
from reconciler.model.plan import Plan
from reconciler.model.session_plan import SessionPlan
from reconciler.operations import observe
from reconciler.operations.account import with_account
from reconciler.operations.budgets import with_budgets
from reconciler.operations.connection import Connections, origin
from reconciler.operations.ended_calls import ended_calls
from reconciler.operations.find_tables import CachedLister, resolve_base
from reconciler.operations.forecast import with_forecast
from reconciler.operations.observe import Targets
from reconciler.operations.profile import Phase
from reconciler.settings.provenance import review
from reconciler.settings.settings import Settings
from reconciler.spending.limits_check import check_limits, effective_limits


def plan_targets(targets: Targets, connections: Connections) -> SessionPlan:
    """Plan from one observation of the live tables. Raises SettingsError, Refused, LedgerError."""
    made, profile = origin_of(connections), connections.profile
    reader, ledger = connections.to_observe()
    with profile.phase(Phase.READING):
        lister = CachedLister(reader)
        targets, settings = observe.resolve(targets, lister), resolve_base(connections.settings, lister)
    sources = observe.Sources(reader, ledger, connections.settings, profile)
    observation, plan = observe.observe_and_plan(targets, sources, settings)
    with profile.phase(Phase.PLANNING):
        plan = with_forecast(plan, observation)
        ended = ended_calls(observation, settings)
    plan = with_balance_and_budgets(plan, settings, connections)
    return checked(plan, settings, origin=made, paths=targets.named, ended=ended)


def origin_of(connections: Connections) -> Origin:
    """Return where and when a session's plan is made, and in which review."""
    return replace(origin(connections.settings, connections.tell), review=review(connections.environment))


def with_balance_and_budgets(plan: Plan, settings: Settings, connections: Connections) -> Plan:
    """Return a plan of the live tables with what its limits depend on."""
    with connections.profile.phase(Phase.READING):
        plan = with_account(plan, settings, connections.reader())
    with connections.profile.phase(Phase.LEDGER):
        return with_budgets(plan, settings, connections.ledger)


def checked(plan: Plan, settings: Settings, **made: Any) -> SessionPlan:
    """Return a session's plan, with its limits and those that it exceeds."""
    limits, of_base = settings.limits, settings.base
    violations = check_limits(plan, limits, of_base)
    return SessionPlan.of(plan, violations=violations, limits=effective_limits(limits, of_base), **made)
