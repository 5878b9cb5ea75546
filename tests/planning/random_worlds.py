"""Random tables, manifests and ledgers, as strange as the API and people allow.

All of a world is told by one byte string, a byte a choice and 0 the simplest: one draw is ten times as fast as two
hundred, and hypothesis shrinks it as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from reconciler.model.answer_filter import answer_filters
from reconciler.model.compact import PackedIds
from reconciler.model.condition import AllOf, AnyOf, CellTest, Condition, Not, Operator
from reconciler.model.expectation import Expectation
from reconciler.model.history import Block, CallState, PastCall, TableHistory
from reconciler.model.input_cells import WIDTH
from reconciler.model.limits import Prices
from reconciler.model.manifest import Calendar, CalendarDates, Manifest, MaxAge, Mode, Refresh, Rollout, Run, Selection
from reconciler.model.observed import INPUT_KIND, CellState, Column, TableSnapshot
from reconciler.model.row_filter import row_filters
from reconciler.planning.first_portions import asked_answers
from reconciler.planning.plan_settings import PlanSettings
from tests.planning.tables_and_manifests import (
    NOWHERE,
    QUIET,
    SHOWS_WITHIN,
    TABLE,
    a_manifest,
    a_run,
    column_id,
    config,
    row_id,
)

Item = TypeVar("Item")

PALETTES = [
    [CellState.EMPTY, CellState.EMPTY, CellState.DONE],
    [CellState.FAILED, CellState.FAILED, CellState.DONE, CellState.EMPTY],
    [CellState.EMPTY, CellState.FAILED, CellState.DONE, CellState.DONE_WITHOUT_VALUE],
    [*CellState, CellState.EMPTY, CellState.DONE, CellState.FAILED],
]
"""The states that the cells of one table may have; in many shapes of few states rectangles merge more often."""
MODES = [Mode.NEW, Mode.NEW, Mode.FAILED, Mode.FAILED, Mode.ALL, Mode.ALL]
KINDS = ["agent", "company_people_finder", "email_finder"]
PRICES = [Decimal(1), Decimal(0), Decimal("0.3"), Decimal(7)]
SHARES = [Decimal("0.5"), Decimal(1), Decimal(0)]
AGES = [0.0, QUIET - 1, QUIET, SHOWS_WITHIN - 1, SHOWS_WITHIN, SHOWS_WITHIN + 1000]
VALUES = [None, "DE", "FR", "Series B", 1, 1.0, 40, True, False, "12", "-3.5", "2026-02-01", "2026-02-03T10:00", ["x"]]
"""The values that the cells of a table may hold; None: nothing."""
OPERANDS: Mapping[Operator, Sequence[Any]] = {
    Operator.EQUALS: ["DE", 1, True, "12"],
    Operator.IN: [("DE", 40), (False, "FR", 1.0)],
    Operator.MATCHES: ["[DF]", "^S.*[AB]$", "2"],
    Operator.EXISTS: [True],
    Operator.MISSING: [True],
    Operator.GT: [0, 11.5, "2026-02-01"],
    Operator.LT: [2, -3, "2026-02-02"],
}
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""When the ledger is recalled."""
DATES = {
    Calendar("as long ago as Q", "UTC"): CalendarDates(NOW - timedelta(seconds=QUIET), NOW + timedelta(seconds=7)),
    Calendar("at this moment", "UTC"): CalendarDates(NOW, NOW + timedelta(days=7)),
    Calendar("not yet", "UTC"): CalendarDates(None, NOW + timedelta(hours=1)),
    Calendar("never again", "UTC"): CalendarDates(NOW - timedelta(seconds=QUIET - 1), None),
}
"""Where calendars stand then, some of them at the very moment of a call; pure planning asks no cron expression."""
REFRESHES: list[Refresh] = [MaxAge(int(QUIET), "3m"), MaxAge(60, "1m"), MaxAge(86400, "1d"), *DATES]
GONE = 90
"""Number of a column and of a row that were deleted after a call had covered them."""


