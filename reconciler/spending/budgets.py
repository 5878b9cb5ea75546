"""Budgets × Plan: which budgets a call must keep, what it counts in them, and which of them a plan would pass.

The intent's transaction has the last word (`ledger/budget_windows.py`): a plan knows only what was spent until it was
made.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from reconciler.model.budget import Budget, BudgetUse, Charge, Spent
from reconciler.model.limits import NO_BUDGETS, Budgets, Limit, Limits, Rule, Unit
from reconciler.model.plan import Call, ExpectedGrowth, Violation
from reconciler.text.numbers import amount, counted
from reconciler.text.sanitize import one_line

WARN_AT = Decimal("0.8")
"""The share of a budget from which on a plan says so."""
DEFAULT_ZONE = "UTC"


def nearly_used_up(uses: Iterable[BudgetUse]) -> tuple[BudgetUse, ...]:
    """Return the budgets that a plan takes from below WARN_AT to there or beyond, as far as prices are known."""
    return tuple(use for use in uses if (use.share or 0) >= WARN_AT > (replace(use, due=Spent()).share or 0))


@dataclass(frozen=True)
class CountedPlan:
    """A plan as budgets count it; under a base (`--limits-from`) at its prices and with its labels too."""

    calls: Sequence[Call]
    """In the order in which they are sent, at the price that counts."""
    growth: Sequence[ExpectedGrowth]
    labels: Mapping[tuple[str, str], frozenset[str]]
    """Table id, manifest → the labels that its spending counts under, as `key=value`."""
    limits: Sequence[Limits]
    """All that hold, the base's first."""
    unknown: str = ""
    """Why the base's labels are unknown; empty if they are known."""
    is_base: bool = False
    """True if there is a base, so that a call may count otherwise than it says."""

    @cached_property
    def _sums(self) -> tuple[dict[str, Spent], dict[str, Spent]]:
        """What is due, by table and by label; added up for a budget only."""
        of_table: dict[str, Spent] = {}
        of_label: dict[str, Spent] = {}

        def add(table_id: str, labels: Iterable[str], more: Spent) -> None:
            of_table[table_id] = of_table.get(table_id, Spent()) + more
            for label in ("", *labels):
                of_label[label] = of_label.get(label, Spent()) + more

        for call in self.calls:
            add(call.table_id, self.labels_of(call.table_id, call.manifest), spent_of(call.cells, call.credits))
        for growth in self.growth:
            labels = self.labels.get((growth.table_id, growth.manifest)) or as_words(growth.labels)
            add(growth.table_id, labels, spent_of(growth.max_cells or 0, growth.max_credits))
        return of_table, of_label

    @property
    def has_budgets(self) -> bool:
        """True if any limit is one on what is spent over time."""
        return any(
            budgets != NO_BUDGETS
            for limits in self.limits
            for budgets in (
                limits.budgets,
                *(cap.budgets for cap in (limits.per_table, *limits.tables.values(), *limits.per_label.values())),
            )
        )

    def labels_of(self, table_id: str, manifest: str) -> frozenset[str]:
        """Return the labels that a manifest's calls for a table count under."""
        return self.labels.get((table_id, manifest), frozenset())

    def charge(self, call: Call) -> Charge | None:
        """Return what one of its calls counts, if that is not what it says."""
        if not self.is_base:
            return None
        return Charge(call.credits, tuple(sorted(self.labels_of(call.table_id, call.manifest))))

    def budgets_of(self, call: Call) -> tuple[Budget, ...]:
        """Return the budgets that one of its calls must keep."""
        return self._budgets([call.table_id], self.labels_of(call.table_id, call.manifest))

    def budgets(self) -> tuple[Budget, ...]:
        """Return the budgets that it takes from."""
        of_table, of_label = self._sums
        return self._budgets(sorted(of_table), of_label)

    def _budgets(self, tables: Sequence[str], labels: Iterable[str]) -> tuple[Budget, ...]:
        found = (budget for limits in self.limits for budget in _budgets_of(limits, tables, labels))
        return tuple(dict.fromkeys(found))

    def used(self, uses: Iterable[BudgetUse]) -> tuple[BudgetUse, ...]:
        """Return budgets with what is due of each."""
        return tuple(replace(use, due=self._due(use.budget)) for use in uses)

    def _due(self, budget: Budget) -> Spent:
        of_table, of_label = self._sums
        sums = of_table.get(budget.table_id) if budget.table_id else of_label.get(budget.label)
        return sums or Spent()

    def violations(self, uses: Iterable[BudgetUse]) -> Iterator[Violation]:
        """Yield the budgets that the plan would pass, or that cannot be evaluated."""
        if self.unknown and self.calls:
            yield from self._unreadable()
        for use in self.used(uses):
            if use.left is None or use.left < 0:
                limit = use.budget.limit
                number = None if use.left is None else use.after
                message = passed(use, self._passing(use))
                yield Violation(use.budget.rule, message, limit.set_at, number, limit.value, raised_by(limit))

    def _unreadable(self) -> Iterator[Violation]:
        for label, cap in self.limits[0].per_label.items():
            for period, unit, limit in cap.budgets.limits():
                message = f"{one_line(label)}: {self.unknown}, so this budget cannot be checked"
                rule = f"per_label.per_{period}.max_{unit}"
                yield Violation(rule, message, limit.set_at, None, None, raised_by(limit))

    def _passing(self, use: BudgetUse) -> Call | None:
        """Return the first call with which the budget would be passed; None if it is growth that passes it."""
        total = use.spent
        for call in self.calls:
            is_other_table = use.budget.table_id not in ("", call.table_id)
            if is_other_table or (use.budget.label and use.budget.label not in self._labels(call)):
                continue
            total += spent_of(call.cells, call.credits)
            if total.of(use.budget.unit) > use.budget.value:
                return call
        return None

    def _labels(self, call: Call) -> frozenset[str]:
        return self.labels_of(call.table_id, call.manifest)


