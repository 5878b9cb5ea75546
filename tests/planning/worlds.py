"""Random tables, manifests and ledgers, as strange as the API and people allow."""

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import strategies as st

from reconciler.budget import Prices
from reconciler.history import Block, CallState, PastCall, TableHistory
from reconciler.manifest import Manifest, Mode, Run
from reconciler.observed import INPUT_KIND, CellState, Column, TableSnapshot
from reconciler.planner import Rules
from tests.planning.makers import QUIET, TABLE, a_manifest, a_run, column_id, config, row_id

STATES = [CellState.EMPTY] * 6 + [CellState.DONE] * 5 + [CellState.FAILED] * 4
STATES += [CellState.IN_PROGRESS, CellState.UNKNOWN, CellState.DONE_WITHOUT_VALUE]
KINDS = ["agent", "company_people_finder", "email_finder"]
AGES = [0.0, QUIET - 1, QUIET, QUIET + 1000]
GONE = 90
"""Number of a column and of a row that were deleted after a call had covered them."""


@dataclass(frozen=True)
class World:
    """Everything a plan is made from."""

    table: TableSnapshot
    manifests: tuple[Manifest, ...]
    history: TableHistory
    rules: Rules


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a table, manifests for it, a ledger and a project's rules."""
    table = draw(_tables())
    return World(table, draw(_manifests(table)), draw(_histories(table)), draw(_rules()))


@st.composite
def _tables(draw: st.DrawFn) -> TableSnapshot:
    rows = draw(st.integers(0, 5))
    outputs = draw(st.integers(1, 5))
    inputs = draw(st.integers(0, 2))
    # Mostly downwards, so that most graphs have no cycle; a column may wait for itself or for one that is gone.
    links = draw(st.lists(st.tuples(st.integers(0, outputs - 1), st.integers(0, outputs + inputs)), max_size=6))
    turned = draw(st.booleans())
    order = draw(st.permutations(range(outputs + inputs)))
    upstream: dict[int, list[str]] = {}
    for column, other in links:
        if other >= column and not turned and other < outputs:
            column, other = (other, column) if other != column else (column, GONE)
        upstream.setdefault(column, []).append(column_id(other))
    columns = [
        Column(
            column_id(number),
            f"key_{number}",
            f"Column {number}",
            INPUT_KIND if number >= outputs else draw(st.sampled_from(KINDS)),
            tuple(dict.fromkeys(upstream.get(number, ()))),
            config("now"),
        )
        for number in order
    ]
    cells = draw(st.binary(min_size=rows * outputs, max_size=rows * outputs))
    with_digests = draw(st.integers(0, outputs))
    return TableSnapshot(
        id=TABLE,
        name="Target Accounts",
        kind="company",
        run_status=draw(st.sampled_from(["idle"] * 6 + ["running", "paused"])),
        header_in_progress=draw(st.sampled_from([0] * 6 + [2])),
        columns=tuple(columns),
        row_ids=tuple(row_id(number) for number in range(rows)),
        missing_inputs=bytes(draw(st.sampled_from([0, 0, 0, 1])) for _ in range(rows)),
        states={
            column_id(number): bytes(STATES[byte % len(STATES)] for byte in cells[number * rows : number * rows + rows])
            for number in range(outputs)
        },
        digests={column_id(number): tuple(f"v{row % 2}" for row in range(rows)) for number in range(with_digests)},
    )


@st.composite
def _manifests(draw: st.DrawFn, table: TableSnapshot) -> tuple[Manifest, ...]:
    outputs = [column for column in table.columns if not column.is_input]
    if len(outputs) == 1 or draw(st.booleans()):
        return (draw(_manifest("accounts", table, outputs, may_want_all=True)),)
    half = draw(st.integers(1, len(outputs) - 1))
    return (
        draw(_manifest("partners", table, outputs[:half], may_want_all=False)),
        draw(_manifest("accounts", table, outputs[half:], may_want_all=False)),
    )