@dataclass(frozen=True)
class World:
    """Everything a plan is made from."""

    table: TableSnapshot
    manifests: tuple[Manifest, ...]
    history: TableHistory
    settings: PlanSettings
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Column id → what each row's cell holds, inputs included; None: nothing."""


class Choices:
    """Makes choices by the bytes it was given; afterwards always the first one."""

    def __init__(self, told: bytes) -> None:
        self._told = iter(told)

    def number(self, low: int, high: int) -> int:
        """Choose from `low` to `high`, both included."""
        return low + next(self._told, 0) % (high - low + 1)

    def one_of(self, items: Sequence[Item]) -> Item:
        """Choose an item."""
        return items[self.number(0, len(items) - 1)]

    def perhaps(self, times: int = 1, of: int = 2) -> bool:
        """Say yes that often."""
        return self.number(1, of) > of - times

    def some_of(self, items: Sequence[Item]) -> list[Item]:
        """Choose one item or more, in any order."""
        left = list(items)
        return [left.pop(self.number(0, len(left) - 1)) for _ in range(self.number(1, len(items)))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """Return the items in any order."""
        left = list(items)
        return [left.pop(self.number(0, len(left) - 1)) for _ in items]


@st.composite
def worlds(draw: st.DrawFn, calls: int = 3) -> World:
    """Make up a table, manifests for it, a ledger of so many calls at most and a project's settings."""
    choose = Choices(draw(st.binary(min_size=320, max_size=320)))
    table = _table(choose)
    manifests, history, settings = _manifests(choose, table), _history(choose, table, calls), _settings(choose)
    values = {column.id: [choose.one_of(VALUES) for _ in table.row_ids] for column in table.columns}
    return World(asked(table, manifests, values, history), manifests, history, settings, values)


def asked(
    table: TableSnapshot,
    manifests: Sequence[Manifest],
    values: Mapping[str, Sequence[Any]],
    history: TableHistory,
) -> TableSnapshot:
    """Return the table as it is read for the manifests: with which rows meet their conditions, and which answers."""
    answers = {column.key: values[column.id] for column in table.columns}
    selections = [run.selection for manifest in manifests for run in manifest.runs if run.selection]
    found = row_filters([each.where for each in selections if each.where], table.columns)
    matches = {each.key: each.flags(answers, len(table.row_ids)) for each in found}
    ids = {column.key: column.id for column in table.columns}
    for each in answer_filters(asked_answers(manifests, history, whole=True), table.columns):
        column = answered(table, values, ids[each.column])
        packed = [PackedIds.of([row]).data for row in table.row_ids]
        looked_at = [each.rows is None or row in each.rows for row in packed]
        shown = zip(column, looked_at, strict=True)
        matches[each.key] = bytes(is_asked and answer is not None and each.is_met(answer) for answer, is_asked in shown)
    return replace(table, matches=matches)


def answered(table: TableSnapshot, values: Mapping[str, Sequence[Any]], column: str) -> list[tuple[Any, int] | None]:
    """Return what each cell of a column answers, with its number of sources; None for one that is not done."""
    found: list[tuple[Any, int] | None] = []
    for row, state in enumerate(table.states[column]):
        if state == CellState.DONE:
            value = values[column][row]
            found.append(("something" if value is None else value, row % 3))
        else:
            is_done = state == CellState.DONE_WITHOUT_VALUE
            found.append(([None, "", []][row % 3], row % 2) if is_done else None)
    return found


def _table(choose: Choices) -> TableSnapshot:
    rows = choose.one_of([1, 2, 3, 4, 5, 6, 0])
    outputs = choose.number(1, 5)
    numbers = range(outputs + choose.number(0, 2))
    with_cycles = choose.perhaps(1, 3)
    columns = [_column(choose, number, outputs, numbers if with_cycles else range(number)) for number in numbers]
    read = choose.number(0, outputs)
    palette = choose.one_of(PALETTES)
    return TableSnapshot(
        id=TABLE,
        name="Target Accounts",
        kind="company",
        run_status=choose.one_of(["idle"] * 16 + ["running", "paused"]),
        header_in_progress=choose.one_of([0] * 16 + [2]),
        columns=tuple(choose.shuffled(columns)),
        row_ids=tuple(row_id(number) for number in range(rows)),
        missing_inputs=bytes(choose.perhaps(1, 8) for _ in range(rows)),
        states={column_id(number): bytes(choose.one_of(palette) for _ in range(rows)) for number in range(outputs)},
        digests={column_id(number): tuple(f"v{row % 2}" for row in range(rows)) for number in range(read)},
    )


def _column(choose: Choices, number: int, outputs: int, others: Sequence[int]) -> Column:
    possible = [column_id(other) for other in (*others, outputs, GONE)]
    return Column(
        id=column_id(number),
        key=f"key_{number}",
        name=f"Column {number}",
        kind=choose.one_of(KINDS) if number < outputs else INPUT_KIND,
        upstream=tuple(dict.fromkeys(choose.one_of(possible) for _ in range(choose.one_of([0, 0, 1, 2])))),
        config_digest=config("now"),
    )


def _manifests(choose: Choices, table: TableSnapshot) -> tuple[Manifest, ...]:
    outputs = [column for column in table.columns if not column.is_input]
    if len(outputs) == 1 or choose.perhaps():
        return (_manifest(choose, "accounts", table, outputs, may_want_every=True),)
    half = choose.number(1, len(outputs) - 1)
    return (
        _manifest(choose, "partners", table, outputs[:half], may_want_every=False),
        _manifest(choose, "accounts", table, outputs[half:], may_want_every=False),
    )


def _manifest(
    choose: Choices, name: str, table: TableSnapshot, columns: list[Column], *, may_want_every: bool
) -> Manifest:
    count = choose.number(1, 3)
    return a_manifest(
        *(_run(choose, f"run-{number}", table, columns, may_want_every=may_want_every) for number in range(count)),
        name=name,
    )


def _run(choose: Choices, name: str, table: TableSnapshot, columns: list[Column], *, may_want_every: bool) -> Run:
    mode = choose.one_of(MODES)
    names = None
    if not (may_want_every and choose.perhaps()):
        names = [column.id if choose.perhaps() else column.key for column in choose.some_of(columns)]
    rows = choose.some_of(table.row_ids) if table.row_ids and choose.perhaps(1, 4) else None
    revision = choose.one_of(["r1", "r2"]) if mode is Mode.ALL else None
    attempts = choose.number(1, 2)
    rollout = _rollout(choose) if choose.perhaps(1, 4) else None
    refresh = choose.one_of(REFRESHES) if mode is Mode.ALL and choose.perhaps() else None
    if refresh is None and revision is not None and choose.perhaps(1, 3):
        run = a_run(mode, names, rows, name=name, rollout=rollout)
        run = replace(run, revision=None, follows_config=True)
    elif refresh is not None:
        run = a_run(mode, names, rows, name=name, refresh=refresh, rollout=rollout)
    else:
        run = a_run(mode, names, rows, name=name, revision=revision, max_attempts=attempts, rollout=rollout)
    run = replace(run, expect=_expectation(choose) if choose.perhaps(1, 4) else None)
    return run if rows is not None else replace(run, selection=_selection(choose, table))


def _rollout(choose: Choices) -> Rollout:
    expect = _expectation(choose) if choose.perhaps() else None
    first, share = choose.number(1, 3), choose.one_of(SHARES)
    return Rollout(first, None if expect is not None and choose.perhaps() else share, expect)


def _expectation(choose: Choices) -> Expectation:
    patterns = choose.some_of(["^DE$", "[0-9]", "(?i)some"]) if choose.perhaps() else []
    return Expectation(
        max_empty=choose.one_of(SHARES) if choose.perhaps() else None,
        max_match=tuple((pattern, choose.one_of(SHARES)) for pattern in patterns),
        min_sources=choose.number(1, 2) if choose.perhaps(1, 4) else None,
    )


def _selection(choose: Choices, table: TableSnapshot) -> Selection | None:
    where = _condition(choose, table, 2) if choose.perhaps(1, 4) else None
    limit = choose.number(1, 3) if choose.perhaps(1, 6) else None
    return None if where is None and limit is None else Selection(where, limit, NOWHERE)


def _condition(choose: Choices, table: TableSnapshot, depth: int) -> Condition:
    shape = choose.number(0, 5) if depth else 0
    if shape == 5:
        return Not(_condition(choose, table, depth - 1))
    if shape >= 3:
        parts = tuple(_condition(choose, table, depth - 1) for _ in range(choose.number(1, 2)))
        return AllOf(parts) if shape == 3 else AnyOf(parts)
    column, operator = choose.one_of(table.columns), choose.one_of(list(Operator))
    name = column.id if choose.perhaps() else column.key
    return CellTest(name, operator, choose.one_of(OPERANDS[operator]), NOWHERE)


def _history(choose: Choices, table: TableSnapshot, most: int) -> TableHistory:
    calls = tuple(_past_call(choose, number, table) for number in range(choose.number(0, most)))
    return TableHistory(TABLE, len(calls), calls, NOW.timestamp())


def _past_call(choose: Choices, number: int, table: TableSnapshot) -> PastCall:
    mode = choose.one_of(MODES)
    columns = choose.some_of([*table.states, column_id(GONE)])
    blocks = [
        Block(tuple(part), tuple(choose.some_of([*table.row_ids, row_id(GONE)])))
        for part in (columns[:2], columns[2:])
        if part
    ]
    left_no_trace = choose.perhaps(2, 3)
    return PastCall(
        id=f"past-{number}",
        table_id=TABLE,
        mode=mode,
        revision=choose.one_of(["r1", "r2", None]) if mode is Mode.ALL else None,
        state=choose.one_of([CallState.ACCEPTED] * 9 + [CallState.INTENT, CallState.IN_DOUBT]),
        attempt=1,
        settled=choose.perhaps(2, 3),
        covered=tuple(blocks),
        configs={
            column: config(choose.one_of(["now", "now", "before"])) for column in columns if not choose.perhaps(1, 8)
        },
        before={
            column: tuple(_mark(choose, table, column, row, as_now=left_no_trace) for row in block.rows)
            for block in blocks
            for column in block.columns
        },
        age_seconds=choose.one_of(AGES),
    )


def _mark(choose: Choices, table: TableSnapshot, column: str, row: str, *, as_now: bool) -> str:
    if not as_now or column not in table.states or row not in table.row_ids:
        return choose.one_of(["0", "1", "2", "5", "1:v0", "1:v1", "2:v0"])
    index = table.row_ids.index(row)
    value = table.digests[column][index] if column in table.digests else "v9"
    return f"{table.states[column][index]}:{value}" if choose.perhaps() else f"{table.states[column][index]}"


def with_inputs(world: World, luck: Random) -> World:
    """Return a world in which digests of inputs are known, of most settled calls and of the table as it is now."""
    kinds = [bytes(WIDTH), b"one.", b"two.", b"two."]

    def some(rows: int) -> bytes:
        return b"".join(luck.choice(kinds) for _ in range(rows))

    calls = tuple(
        replace(call, inputs={column: some(len(b.rows)) for b in call.covered for column in b.columns})
        if call.settled and luck.random() < 0.8
        else call
        for call in world.history.calls
    )
    table = replace(world.table, inputs={column: some(len(world.table.row_ids)) for column in world.table.states})
    return replace(world, table=table, history=replace(world.history, calls=calls))


def _settings(choose: Choices) -> PlanSettings:
    default = choose.one_of([*PRICES, None])
    kinds = {kind: choose.one_of(PRICES) for kind in KINDS if choose.perhaps(1, 4)}
    columns = {name: choose.one_of(PRICES) for name in ("key_0", "key_1", column_id(0)) if choose.perhaps(1, 4)}
    return PlanSettings(
        Prices(default, kinds, columns), choose.one_of([1000, 1000, 1, 2, 3, 5]), QUIET, SHOWS_WITHIN, DATES
    )
