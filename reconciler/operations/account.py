"""Who would pay for a plan: asked only if something is due, or if the project says who it must be."""

from dataclasses import replace

from reconciler.client import Reader
from reconciler.model.account import Account
from reconciler.model.plan import Plan
from reconciler.settings.settings import Settings


def with_account(plan: Plan, settings: Settings, reader: Reader, known: Account | None = None) -> Plan:
    """Return the plan with the account that would pay; `known` saves the question. Raises Refused on 401 and 403."""
    pins = [settings.limits.organization, settings.base.limits.organization if settings.base else None]
    if not (plan.has_due or plan.growth or any(pins)):
        return plan
    return replace(plan, account=known or reader.read_account())
