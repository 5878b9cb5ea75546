"""Ask the ledger about a plan's budgets: only if something is due, and if a limit depends on the answer."""

from collections.abc import Callable
from dataclasses import replace

from reconciler import ledger as ledgers
from reconciler.model.budget import Budget, BudgetUse, RecentSums
from reconciler.model.plan import Plan
from reconciler.settings.settings import Settings
from reconciler.spending.budgets import CountedPlan
from reconciler.spending.limits_check import counted_in_budgets


def with_budgets(plan: Plan, settings: Settings, ledger: Callable[[], "ledgers.Ledger"], plan_id: str = "") -> Plan:
    """Return the plan with the use of its budgets, and what its manifests' last applies cost. Raises LedgerError.

    `ledger` opens it, if a limit depends on it. `plan_id` is of a saved plan, whose own calls are none of the last
    applies.
    """
    if not (plan.has_due or plan.growth):
        return plan
    plan = _with_uses(plan, settings, lambda budgets: ledger().budget_uses(budgets))
    anomalies = [each.anomaly for each in _counted(plan, settings).limits if each.anomaly is not None]
    if anomalies:
        manifests = {call.manifest for call in (*plan.calls, *plan.waiting)}
        last = max(anomaly.last for anomaly in anomalies)
        plan = replace(plan, last_applies=ledger().last_applies(manifests, last, without=plan_id))
    return plan


def with_kept_budgets(plan: Plan, settings: Settings, sums: RecentSums | None) -> Plan:
    """Return a plan from a snapshot with the use of its budgets when the snapshot was taken, if it says."""
    if sums is None or not (plan.has_due or plan.growth):
        return plan
    return _with_uses(plan, settings, lambda budgets: ledgers.budget_uses_of(sums, budgets))


def _with_uses(plan: Plan, settings: Settings, uses_of: Callable[[tuple[Budget, ...]], tuple[BudgetUse, ...]]) -> Plan:
    counted = _counted(plan, settings)
    if not counted.has_budgets or not (budgets := counted.budgets()):
        return plan
    return replace(plan, budgets=counted_in_budgets(plan, settings.limits, settings.base).used(uses_of(budgets)))


def _counted(plan: Plan, settings: Settings) -> CountedPlan:
    """Return the plan as budgets count it, with the calls that wait for their tables, which an apply may send."""
    whole = replace(plan, calls=(*plan.calls, *plan.waiting))
    return counted_in_budgets(whole, settings.limits, settings.base)
