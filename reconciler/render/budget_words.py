"""Budgets in words, for text, Markdown and pages: what is used, what is left, and when the next window begins.

Made from the entries of a plan file, whose forms its schema has checked; names are spelled by whoever shows them.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from reconciler.spending.budgets import WARN_AT
from reconciler.text.numbers import amount, counted, percent

Document = Mapping[str, Any]

MOST_TABLES = 5
"""Budgets of single tables that are named."""


_NOW = {"day": "today", "month": "this month"}


def budget_lines(budgets: Iterable[Document], spelled: Callable[[str], str], lead: str = "") -> list[str]:
    """Return a line for each budget, after a `lead`: of single tables only for those that are nearly used up.

    The last line says how many more there are. `spelled` spells names, which come from outside.
    """
    lines, of_tables, more = [], 0, 0
    for use in budgets:
        if use["scope"] == "table":
            if not is_close(use) or of_tables == MOST_TABLES:
                more += 1
                continue
            of_tables += 1
        lines.append(lead + _line(use, spelled))
    if more:
        rest = "budget of a table" if more == 1 else "budgets of tables"
        lines.append(f"{more:,} more {rest}: the plan file lists {'it' if more == 1 else 'them'}")
    return lines


def is_close(use: Document) -> bool:
    """Return True if so much of a budget is used that people should know."""
    return use["share"] is None or _exact(use["share"]) >= WARN_AT


def _line(use: Document, spelled: Callable[[str], str]) -> str:
    """Return e.g. `this month: 2,410 of 3,000 credits, 590 left after this plan, until 2026-12-01 00:00 UTC`."""
    after = _exact(use["spent"]) + _exact(use["due"])
    name = f" for {spelled(use['name'])}" if use["name"] else ""
    until = f"until {use['until'][:16].replace('T', ' ')} {use['timezone']}"
    figures = f"{_NOW[use['period']]}{name}: {amount(after)} of {amount(_exact(use['limit']))} {use['unit']}"
    if use["left"] is None:
        return f"{figures} at least, {counted(use['unpriced_cells'], 'cell')} of unknown price, {until}"
    left = _exact(use["left"])
    if left < 0:
        return f"{figures}, {amount(-left)} too many, {until}"
    close = f" ({percent(_exact(use['share']))} used)" if is_close(use) else ""
    return f"{figures}, {amount(left)} left after this plan{close}, {until}"


def _exact(number: float) -> Decimal:
    return Decimal(str(number))
