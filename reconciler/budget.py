"""What cells cost and how much may be spent: prices and limits, exact."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

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


@dataclass(frozen=True, slots=True)
class Limit:
    """What somebody allowed."""

    value: Decimal
    set_at: str
    """Where, for messages: `reconciler.yaml:9 (spec.limits.max_credits)`, or a flag."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one plan may cost at most; None: no limit."""

    max_credits: Limit | None = None
    max_cells: Limit | None = None
    """Its value is whole."""