@st.composite
def _manifest(
    draw: st.DrawFn, name: str, table: TableSnapshot, columns: list[Column], *, may_want_all: bool
) -> Manifest:
    runs = [
        draw(_run(f"run-{number}", table, columns, may_want_all=may_want_all))
        for number in range(draw(st.integers(1, 3)))
    ]
    return a_manifest(*runs, name=name)


@st.composite
def _run(draw: st.DrawFn, name: str, table: TableSnapshot, columns: list[Column], *, may_want_all: bool) -> Run:
    mode = draw(st.sampled_from(Mode))
    names = None
    if not may_want_all or draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(columns), min_size=1, unique=True))
        names = [column.id if draw(st.booleans()) else column.key for column in chosen]
    rows = None
    if table.row_ids and draw(st.integers(0, 3)) == 0:
        rows = draw(st.lists(st.sampled_from(table.row_ids), min_size=1, unique=True))
    revision = draw(st.sampled_from(["r1", "r2"])) if mode is Mode.ALL else None
    return a_run(mode, names, rows, name=name, revision=revision, max_attempts=draw(st.integers(1, 2)))


@st.composite
def _histories(draw: st.DrawFn, table: TableSnapshot) -> TableHistory:
    calls = tuple(draw(_past_call(number, table)) for number in range(draw(st.integers(0, 4))))
    return TableHistory(TABLE, len(calls), calls)


@st.composite
def _past_call(draw: st.DrawFn, number: int, table: TableSnapshot) -> PastCall:
    mode = draw(st.sampled_from(Mode))
    columns = draw(st.lists(st.sampled_from([*table.states, column_id(GONE)]), min_size=1, unique=True))
    blocks = []
    for part in (columns[:2], columns[2:]):
        if part:
            rows = draw(st.lists(st.sampled_from([*table.row_ids, row_id(GONE)]), min_size=1, unique=True))
            blocks.append(Block(tuple(part), tuple(rows)))
    still = draw(st.booleans())
    """The call left no trace: each mark is what the table shows now."""
    before = {
        column: tuple(draw(_mark(table, column, row, still=still)) for row in block.rows)
        for block in blocks
        for column in block.columns
    }
    return PastCall(
        id=f"past-{number}",
        table_id=TABLE,
        mode=mode,
        revision=draw(st.sampled_from(["r1", "r2"])) if mode is Mode.ALL else None,
        state=draw(st.sampled_from([CallState.ACCEPTED] * 4 + [CallState.INTENT, CallState.IN_DOUBT])),
        attempt=1,
        settled=draw(st.booleans()),
        covered=tuple(blocks),
        configs={column: config(draw(st.sampled_from(["now", "now", "before"]))) for column in columns},
        before=before,
        age_seconds=draw(st.sampled_from(AGES)),
    )


@st.composite
def _mark(draw: st.DrawFn, table: TableSnapshot, column: str, row: str, *, still: bool) -> str:
    known = column in table.states and row in table.row_ids
    if not (still and known):
        return f"{draw(st.integers(0, 5))}{draw(st.sampled_from(['', ':v0', ':v1']))}"
    index = table.row_ids.index(row)
    value = f":{table.digests[column][index]}" if column in table.digests else draw(st.sampled_from(["", ":v9"]))
    return f"{table.states[column][index]}{value}"


@st.composite
def _rules(draw: st.DrawFn) -> Rules:
    price = st.sampled_from([Decimal(0), Decimal(1), Decimal("0.3"), Decimal(7)])
    prices = Prices(
        default=draw(st.none() | price),
        kinds=draw(st.dictionaries(st.sampled_from(KINDS), price, max_size=2)),
        columns=draw(st.dictionaries(st.sampled_from(["key_0", "key_1", column_id(0)]), price, max_size=2)),
    )
    return Rules(prices, draw(st.sampled_from([1, 2, 3, 5, 1000])), QUIET)
