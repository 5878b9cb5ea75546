"""Account × Plan → Violations: whether the account that pays may, and can, pay for a plan."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from reconciler.model.account import Account
from reconciler.model.credits import Credits
from reconciler.model.limits import Limit, Limits, Rule
from reconciler.model.plan import Plan, Violation
from reconciler.spending.budgets import raised_by
from reconciler.text.numbers import amount, counted
from reconciler.text.phrases import quote

AT_THE_ACCOUNT = "the account"
"""Where a limit is set that the API enforces by itself."""
_PAYER = "whoever manages the account"
_NARROW = "Narrow the plan (--target, rows), or raise the limit where it is set."
_WHATEVER_IS_DUE = {
    "organization": "Use a token of that organization, or have the pin changed where it is set.",
    "plan_required": "Have a paid plan set up for the organization.",
}
"""Rules that a narrower plan would break as well, and the remedy for each."""


def what_helps(violations: Iterable[Violation]) -> str:
    """Return what to do about a refusal, in one line."""
    return " ".join(dict.fromkeys(_WHATEVER_IS_DUE.get(each.rule, _NARROW) for each in violations))


def account_violations(plan: Plan, limits: Limits) -> Iterator[Violation]:
    """Yield the reasons why the account must not pay for a plan; none if it was not asked for.

    An account that cannot be read is refused only if a limit depends on it.
    """
    if plan.account is not None:
        cost = cost_of(plan) if plan.has_due or plan.growth else None
        yield from violations_of_account(plan.account, cost, limits, has_due=plan.has_due)


def violations_of_account(
    account: Account, cost: Credits | None, limits: Limits, *, has_due: bool
) -> Iterator[Violation]:
    """Yield the reasons why an account must not pay; `cost` is None for nothing, which needs no credits."""
    if limits.organization is not None:
        yield from _organization(account, limits.organization)
    if cost is None:
        return
    if account.needs_plan and has_due:
        message = "the organization has no paid plan, so the API refuses every run call (plan_required)"
        yield Violation("plan_required", message, AT_THE_ACCOUNT, raised_by=_PAYER)
    if not account.is_unlimited:
        yield from _balance(account, cost, limits.min_balance)


def cost_of(plan: Plan) -> Credits:
    """Return what a plan may cost at most: its calls, and what may fall due while it is applied."""
    growing = [growth for growth in plan.growth if growth.max_cells]
    return Credits.of(plan.calls) + Credits.sum((each.max_credits, each.max_cells or 0) for each in growing)


def _organization(account: Account, pinned: Rule) -> Iterator[Violation]:
    (wanted,) = pinned.allowed
    if not (account.organization_id or account.organization_slug):
        message = f"the token's organization is unknown, so that it is {quote(wanted)} cannot be checked"
        yield Violation("organization", _because(message, account), pinned.set_at, raised_by=raised_by(pinned))
    elif not account.is_of(wanted):
        shown = account.organization_slug or account.organization_name or account.organization_id
        message = f"the token belongs to the organization {quote(shown)}, and this project to {quote(wanted)}"
        yield Violation("organization", message, pinned.set_at, raised_by=raised_by(pinned))


def _balance(account: Account, cost: Credits, floor: Limit | None) -> Iterator[Violation]:
    if account.available is None:
        if floor is not None:
            message = f"the balance is unknown, so what must be left, {_credits(floor)}, cannot be checked"
            yield Violation(
                "min_balance", _because(message, account), floor.set_at, None, floor.value, raised_by(floor)
            )
    elif cost.known > account.available:
        message = f"{amount(cost.known)} credits are due and the account has {amount(account.available)}"
        yield Violation("balance", message, AT_THE_ACCOUNT, cost.known, account.available, _PAYER)
    elif floor is not None:
        yield from _rest(account.available - cost.known, cost, floor)


def _rest(left: Decimal, cost: Credits, floor: Limit) -> Iterator[Violation]:
    if left < floor.value:
        message = f"{amount(left)} credits would be left and {amount(floor.value)} must be"
        yield Violation("min_balance", message, floor.set_at, left, floor.value, raised_by(floor))
    elif cost.total is None:
        unpriced = counted(cost.unpriced_cells, "cell")
        have = "has" if cost.unpriced_cells == 1 else "have"
        message = f"{unpriced} {have} no known price, so what must be left, {_credits(floor)}, cannot be checked"
        yield Violation("min_balance", message, floor.set_at, None, floor.value, raised_by(floor))


def _credits(floor: Limit) -> str:
    return f"{amount(floor.value)} {'credit' if floor.value == 1 else 'credits'}"


def _because(message: str, account: Account) -> str:
    return f"{message} ({account.why_unknown})" if account.why_unknown else message
