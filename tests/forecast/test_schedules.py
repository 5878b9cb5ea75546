"""Which cells a forecast counts, and when: the arithmetic on small tables, day by day."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciler.manifests.calendar import dates_between
from reconciler.model.forecast import Forecast
from reconciler.model.history import Block, CallState, PastCall, TableHistory
from reconciler.model.limits import Prices
from reconciler.model.manifest import Calendar, MaxAge, Mode, Refresh, Rollout, Run
from reconciler.model.observed import TableSnapshot
from reconciler.operations.observe import dates_of
from reconciler.planning.forecast import forecast
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import make_plan
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

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""A Wednesday."""
HOUR, DAY = 3600, 86400
TWO_DAYS, MONDAYS = MaxAge(2 * DAY, "2d"), Calendar("0 6 * * 1", "UTC")


def forecast_of(
    runs: Sequence[Run], table: TableSnapshot, calls: Sequence[PastCall], days: int = 7, prices: Prices | None = None
) -> Forecast:
    """Return the forecast from noon."""
    manifests = [a_manifest(*runs)]
    known = replace(plan_settings(prices=prices), dates=dates_of(manifests, NOON))
    history = TableHistory(TABLE, len(calls), tuple(calls), NOON.timestamp())
    plan = make_plan(PlanInputs(manifests, {TABLE: table}, {TABLE: history}, known))
    return forecast(plan.schedules, NOON, days, dates_between)


def bought(age: float, rows: Sequence[int], *columns: int, state: CallState = CallState.ACCEPTED) -> PastCall:
    """Return a call for cells of these rows, that long ago."""
    block = Block(tuple(map(column_id, columns or (1,))), tuple(map(row_id, rows)))
    return a_past_call(state, [block], mode=Mode.ALL, id=f"{age}-{rows}", age=age, settled=state is CallState.ACCEPTED)


def days_of(found: Forecast) -> dict[str, int]:
    """Return the cells of each day that has any."""
    sums = map(sum, zip(*(line.days for line in found.lines), strict=True))
    return {day.strftime("%a %d"): cells for day, cells in zip(found.dates, sums, strict=True) if cells}


def every(refresh: Refresh, name: str = "all", rows: Sequence[int] | None = None) -> Run:
    """Return a run by a schedule over the first column."""
    named = None if rows is None else [row_id(row) for row in rows]
    return a_run(Mode.ALL, ["key_1"], named, name=name, refresh=refresh)


ONE = a_table([a_column(1)], ["ddd"])


@pytest.mark.parametrize(
    ("refresh", "age", "expected"),
    [
        # Fresh for another day, then every second day; the end of the window no longer counts.
        (TWO_DAYS, DAY, {"Thu 26": 3, "Sat 28": 3, "Mon 30": 3}),
        (TWO_DAYS, DAY + 1, {"Thu 26": 3, "Sat 28": 3, "Mon 30": 3, "Wed 02": 3}),
        # Due now, however old it is.
        (TWO_DAYS, 9 * DAY, {"Wed 25": 3, "Fri 27": 3, "Sun 29": 3, "Tue 01": 3}),
        (MaxAge(6 * HOUR, "6h"), 0.0, {"Wed 25": 3, **dict.fromkeys(
            ["Thu 26", "Fri 27", "Sat 28", "Sun 29", "Mon 30", "Tue 01"], 12), "Wed 02": 6}),
        # Bought since Monday, and before it.
        (MONDAYS, DAY, {"Mon 30": 3}),
        (MONDAYS, 3 * DAY, {"Wed 25": 3, "Mon 30": 3}),
    ],
)  # fmt: skip
def test_by_age_and_by_calendar(refresh: Refresh, age: float, expected: Mapping[str, int]) -> None:
    """By day, from noon to noon a week later."""
    assert days_of(forecast_of([every(refresh)], ONE, [bought(age, range(3))])) == expected


def test_two_schedules_of_one_cell_buy_it_once_for_both() -> None:
    """The first row by age and calendar: bought on Monday at six, its age begins there again."""
    runs = [every(TWO_DAYS, "often", [0]), every(MONDAYS, "mondays")]
    found = forecast_of(runs, ONE, [bought(DAY, range(3))])
    assert days_of(found) == {"Thu 26": 1, "Sat 28": 1, "Mon 30": 3, "Wed 02": 1}


def test_cells_that_are_being_bought_count_as_bought_now() -> None:
    """By a call in doubt, by another run of this plan, or by a call that does not show yet."""
    doubtful = bought(60.0, [0], state=CallState.IN_DOUBT)
    fresh = replace(bought(60.0, [1]), settled=False)
    runs = [a_run(Mode.ALL, ["key_1"], [row_id(2)], name="once", revision="r1"), every(TWO_DAYS)]
    found = forecast_of(runs, ONE, [bought(9 * DAY, range(3)), doubtful, fresh], days=3)
    assert days_of(found) == {"Fri 27": 3}


def test_cells_that_no_schedule_buys_are_left_out_with_their_reason() -> None:
    """Without inputs, of unknown age or status, or blocked by a cell that no schedule buys."""
    table = a_table([a_column(1, 2), a_column(2)], ["dddud", "dddd."], missing=[0])
    calls = [bought(9 * DAY, [0, 1, 3, 4], 1)]
    found = forecast_of([every(TWO_DAYS)], table, calls, days=1)
    assert days_of(found) == {"Wed 25": 1}
    assert found.left_out == {"missing_inputs": 1, "age_unknown": 1, "unknown_status": 1, "blocked": 1}


def test_a_cell_below_one_that_a_schedule_buys_is_not_blocked() -> None:
    """It falls due with it, or is done by then."""
    table = a_table([a_column(1), a_column(2, 1)], ["f", "d"])
    run = a_run(Mode.ALL, name="all", refresh=TWO_DAYS)
    found = forecast_of([run], table, [bought(DAY, [0], 1), bought(9 * DAY, [0], 2)], days=2)
    assert {line.column.key: line.cells for line in found.lines} == {"key_1": 1, "key_2": 1}
    assert found.left_out == {}


def test_a_run_that_its_rollout_holds_back_buys_nothing() -> None:
    """Until a person does something about it."""
    table = a_table([a_column(1)], ["fdd"])
    run = replace(every(TWO_DAYS), rollout=Rollout(1, Decimal(0)))
    found = forecast_of([run], table, [replace(bought(9 * DAY, [0]), revision=None), bought(9 * DAY, [1, 2])])
    assert (days_of(found), found.left_out) == ({}, {"held_back": 3})


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    """And says of how many cells; one that is known is exact."""
    prices = Prices(None, {"agent": Decimal("0.1")})
    columns = [a_column(1), a_column(2, kind="email_finder")]
    run = a_run(Mode.ALL, name="all", refresh=MaxAge(DAY, "1d"))
    found = forecast_of([run], a_table(columns, ["d", "d"]), [bought(HOUR, [0], 1, 2)], 3, prices)
    assert (found.cost.known, found.cost.unpriced_cells, found.cost.total) == (Decimal("0.3"), 3, None)
