"""Ask the ledger about a plan's budgets: only if something is due, and if a limit depends on the answer."""

from dataclasses import replace

from reconciler.ledger import Ledger
from reconciler.model.plan import Plan
from reconciler.settings.settings import Settings
from reconciler.spending.limits_check import counted_in_budgets


def with_budgets(plan: Plan, settings: Settings, ledger: Ledger, plan_id: str = "") -> Plan:
    """Return the plan with the use of its budgets, and what its manifests' last applies cost. Raises LedgerError.

    `plan_id` is of a saved plan, whose own calls are none of the last applies.
    """
    if not (plan.has_due or plan.growth):
        return plan
    limits, base = settings.limits, settings.base
    # The calls that wait for their tables count too: an apply that waits sends them.
    whole = replace(plan, calls=(*plan.calls, *plan.waiting))
    counted = counted_in_budgets(whole, limits, base)
    if counted.has_budgets and (budgets := counted.budgets()):
        uses = ledger.budget_uses(budgets)
        plan = replace(plan, budgets=counted_in_budgets(plan, limits, base).used(uses))
    anomalies = [each.anomaly for each in counted.limits if each.anomaly is not None]
    if anomalies:
        manifests = {call.manifest for call in whole.calls}
        last = max(anomaly.last for anomaly in anomalies)
        plan = replace(plan, last_applies=ledger.last_applies(manifests, last, without=plan_id))
    return plan