def spent_of(cells: int, credits_: Decimal | None) -> Spent:
    """Return what cells come to at a price; None: unknown."""
    return Spent(cells, Decimal(0), cells) if credits_ is None else Spent(cells, credits_)


def as_words(labels: Mapping[str, str]) -> frozenset[str]:
    """Return labels as limits name them: `key=value`."""
    return frozenset(f"{key}={value}" for key, value in labels.items())


def shared_budgets(limits: Limits) -> tuple[Budget, ...]:
    """Return the budgets of all tables together and of each label, without those of single tables."""
    return tuple(_budgets_of(limits, (), limits.per_label))


def _budgets_of(limits: Limits, tables: Iterable[str], labels: Iterable[str]) -> Iterator[Budget]:
    zone = limits.timezone or DEFAULT_ZONE
    yield from _each(limits.budgets, "", zone)
    for label in sorted(labels):
        if label in limits.per_label:
            yield from _each(limits.per_label[label].budgets, "per_label.", zone, label=label)
    for table in tables:
        yield from _each(limits.of_table(table).budgets, "per_table.", zone, table=table)


def _each(budgets: Budgets, scope: str, zone: str, *, table: str = "", label: str = "") -> Iterator[Budget]:
    for period, unit, limit in budgets.limits():
        rule = f"{scope}per_{period}.max_{unit}"
        yield Budget(rule, period, unit, limit, limit.value, zone, table, label)


def passed(use: BudgetUse, call: Call | None) -> str:
    """Say that a budget would be passed, and by which call; or that it cannot be checked."""
    budget, window = use.budget, use.window
    scope = f"table {budget.table_id}: " if budget.table_id else f"{one_line(budget.label)}: " if budget.label else ""
    since, until = moment_there(window.since), moment_there(window.until)
    zone = budget.timezone
    if not use.is_known and use.after <= budget.value:
        cells = counted(use.spent.unpriced_cells + use.due.unpriced_cells, "cell")
        return (
            f"{scope}{cells} bought or due since {since} ({zone}) have no known price, so the budget of "
            f"{amount(budget.value)} credits a {budget.period} cannot be checked; a budget in `max_cells` can"
        )
    due = f"; {amount(use.due.of(budget.unit))} of them are due" if use.due.cells else ""
    by = f"; call {call.id[:8]} of `{one_line(call.address)}` would pass it" if call is not None else ""
    verb = "bought" if budget.unit is Unit.CELLS else "spent"
    return (
        f"{scope}{amount(use.after)} {budget.unit} would be {verb} since {since} ({zone}){due}, and the budget is "
        f"{amount(budget.value)} a {budget.period}{by}; the next {budget.period} begins {until}"
    )


def moment_there(moment: datetime) -> str:
    """Return a moment by its own zone's clocks: `2026-12-01 00:00`."""
    return f"{moment:%Y-%m-%d %H:%M}"


def raised_by(limit: Limit | Rule) -> str:
    """Return who may raise a limit, in words."""
    if limit.contact:
        return one_line(limit.contact)
    if limit.set_at.startswith("--"):
        return "whoever runs this command"
    if limit.set_at.startswith("RECONCILER_"):
        return "whoever sets that variable"
    return "whoever may change that file"
