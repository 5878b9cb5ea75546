"""Budgets: limits on what is spent in each day or month, however many applies spend it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from reconciler.model.limits import Limit, Period, Unit
from reconciler.text.numbers import json_number


@dataclass(frozen=True, slots=True)
class Budget:
    """One limit on what is spent in each window."""

    rule: str
    """E.g. `per_day.max_credits`, `per_table.per_month.max_cells`."""
    period: Period
    unit: Unit
    limit: Limit = field(compare=False)
    value: Decimal
    """The limit's."""
    timezone: str
    """At whose midnight a window ends and the next begins."""
    table_id: str = ""
    """The table whose calls count; empty if all tables' do."""
    label: str = ""
    """The label, as `key=value`, whose calls count; empty if all do."""


@dataclass(frozen=True, slots=True)
class Charge:
    """The amount and the labels that a call counts with in budgets; under a base (`--limits-from`) the higher ones."""

    credits: Decimal | None
    """None if a price is unknown."""
    labels: tuple[str, ...]
    """As `key=value`, sorted."""


@dataclass(frozen=True, slots=True)
class Spent:
    """The sum of calls that were paid for or are in doubt; what is known not to have landed is not in it."""

    cells: int = 0
    credits: Decimal = Decimal(0)
    """Of the cells whose price was known."""
    unpriced_cells: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.cells + other.cells, self.credits + other.credits, self.unpriced_cells + other.unpriced_cells)

    def of(self, unit: Unit) -> Decimal:
        """Return the cells, or the credits as far as they are known."""
        return Decimal(self.cells) if unit is Unit.CELLS else self.credits


@dataclass(frozen=True, slots=True)
class RecentSums:
    """The ledger's sums of a little more than a month, as a snapshot keeps them, for every window at that time."""

    at: float
    """When they were read, by the store's clock."""
    tables: Mapping[str, Sequence[tuple[int, Spent]]]
    """By table id: quarters of an hour since the epoch, and what was spent in each."""
    scopes: Mapping[str, Sequence[tuple[int, Spent]]]
    """By label, as the ledger names it; all calls together under the empty name."""


@dataclass(frozen=True, slots=True)
class Window:
    """A day or a month by a time zone."""

    since: datetime
    """Its first moment, in that zone."""
    until: datetime
    """The first moment after it."""


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """A budget in its present window."""

    budget: Budget
    window: Window
    spent: Spent
    due: Spent = Spent()
    """The most that a plan would add."""

    @property
    def after(self) -> Decimal:
        """The sum once the plan is sent, in the budget's unit; too low if a price is unknown."""
        unit = self.budget.unit
        return self.spent.of(unit) + self.due.of(unit)

    @property
    def is_known(self) -> bool:
        """False if a price is unknown that this budget depends on."""
        return self.budget.unit is Unit.CELLS or not (self.spent.unpriced_cells or self.due.unpriced_cells)

    @property
    def left(self) -> Decimal | None:
        """The rest after the plan; negative if it passes the budget, None if that is unknown."""
        return self.budget.value - self.after if self.is_known else None

    @property
    def share(self) -> Decimal | None:
        """The share of the budget that is used after the plan; None if that is unknown."""
        if not self.is_known:
            return None
        after = self.after
        return after / self.budget.value if self.budget.value else Decimal(bool(after))

    def content(self) -> dict[str, Any]:
        """Return it as a plan file says it, and as renderers read it."""
        of, window, share = self.budget, self.window, self.share
        scope = "table" if of.table_id else "label" if of.label else "project"
        unpriced = self.spent.unpriced_cells + self.due.unpriced_cells
        return {
            "rule": of.rule,
            "scope": scope,
            "name": of.table_id or of.label or None,
            "period": of.period.value,
            "unit": of.unit.value,
            "limit": json_number(of.value),
            "spent": json_number(self.spent.of(of.unit)),
            "due": json_number(self.due.of(of.unit)),
            "left": json_number(self.left),
            "share": None if share is None else float(round(share, 6)),
            "unpriced_cells": unpriced if of.unit is Unit.CREDITS else 0,
            "since": window.since.isoformat(timespec="seconds"),
            "until": window.until.isoformat(timespec="seconds"),
            "timezone": of.timezone,
            "set_at": of.limit.set_at,
        }
