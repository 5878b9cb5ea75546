"""A forecast against a month in which the planner is asked every hour, and everything that falls due is bought."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import ceil

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reconciler.manifests.calendar import dates_between
from reconciler.model.forecast import Forecast
from reconciler.model.history import Block, CallState, TableHistory
from reconciler.model.limits import Prices
from reconciler.model.manifest import Calendar, Manifest, MaxAge, Mode, Refresh
from reconciler.model.observed import CellState, TableSnapshot
from reconciler.model.plan import Plan
from reconciler.operations.observe import dates_of
from reconciler.planning.forecast import forecast
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import make_plan
from tests.example_counts import examples
from tests.planning.random_worlds import Choices
from tests.planning.tables_and_manifests import (
    TABLE,
    a_column,
    a_manifest,
    a_past_call,
    a_run,
    a_table,
    column_id,
    plan_settings,
    row_id,
)

HOUR = 3600
START = datetime(2026, 10, 10, 7, tzinfo=UTC)
"""The clocks of Berlin and New York are set back within the month that follows."""
DAYS = 30
ROWS, COLUMNS = 5, 4
CALENDARS = [
    Calendar("0 6 * * 1", "Europe/Berlin"),
    Calendar("0 */6 * * *", "UTC"),
    Calendar("0 0 1,15 * *", "America/New_York"),
    Calendar("0 2 * * *", "Europe/Berlin"),
]
PRICES = Prices(None, {"agent": Decimal("0.3")}, {"key_1": Decimal(2)})
Cell = tuple[str, str]
"""Column id, row id."""


@dataclass
class Month:
    """A table, its manifests, and when each of its cells was bought last, in seconds from the start."""

    manifests: list[Manifest]
    table: TableSnapshot
    bought: dict[Cell, float]

    def plan(self, after: float) -> Plan:
        """Plan so many seconds after the start."""
        now = START + timedelta(seconds=after)
        by_time: dict[float, dict[str, list[str]]] = {}
        for (column, row), time in self.bought.items():
            by_time.setdefault(time, {}).setdefault(column, []).append(row)
        calls = tuple(
            a_past_call(
                CallState.ACCEPTED,
                [Block((column,), tuple(rows)) for column, rows in blocks.items()],
                mode=Mode.ALL,
                id=str(time),
                age=after - time,
            )
            for time, blocks in by_time.items()
        )
        history = TableHistory(TABLE, 1, calls, now.timestamp())
        known = replace(plan_settings(prices=PRICES), dates=dates_of(self.manifests, now))
        return make_plan(PlanInputs(self.manifests, {TABLE: self.table}, {TABLE: history}, known))

    def pass_by(self) -> Counter[tuple[str, date]]:
        """Buy what falls due, looking every hour; return how many cells of each column on each day."""
        found: Counter[tuple[str, date]] = Counter()
        hour = 0
        while hour < 24 * DAYS:
            states = {column: bytearray(cells) for column, cells in self.table.states.items()}
            for call in self.plan(hour * HOUR).calls:
                for block in call.covered:
                    for column in block.columns:
                        found[column, (START + timedelta(hours=hour)).date()] += len(block.rows)
                        for row in block.rows:
                            self.bought[column, row] = hour * HOUR
                            states[column][self.table.row_ids.index(row)] = CellState.DONE
            self.table = replace(self.table, states={column: bytes(cells) for column, cells in states.items()})
            # In the hours before that, nothing falls due.
            dues = [run.next_due for table in self.plan(hour * HOUR).tables for run in table.runs if run.next_due]
            hour = max(hour + 1, ceil((min(dues) - START) / timedelta(hours=1))) if dues else 24 * DAYS
        return found


def a_month(told: bytes, *, sharp: bool) -> Month:
    """Make up a month; `sharp`: everything was bought on the hour, so that a look every hour misses nothing."""
    choose = Choices(told)
    columns = [a_column(1), a_column(2, 1), a_column(3), a_column(4, 2, 3)]
    runs = []
    for number in range(choose.number(1, 4)):
        refresh: Refresh = MaxAge(choose.one_of([6, 24, 60, 168]) * HOUR, "as long as that")
        if choose.perhaps():
            refresh = choose.one_of(CALENDARS)
        names = [column.key for column in choose.some_of(columns)] if choose.perhaps() else None
        rows = [row_id(row) for row in range(choose.number(1, ROWS))] if choose.perhaps(1, 3) else None
        runs.append(a_run(Mode.ALL, names, rows, name=f"run-{number}", refresh=refresh))
    states = ["".join(choose.one_of("ddddd.f") for _ in range(ROWS)) for _ in columns]
    missing = [row for row in range(ROWS) if choose.perhaps(1, 9)]
    bought = {}
    for column in columns:
        for row in range(ROWS):
            if choose.perhaps(4, 5):
                late = 0.0 if sharp else choose.number(1, 250) * 13.7
                bought[column.id, row_id(row)] = -HOUR * choose.number(0, 200) - late
    return Month([a_manifest(*runs)], a_table(columns, states, missing=missing), bought)


def forecast_of(month: Month) -> Forecast:
    """Return the forecast of a month that has not passed."""
    return forecast(month.plan(0).schedules, START, DAYS, dates_between)


def by_day(found: Forecast) -> dict[tuple[str, date], int]:
    """Return a forecast's cells by column and day."""
    return {
        (line.column.id, day): cells
        for line in found.lines
        for day, cells in zip(found.dates, line.days, strict=True)
        if cells
    }


