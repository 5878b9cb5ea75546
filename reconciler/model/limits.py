"""Prices of cells, and limits on what may be spent: exact numbers, each limit with where and by whom it was set."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from reconciler.model.credits import Credits
from reconciler.model.manifest import Manifest, Mode
from reconciler.model.observed import Column

BUILT_IN_PRICES: Mapping[str, Decimal] = MappingProxyType({"agent": Decimal(1), "company_people_finder": Decimal(2)})
"""Credits for one cell by column kind, for documented kinds [V]."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Credits for one cell. Decimal, so that three cells at 0.1 cost 0.3."""

    default: Decimal | None = None
    """For a kind without a price in `kinds` or a built-in one; None if the cost of such a cell is unknown."""
    kinds: Mapping[str, Decimal] = field(default_factory=dict)
    """Column kind → price; overrides the kind's built-in price."""
    columns: Mapping[str, Decimal] = field(default_factory=dict)
    """Column id or key → price; overrides its kind's price, and an id overrides a key."""

    def of(self, kind: str, column_key: str, column_id: str) -> Decimal | None:
        """Return the credits for one cell of a column; None if unknown, which is never the same as 0."""
        for prices, name in (
            (self.columns, column_id),
            (self.columns, column_key),
            (self.kinds, kind),
            (BUILT_IN_PRICES, kind),
        ):
            if name in prices:
                return prices[name]
        return self.default

    def sum(self, cells: Iterable[tuple[Column, int]]) -> Decimal | None:
        """Return the credits for these numbers of cells per column; None if any price is unknown."""
        return Credits.at((self.of(column.kind, column.key, column.id), count) for column, count in cells).total


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit's value, with its origin."""

    value: Decimal
    set_at: str
    """Its origin, for messages: `reconciler.yaml:9 (spec.limits.max_credits)`, a variable or a flag."""
    contact: str = ""
    """Who may raise it: the `contact` next to it; empty if there is none."""


class Period(StrEnum):
    """How long a budget's window is."""

    DAY = "day"
    MONTH = "month"


class Unit(StrEnum):
    """The unit of a budget."""

    CREDITS = "credits"
    CELLS = "cells"


@dataclass(frozen=True, slots=True)
class Budgets:
    """Limits on what all applies together spend in each day and month; None means no limit."""

    day_credits: Limit | None = None
    day_cells: Limit | None = None
    month_credits: Limit | None = None
    month_cells: Limit | None = None

    def limits(self) -> Iterator[tuple[Period, Unit, Limit]]:
        """Yield those that are set."""
        for period in Period:
            for unit in Unit:
                limit: Limit | None = getattr(self, f"{period}_{unit}")
                if limit is not None:
                    yield period, unit, limit

    def over(self, weaker: "Budgets") -> "Budgets":
        """Return these, with `weaker` for those not set here."""
        return Budgets(**{each.name: getattr(self, each.name) or getattr(weaker, each.name) for each in fields(self)})


NO_BUDGETS = Budgets()


@dataclass(frozen=True, slots=True)
class Cap:
    """The limits on one table, or on all tables with one label; None means no limit."""

    max_credits: Limit | None = None
    max_cells: Limit | None = None
    """A whole number."""
    max_rerun_share: Limit | None = None
    """The share of a table's output cells, 0 to 1, that one apply may run again."""
    budgets: Budgets = NO_BUDGETS


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that is allowed for some manifests and refused for all others."""

    allowed: tuple[str, ...]
    """Labels (`team=gtm`), any of which allows it; if empty, it is always refused."""
    set_at: str
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Refuse an apply whose credits for a manifest are far above those of its last ones."""

    factor: Limit
    """How many times their median they may be."""
    last: int
    """How many applies the median is of, at most."""


NO_CAP = Cap()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one apply: how much it may spend, and on what. None and empty mean no limit."""

    max_credits: Limit | None = None
    max_cells: Limit | None = None
    """A whole number."""
    min_balance: Limit | None = None
    """Credits that must be left after the plan."""
    forecast_per_month: Limit | None = None
    """Credits that 30 days of schedules may cost."""
    organization: Rule | None = None
    """The id or slug of the organization that must pay, as its only `allowed`."""
    per_table: Cap = NO_CAP
    """For each table separately."""
    tables: Mapping[str, Cap] = field(default_factory=dict)
    """Table id → limits that replace `per_table` for this table, key by key."""
    per_label: Mapping[str, Cap] = field(default_factory=dict)
    """`key=value` → limits on all tables with that label together; without a share."""
    modes: Mapping[Mode, Rule] = field(default_factory=dict)
    """Mode → the rule that says which manifests may use it."""
    protected: Mapping[str, Rule] = field(default_factory=dict)
    """Column id or key → the rule that says which manifests may rerun cells of it that ran before."""
    budgets: Budgets = NO_BUDGETS
    """On all tables together."""
    timezone: str | None = None
    """At whose midnight the windows of all budgets turn; None for UTC."""
    anomaly: Anomaly | None = None

    def of_table(self, table_id: str) -> Cap:
        """Return the limits for one table."""
        own = self.tables.get(table_id)
        return self.per_table if own is None else _over(own, self.per_table)

    def over(self, weaker: "Limits") -> "Limits":
        """Return these limits, with `weaker` for those not set here; a protected column stays protected.

        What is said here of all tables is also stronger than what `weaker` says of a single one.
        """
        return Limits(
            max_credits=self.max_credits or weaker.max_credits,
            max_cells=self.max_cells or weaker.max_cells,
            min_balance=self.min_balance or weaker.min_balance,
            forecast_per_month=self.forecast_per_month or weaker.forecast_per_month,
            organization=self.organization or weaker.organization,
            per_table=_over(self.per_table, weaker.per_table),
            tables=_over_each(self.tables, {name: _over(self.per_table, cap) for name, cap in weaker.tables.items()}),
            per_label=_over_each(self.per_label, weaker.per_label),
            modes={**weaker.modes, **self.modes},
            protected={**weaker.protected, **self.protected},
            budgets=self.budgets.over(weaker.budgets),
            timezone=self.timezone or weaker.timezone,
            anomaly=self.anomaly or weaker.anomaly,
        )


def _over(stronger: Cap, weaker: Cap) -> Cap:
    given = {each.name: getattr(stronger, each.name) for each in fields(stronger)}
    set_here = {name: limit for name, limit in given.items() if limit is not None}
    return replace(weaker, **set_here | {"budgets": stronger.budgets.over(weaker.budgets)})


def _over_each(stronger: Mapping[str, Cap], weaker: Mapping[str, Cap]) -> dict[str, Cap]:
    return {**weaker, **{name: _over(cap, weaker.get(name, NO_CAP)) for name, cap in stronger.items()}}


@dataclass(frozen=True, slots=True)
class BaseLimits:
    """The limits of a base, which a change cannot override (`--limits-from`)."""

    limits: Limits
    prices: Sequence[Prices]
    """The price lists of the base and of the change: a cell counts at its highest price."""
    manifests: Sequence[Manifest] = ()
    """The base's: a change can neither drop a label with limits nor add one that allows something."""
    unknown: str = ""
    """Why the base's manifests are unknown; empty if they are known."""
    timezone: str | None = None
    """At whose midnight the budgets of flags and variables turn without the change."""
