"""What cells cost and what may be spent on them: prices and limits, exact, each limit with who set it where."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from types import MappingProxyType

from reconciler.model.manifest import Manifest, Mode
from reconciler.model.observed import Column

BUILT_IN_PRICES: Mapping[str, Decimal] = MappingProxyType({"agent": Decimal(1), "company_people_finder": Decimal(2)})
"""Credits for one cell by column kind, where they are documented (`extruct-api.md`, Run [V])."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Credits for one cell. Decimal, so that three cells at 0.1 cost 0.3."""

    default: Decimal | None = None
    """For a kind that has no price, neither in `kinds` nor built in; None: nobody knows what such a cell costs."""
    kinds: Mapping[str, Decimal] = field(default_factory=dict)
    """Column kind → price; stronger than the built-in price of the kind."""
    columns: Mapping[str, Decimal] = field(default_factory=dict)
    """Column id or column key → price; stronger than its kind's, and an id is stronger than a key."""

    def of(self, kind: str, column_key: str, column_id: str) -> Decimal | None:
        """Return what one cell of a column costs; None where nobody knows, which is never the same as 0."""
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
        """Return what so many cells of each column cost; None where the price of one is unknown."""
        total = Decimal(0)
        for column, count in cells:
            price = self.of(column.kind, column.key, column.id)
            if price is None:
                return None
            total += price * count
        return total


@dataclass(frozen=True, slots=True)
class Limit:
    """What somebody allowed."""

    value: Decimal
    set_at: str
    """Where, for messages: `reconciler.yaml:9 (spec.limits.max_credits)`, a variable or a flag."""
    contact: str = ""
    """Who may raise it, as the `contact` beside it says; empty where nobody wrote one."""


@dataclass(frozen=True, slots=True)
class Cap:
    """What one apply may do at most to one table, or to all tables of one label; None: no limit."""

    max_credits: Limit | None = None
    max_cells: Limit | None = None
    """Its value is whole."""
    max_rerun_share: Limit | None = None
    """Of a table's output cells, 0 to 1: how much of the table one apply may run again."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that is allowed to some and refused to all others."""

    allowed: tuple[str, ...]
    """Labels (`team=gtm`), any of which allows it; none: nobody may."""
    set_at: str
    contact: str = ""


NO_CAP = Cap()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one apply may spend at most, and on what; None and empty: no limit."""

    max_credits: Limit | None = None
    max_cells: Limit | None = None
    """Its value is whole."""
    per_table: Cap = NO_CAP
    """For each table by itself."""
    tables: Mapping[str, Cap] = field(default_factory=dict)
    """Table id → what holds for this table instead of `per_table`, key by key."""
    per_label: Mapping[str, Cap] = field(default_factory=dict)
    """`key=value` → what all tables with that label may cost together; no share."""
    modes: Mapping[Mode, Rule] = field(default_factory=dict)
    """Modes that not every manifest may use."""
    protected: Mapping[str, Rule] = field(default_factory=dict)
    """Column id or key → the rule that no cell of it which ran before is run again."""

    def of_table(self, table_id: str) -> Cap:
        """Return what holds for one table."""
        return _over(self.tables.get(table_id, NO_CAP), self.per_table)

    def over(self, weaker: "Limits") -> "Limits":
        """Return these limits and, where they say nothing, `weaker`; a protected column stays protected."""
        return Limits(
            max_credits=self.max_credits or weaker.max_credits,
            max_cells=self.max_cells or weaker.max_cells,
            per_table=_over(self.per_table, weaker.per_table),
            tables=_over_each(self.tables, weaker.tables),
            per_label=_over_each(self.per_label, weaker.per_label),
            modes={**weaker.modes, **self.modes},
            protected={**weaker.protected, **self.protected},
        )


def _over(stronger: Cap, weaker: Cap) -> Cap:
    given = {each.name: getattr(stronger, each.name) for each in fields(stronger)}
    return replace(weaker, **{name: limit for name, limit in given.items() if limit is not None})


def _over_each(stronger: Mapping[str, Cap], weaker: Mapping[str, Cap]) -> dict[str, Cap]:
    return {**weaker, **{name: _over(cap, weaker.get(name, NO_CAP)) for name, cap in stronger.items()}}


@dataclass(frozen=True, slots=True)
class BaseLimits:
    """The limits of a base that a change is held to whatever it says itself (`--limits-from`)."""

    limits: Limits
    prices: Sequence[Prices]
    """The price lists, the base's and the present one: a cell counts with the highest of its prices."""
    manifests: Sequence[Manifest] = ()
    """The base's: a change can neither drop a label that is limited nor give itself one that allows something."""
    unknown: str = ""
    """Why nobody can tell the base's manifests; empty where one can."""