def waits(month: Month) -> bool:
    """Tell whether a cell waits for one upstream that is not done and may be bought later."""
    due = {cell for call in month.plan(0).calls for block in call.covered for cell in cells_of(block)}
    return any(
        state != CellState.DONE and (column, row) not in due
        for column, cells in month.table.states.items()
        for row, state in zip(month.table.row_ids, cells, strict=True)
    )


def cells_of(block: Block) -> list[Cell]:
    """Return the cells of a block."""
    return [(column, row) for column in block.columns for row in block.rows]


worlds = st.binary(min_size=120, max_size=120)
brief = settings(max_examples=examples(24), phases=[Phase.generate])
"""A month takes half a second, so none of them is made smaller."""


@brief
@given(worlds)
def test_on_the_hour_every_day_is_as_foreseen(told: bytes) -> None:
    """By column and day, to the cell and to the credit; one that waits for another comes later, and no more do."""
    month = a_month(told, sharp=True)
    found, is_exact = forecast_of(month), not waits(month)
    expected, happened = by_day(found), month.pass_by()
    assert happened.total() <= total(found)
    if is_exact:
        assert expected == happened
        spent = sum(cells * price_of(column) for (column, _), cells in happened.items())
        assert found.cost.total == spent


def price_of(column: str) -> Decimal:
    """Return the price of a column's cells."""
    return Decimal(2) if column == column_id(1) else Decimal("0.3")


@brief
@given(worlds)
def test_an_apply_every_hour_buys_no_more_and_hardly_less(told: bytes) -> None:
    """Whatever the ages: no more than foreseen, and at least what would fall due if every age were an hour longer."""
    month = a_month(told, sharp=False)
    is_exact = not waits(month)
    most, least = forecast_of(month), forecast_of(replace(month, manifests=longer(month.manifests)))
    happened = month.pass_by().total()
    assert happened <= total(most)
    if is_exact:
        assert total(least) <= happened


def total(found: Forecast) -> int:
    """Return its cells."""
    return sum(line.cells for line in found.lines)


def longer(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Return the manifests with an hour more in every age."""
    return [
        replace(manifest, runs=tuple(replace(run, refresh=_longer(run.refresh)) for run in manifest.runs))
        for manifest in manifests
    ]


def _longer(refresh: Refresh | None) -> Refresh | None:
    return replace(refresh, seconds=refresh.seconds + HOUR) if isinstance(refresh, MaxAge) else refresh
