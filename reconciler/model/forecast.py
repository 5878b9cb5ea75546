"""The cells that schedules cover, by the ages that the ledger knows, and the days on which they fall due."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from reconciler.model.credits import Credits
from reconciler.model.manifest import Refresh
from reconciler.model.observed import Column

MONTH_DAYS = 30
"""Days of the forecast that a plan shows and that `limits.forecast_per_month` holds."""

Refreshes: TypeAlias = tuple[Refresh, ...]
"""Every `refresh` that covers a cell, in the order of the manifest's runs."""


@dataclass(frozen=True, slots=True)
class ScheduledCells:
    """The cells of one column that runs with a `refresh` cover."""

    manifest: str
    labels: Mapping[str, str]
    column: Column
    price: Decimal | None
    """Credits for one cell; None if unknown."""
    ages: Mapping[Refreshes, Mapping[float, int]]
    """Which `refresh` covers them → seconds since they were bought → how many they are. Infinite: due now."""
    left_out: Mapping[str, int]
    """Value of a `SkipReason` → cells that no schedule buys as things are."""


@dataclass(frozen=True, slots=True)
class ForecastLine:
    """The cells of one column that fall due by schedule."""

    manifest: str
    labels: Mapping[str, str]
    column: Column
    price: Decimal | None
    days: tuple[int, ...]
    """Cells that fall due on each of the forecast's days."""

    @property
    def cells(self) -> int:
        """Cells on all days; one that falls due twice counts twice."""
        return sum(self.days)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The cells that fall due by schedule from `start` up to `stop`, if each is bought as soon as it does."""

    start: datetime
    """By the ledger's clock, in UTC."""
    stop: datetime
    lines: tuple[ForecastLine, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Value of a `SkipReason` → cells that no schedule buys as things are."""

    @property
    def dates(self) -> list[date]:
        """Its days in UTC; the first and the last are seldom whole."""
        last = (self.stop - timedelta(microseconds=1)).date()
        return [self.start.date() + timedelta(days=day) for day in range((last - self.start.date()).days + 1)]

    @property
    def cost(self) -> Credits:
        """The cost of all of it."""
        return Credits.at((line.price, line.cells) for line in self.lines)


@dataclass(frozen=True, slots=True)
class ScheduleCost:
    """The cost of a plan's schedules in a month."""

    days: int
    """Of that month."""
    cost: Credits
    change: Decimal | None = None
    """How many of the credits a change causes; negative if it saves. None without a base, or if a price is unknown."""
    columns: tuple[tuple[Column, Decimal | None, int], ...] = ()
    """Columns with the price of a cell and how many fall due. Not in the plan file."""

    @classmethod
    def of(cls, forecast: Forecast, change: Decimal | None) -> "ScheduleCost":
        """Return the sums of a forecast."""
        columns = tuple((line.column, line.price, line.cells) for line in forecast.lines)
        return cls((forecast.stop - forecast.start).days, forecast.cost, change, columns)

    def at(self, price_of: Callable[[Column], Decimal | None]) -> "ScheduleCost":
        """Return it at other prices, without what a change causes."""
        columns = tuple((column, price_of(column), cells) for column, _, cells in self.columns)
        return ScheduleCost(self.days, Credits.at((price, cells) for _, price, cells in columns), None, columns)
