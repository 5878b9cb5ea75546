"""Tables, manifests and memories as the tests of planning write them down."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from reconciler.model.history import Block, CallState, PastCall, TableHistory
from reconciler.model.limits import Prices
from reconciler.model.manifest import DEFAULT_MAX_ATTEMPTS, Manifest, Mode, NameAt, Refresh, Rollout, Run, Selection
from reconciler.model.observed import CellState, Column, TableSnapshot
from reconciler.model.plan import Call, Reason
from reconciler.planning.plan_settings import PlanSettings
from reconciler.text.digest import digest
from reconciler.text.location import Location

TABLE = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"
QUIET = 180.0
SHOWS_WITHIN = 212.0
"""D + T + Q."""
NOWHERE = Location("manifest.yaml", 1, 1)
LETTERS = {".": CellState.EMPTY, "d": CellState.DONE, "f": CellState.FAILED, "p": CellState.IN_PROGRESS}
LETTERS |= {
    "u": CellState.UNKNOWN,
    "n": CellState.DONE_WITHOUT_VALUE,
    "q": CellState.PENDING,
    "i": CellState.PENDING_IDLE,
}
"""A column of cells is written as one letter a row: `..df` is two empty cells, a done and a failed one."""


def row_id(number: int) -> str:
    """Return the id of the row with that number."""
    return f"00000000-0000-4000-8000-{number:012d}"


def column_id(number: int) -> str:
    """Return the id of the column with that number."""
    return f"c0000000-0000-4000-8000-{number:012d}"


def config(version: str) -> str:
    """Return a digest of a column's configuration."""
    return digest(version)


def a_column(number: int, *upstream: int, kind: str = "agent", key: str = "") -> Column:
    """Return a column that depends on the columns with the numbers `upstream`."""
    key = key or f"key_{number}"
    return Column(
        column_id(number), key, key.title(), kind, tuple(column_id(other) for other in upstream), config("now")
    )


def a_table(
    columns: Sequence[Column],
    cells: Sequence[str],
    *,
    missing: Sequence[int] = (),
    run_status: str = "idle",
    in_progress: int = 0,
    digests: Mapping[str, tuple[str, ...]] | None = None,
    table: str = TABLE,
) -> TableSnapshot:
    """Return a table; `cells` holds one text of `LETTERS` an output column, `missing` row numbers from 0."""
    outputs = [column for column in columns if not column.is_input]
    rows = len(cells[0]) if cells else 0
    return TableSnapshot(
        id=table,
        name="Target Accounts",
        kind="company",
        run_status=run_status,
        header_in_progress=in_progress,
        columns=tuple(columns),
        row_ids=tuple(row_id(number) for number in range(rows)),
        missing_inputs=bytes(row in missing for row in range(rows)),
        states={
            column.id: bytes(LETTERS[letter] for letter in letters)
            for column, letters in zip(outputs, cells, strict=True)
        },
        digests=digests or {},
    )


def a_run(
    mode: Mode,
    columns: Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    *,
    name: str = "",
    revision: str | None = None,
    refresh: Refresh | None = None,
    max_attempts: int | None = None,
    rollout: Rollout | None = None,
    selection: Selection | None = None,
) -> Run:
    """Return a run; `columns` are keys or ids. Mode `all` has a revision unless it has a `refresh`."""
    return Run(
        name=name or mode.value,
        mode=mode,
        columns=None if columns is None else tuple(NameAt(text, NOWHERE) for text in columns),
        rows=None if rows is None else tuple(NameAt(text, NOWHERE) for text in rows),
        max_attempts=DEFAULT_MAX_ATTEMPTS[mode] if max_attempts is None else max_attempts,
        revision=("r1" if mode is Mode.ALL and refresh is None else None) if revision is None else revision,
        location=NOWHERE,
        rollout=rollout,
        selection=selection,
        refresh=refresh,
    )


def a_manifest(*runs: Run, name: str = "accounts", table: str = TABLE, after: Sequence[str] = ()) -> Manifest:
    """Return a manifest of `runs` that comes after others."""
    depends_on = tuple(NameAt(text, NOWHERE) for text in after)
    return Manifest(name, {}, table, runs, NOWHERE, NOWHERE, depends_on=depends_on)


def a_past_call(
    state: CallState,
    covered: Sequence[Block],
    *,
    mode: Mode = Mode.NEW,
    revision: str | None = None,
    before: Mapping[str, tuple[str, ...]] | None = None,
    age: float = 1000.0,
    settled: bool = True,
    configs: Mapping[str, str] | None = None,
    id: str = "past",  # noqa: A002 - the field's name
) -> PastCall:
    """Return a call of the ledger; unless said otherwise, its cells were empty and its columns as they are now."""
    columns = [column for block in covered for column in block.columns]
    return PastCall(
        id=id,
        table_id=TABLE,
        mode=mode,
        revision=revision,
        state=state,
        attempt=1,
        settled=settled,
        covered=tuple(covered),
        configs=dict.fromkeys(columns, config("now")) if configs is None else configs,
        before=_all_empty(covered) if before is None else before,
        age_seconds=age,
    )


def _all_empty(covered: Sequence[Block]) -> dict[str, tuple[str, ...]]:
    return {column: ("0",) * len(block.rows) for block in covered for column in block.columns}


def bought(call: Call, *, settled: bool = True, age: float = 1000.0) -> PastCall:
    """Return `call` as the ledger remembers it once it was accepted."""
    return PastCall(
        id=call.id,
        table_id=call.table_id,
        mode=call.mode,
        revision=call.revision,
        state=CallState.ACCEPTED,
        attempt=1,
        settled=settled,
        covered=call.covered,
        configs=call.configs,
        before=call.before,
        age_seconds=age,
    )


def remembering(*calls: PastCall) -> dict[str, TableHistory]:
    """Return the histories of a ledger that holds `calls`, all of one table."""
    return {TABLE: TableHistory(TABLE, len(calls), calls)}


def plan_settings(max_cells_per_call: int = 1000, prices: Prices | None = None) -> PlanSettings:
    """Return a project's settings; a cell costs 1 credit unless said otherwise."""
    return PlanSettings(prices or Prices(default=Decimal(1)), max_cells_per_call, QUIET, SHOWS_WITHIN)


def a_call(
    number: int = 1,
    *,
    columns: Sequence[str] = (column_id(1),),
    rows: Sequence[str] = (row_id(0), row_id(1)),
    table: str = TABLE,
    address: str = "accounts/new",
    price: Decimal | None = Decimal(1),
) -> Call:
    """Return a planned call of mode `new`, every cell of its rectangle due."""
    cells = len(columns) * len(rows)
    return Call(
        id=f"{number:032x}",
        address=address,
        table_id=table,
        mode=Mode.NEW,
        revision=None,
        columns=tuple(columns),
        column_keys=tuple(f"key of {column}" for column in columns),
        rows=tuple(rows),
        cells=cells,
        credits=None if price is None else price * cells,
        reason=Reason.CELLS_EMPTY,
        covered=(Block(tuple(columns), tuple(rows)),),
        before={column: ("0",) * len(rows) for column in columns},
        configs=dict.fromkeys(columns, config("now")),
    )
