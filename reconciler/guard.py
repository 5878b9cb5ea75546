"""Limits × Plan → Violations: what somebody decided must not be spent in one apply."""

from decimal import Decimal

from reconciler.amounts import amount
from reconciler.budget import Limit, Limits
from reconciler.plan import Plan, Violation

NARROW = "Narrow the plan (--target, rows), or raise the limit where it is set."


def violations(plan: Plan, limits: Limits) -> tuple[Violation, ...]:
    """Compare the plan's totals with the limits. A limit that cannot be evaluated is violated, never passed."""
    totals = plan.totals()
    found = []
    if limits.max_cells is not None and totals.cells > limits.max_cells.value:
        found.append(_passed("max_cells", "cells", Decimal(totals.cells), limits.max_cells))
    if limits.max_credits is not None:
        if totals.known_credits > limits.max_credits.value:
            found.append(_passed("max_credits", "credits", totals.known_credits, limits.max_credits))
        elif totals.credits is None:
            found.append(_unknown(totals.unpriced_cells, limits.max_credits))
    return tuple(found)


def _passed(rule: str, unit: str, due: Decimal, limit: Limit) -> Violation:
    message = f"{amount(due)} {unit} are due and the limit is {amount(limit.value)}"
    return Violation(rule, message, limit.set_at)


def _unknown(cells: int, limit: Limit) -> Violation:
    message = (
        f"{amount(cells)} cells have no known price, so the limit of {amount(limit.value)} credits cannot be checked"
    )
    return Violation("max_credits", message, limit.set_at)
