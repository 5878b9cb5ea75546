"""Reduces an answer's bytes to a header, or to a data page with one byte per cell.

A page's bytes and its decoded rows are freed with `read_page`; its result holds no reference to them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from reconciler.client.http.lenient_json import Buffer, check_utf8, parse, parse_as, shown_text, too_deep, value_digest
from reconciler.client.http.urls import as_uuid
from reconciler.client.tables.cells import (
    EMPTY,
    Cell,
    Judged,
    UnclearError,
    answer_of,
    fast_answer,
    fast_code,
    slow_answer,
    slow_code,
    value_of,
)
from reconciler.client.tables.children import read_children
from reconciler.client.tables.columns import columns_of, plain_text, read_columns
from reconciler.client.tables.looking import Look
from reconciler.errors import BadResponse
from reconciler.model.answer_filter import AnswerFilter, AskedAnswers, answer_filters
from reconciler.model.compact import PackedAnswers, PackedDigests, PackedIds
from reconciler.model.condition import Condition
from reconciler.model.input_cells import AskedInputs, InputCells, input_cells
from reconciler.model.observed import IDLE, Column
from reconciler.model.row_filter import Answers, RowFilter, row_filters

MOST_ROWS = 5_000_000
"""A table with more rows is refused, because a server might continue forever."""


C = TypeVar("C")
"""A cell: decoded, still JSON (Raw), or plain values."""
K = TypeVar("K")
"""The columns: still JSON (Raw), or plain values."""


class _Status(Struct):
    num_rows: int
    num_cells_in_progress: int
    num_cells_completed: int
    run_status: str


class _StatusOnly(Struct):
    id: str
    status: _Status


class _Header(Struct, Generic[K]):
    id: str
    columns: K
    status: _Status
    name: str | None = None
    kind: str | None = None
    child_relationships: Any = None


class _Row(Struct, Generic[C]):
    id: str
    data: dict[str, C]
    is_missing_inputs: bool | None = None


class _Page(Struct, Generic[C, K]):
    id: str
    columns: K
    status: _Status
    rows: list[_Row[C]]


_status_only = msgspec.json.Decoder(_StatusOnly)
_headers = msgspec.json.Decoder(_Header[Raw])
_pages = msgspec.json.Decoder(_Page[Cell, Raw])
_judged_pages = msgspec.json.Decoder(_Page[Judged, Raw])
_raw_pages = msgspec.json.Decoder(_Page[Raw, Raw])
_single = msgspec.json.Decoder(_Row[Cell])
_raw_single = msgspec.json.Decoder(_Row[Raw])
_cells: msgspec.json.Decoder[Cell] = msgspec.json.Decoder(Cell)
for _shape in (_Header, _Row, _Page, _Header[Any], _Row[Any], _Page[Any, Any]):
    msgspec.json.Decoder(_shape)  # prepared here: two threads that first use a type at once crash the interpreter
_FAST_REFUSES = (msgspec.DecodeError, UnicodeDecodeError, UnclearError)


@dataclass(frozen=True, slots=True)
class Counters:
    """A table's `status` [D] in one answer."""

    rows: int
    in_progress: int
    completed: int
    run_status: str

    @property
    def is_finished(self) -> bool:
        """True if the table is idle and no cell is in progress [V]."""
        return self.run_status == IDLE and self.in_progress == 0


@dataclass(frozen=True, slots=True)
class Header:
    """`GET /v1/tables/{id}` [D]."""

    table_id: str
    name: str
    kind: str
    columns: tuple[Column, ...]
    raw_columns: bytes
    """The bytes on the wire: a page with the same bytes need not be compared in detail."""
    counters: Counters
    children: tuple[str, ...] | None = ()
    """As `TableHeader.children`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of each row to keep: columns in order, columns with digests, and which conditions the row meets."""

    header: Header
    keys: tuple[str, ...]
    """Keys of the output columns, in the table's order."""
    digested: tuple[int, ...]
    """Indices into `keys`."""
    row_filters: tuple[RowFilter, ...] = ()
    """Conditions to evaluate for each row."""
    answer_filters: tuple[AnswerFilter, ...] = ()
    """Tests of answers."""
    inputs: tuple[InputCells, ...] = ()
    """Inputs to digest."""

    @property
    def match_keys(self) -> list[str]:
        """Names of the `Page.matches`, in their order."""
        return [*(each.key for each in self.row_filters), *(each.key for each in self.answer_filters)]

    @property
    def asked(self) -> frozenset[str]:
        """Keys of the columns, inputs included, that conditions test."""
        return frozenset().union(*(selector.columns for selector in self.row_filters))


@dataclass(frozen=True, slots=True)
class Page:
    """One data page [D], reduced."""

    row_ids: PackedIds
    missing_inputs: bytes
    codes: tuple[bytes, ...]
    """For each key of the layout, one code (`cells.py`) per row."""
    digests: tuple[PackedDigests, ...]
    """For each digested key, one digest per row."""
    answers: tuple[PackedAnswers, ...]
    """For each digested key, one digest of the answer alone per row."""
    counters: Counters
    """For a single row, which has none, those of the header."""
    same_columns: bool
    """False if the columns differ from those of the header."""
    size: int = field(compare=False)
    """Bytes of the answer."""
    matches: tuple[bytes, ...] = ()
    """For each row filter of the layout, one byte per row: 1 if the row meets its condition; then the same for each
    answer filter: 1 if the cell's answer meets its test."""
    inputs: tuple[bytes, ...] = ()
    """For each `inputs` of the layout, a digest per row (`Look.inputs`)."""


def layout(
    header: Header,
    wanted: frozenset[str] | None,
    conditions: Iterable[Condition] = (),
    answers: Iterable[AskedAnswers] = (),
    inputs: Iterable[AskedInputs] = (),
) -> Layout:
    """Return the parts of a table's rows to keep; `wanted` names columns by key or id, None means every output column.

    A condition or a test of answers that names an unknown column is skipped.
    """
    outputs = [column for column in header.columns if not column.is_input]
    lowered = frozenset(name.lower() for name in wanted or ())
    digested = tuple(
        index for index, column in enumerate(outputs) if wanted is None or column.key in wanted or column.id in lowered
    )
    keys = tuple(column.key for column in outputs)
    filters = row_filters(conditions, header.columns), answer_filters(answers, header.columns)
    return Layout(header, keys, digested, *filters, input_cells(inputs, header.columns))


def read_header(body: Buffer, table_id: str) -> Header:
    """Decode a table's header. Raises BadResponse."""
    check_utf8(body)
    try:
        shown = _headers.decode(body)
    except _FAST_REFUSES:
        loose = parse_as(_Header[Any], body)
        return _header(loose, table_id, b"", columns_of(loose.columns, loose.kind or ""))
    except RecursionError:
        too_deep()
    raw = bytes(shown.columns)
    return _header(shown, table_id, raw, read_columns(raw, shown.kind or ""))


def read_counters(body: Buffer, table_id: str) -> Counters:
    """Decode only the `status` of a table's header. Raises BadResponse."""
    check_utf8(body)
    try:
        shown = _status_only.decode(body)
    except _FAST_REFUSES:
        shown = parse_as(_StatusOnly, body)
    except RecursionError:
        too_deep()
    _check_table(shown.id, table_id)
    return _counters(shown.status)


def read_page(body: Buffer, plan: Layout) -> Page:
    """Decode a data page. Raises BadResponse."""
    check_utf8(body)
    try:
        if plan.digested:
            raw = _raw_pages.decode(body)
            _check_table(raw.id, plan.header.table_id)
            same = _same_columns(raw.columns, plan)
            return _raw_page(raw.rows, _counters(raw.status), same, len(body), plan)
        # A pattern's search lets other threads run, and they take the processor's cache: the rows must be gone by then.
        return _filtered(*_light_read(body, plan), plan)
    except _FAST_REFUSES:
        pass
    except RecursionError:
        too_deep()
    loose = parse_as(_Page[Any, Any], body)
    _check_table(loose.id, plan.header.table_id)
    same = columns_of(loose.columns, plan.header.kind) == plan.header.columns
    return _slow_page(loose.rows, _counters(loose.status), same, len(body), plan)


def _light_read(body: Buffer, plan: Layout) -> tuple[Page, Answers]:
    """Return a page before its conditions are evaluated, and the values for that."""
    # Where every answer is looked at, the cells are decoded once, with all that a test needs of them.
    is_judged = not plan.inputs and any(each.rows is None for each in plan.answer_filters)
    light = (_judged_pages if is_judged else _pages).decode(body)
    _check_table(light.id, plan.header.table_id)
    same = _same_columns(light.columns, plan)
    page = _light_page(light.rows, _counters(light.status), same, len(body), plan)
    page = _looked_into(page, plan, lambda: light.rows if is_judged else _raw_pages.decode(body).rows)
    return page, _answered(light.rows, plan)


def read_row(body: Buffer, plan: Layout, row_id: str) -> Page:
    """Decode a single row [V] into a page of its own. Raises BadResponse, also if it is not row `row_id`."""
    check_utf8(body)
    counters, size = plan.header.counters, len(body)
    try:
        if plan.digested:
            page = _raw_page([_raw_single.decode(body)], counters, True, size, plan)
        else:
            rows = [_single.decode(body)]
            page = _light_page(rows, counters, True, size, plan)
            page = _looked_into(page, plan, lambda: [_raw_single.decode(body)])
            page = _filtered(page, _answered(rows, plan), plan)
    except _FAST_REFUSES:
        page = _slow_page([parse_as(_Row[Any], body)], counters, True, size, plan)
    except RecursionError:
        too_deep()
    if page.row_ids != (row_id,):
        raise BadResponse("the answer is for another row than the one requested")
    return page


def _light_page(
    rows: Sequence[_Row[Cell] | _Row[Judged]], counters: Counters, same_columns: bool, size: int, plan: Layout
) -> Page:
    codes = tuple(bytes([fast_code(row.data.get(key)) for row in rows]) for key in plan.keys)
    ids = _row_ids([row.id for row in rows])
    missing = _flags([row.is_missing_inputs for row in rows])
    return Page(ids, missing, codes, (), (), counters, same_columns, size)


def _answered(rows: Sequence[_Row[Cell] | _Row[Judged]], plan: Layout) -> Answers:
    return {key: [fast_answer(row.data.get(key)) for row in rows] for key in plan.asked}


def _filtered(page: Page, answers: Answers, plan: Layout) -> Page:
    if not plan.row_filters:
        return page
    return replace(page, matches=(*_matches(plan, answers, len(page.row_ids)), *page.matches))


def _raw_page(rows: Sequence[_Row[Raw]], counters: Counters, same_columns: bool, size: int, plan: Layout) -> Page:
    codes: list[bytes] = []
    digests: list[PackedDigests] = []
    answered: list[PackedAnswers] = []
    for index, key in enumerate(plan.keys):
        found = [row.data.get(key) for row in rows]
        if index in plan.digested:
            values = [None if cell is None else parse(cell) for cell in found]
            codes.append(bytes(map(slow_code, values)))
            digests.append(_digests(values))
            answered.append(_answers(values))
        else:
            codes.append(bytes([EMPTY if cell is None else fast_code(_cells.decode(cell)) for cell in found]))
    ids, missing = _row_ids([row.id for row in rows]), _flags([row.is_missing_inputs for row in rows])
    answers = {key: [_raw_answer(row.data.get(key)) for row in rows] for key in plan.asked}
    matches = _matches(plan, answers, len(rows))
    page = Page(ids, missing, tuple(codes), tuple(digests), tuple(answered), counters, same_columns, size, matches)
    return _looked_into(page, plan, lambda: rows)


def _raw_answer(cell: Raw | None) -> Any:
    return None if cell is None else fast_answer(_cells.decode(cell))


def _slow_page(rows: Sequence[_Row[Any]], counters: Counters, same_columns: bool, size: int, plan: Layout) -> Page:
    codes = tuple(bytes([slow_code(row.data.get(key)) for row in rows]) for key in plan.keys)
    shown = [[row.data.get(plan.keys[index]) for row in rows] for index in plan.digested]
    digests, answered = tuple(map(_digests, shown)), tuple(map(_answers, shown))
    ids, missing = _row_ids([row.id for row in rows]), _flags([row.is_missing_inputs for row in rows])
    answers = {key: [slow_answer(row.data.get(key)) for row in rows] for key in plan.asked}
    matches = _matches(plan, answers, len(rows))
    page = Page(ids, missing, codes, digests, answered, counters, same_columns, size, matches)
    return _looked_into(page, plan, lambda: rows)


def _matches(plan: Layout, answers: Answers, rows: int) -> tuple[bytes, ...]:
    return tuple(selector.flags(answers, rows) for selector in plan.row_filters)


def _looked_into(page: Page, plan: Layout, whole: Callable[[], Sequence[_Row[Any]]]) -> Page:
    """Return the page with what its values show; `whole` decodes its cells, if one of them is to be looked at."""
    if not plan.answer_filters and not plan.inputs:
        return page
    look = Look(list(page.row_ids.each()), dict(zip(plan.keys, page.codes, strict=True)), whole)
    flags = look.flags(plan.answer_filters)
    return replace(page, matches=(*page.matches, *flags), inputs=tuple(map(look.inputs, plan.inputs)))


def _row_ids(shown: Sequence[object]) -> PackedIds:
    ids = [as_uuid(row_id) for row_id in shown]
    checked = [row_id for row_id in ids if row_id is not None]
    if len(checked) != len(ids):
        raise BadResponse("a row's id is not a UUID")
    return PackedIds.of(checked)


def _flags(missing: Iterable[bool | None]) -> bytes:
    return bytes(map(bool, missing))


def _header(shown: _Header[Any], table_id: str, raw: bytes, columns: tuple[Column, ...]) -> Header:
    _check_table(shown.id, table_id)
    name, kind = shown_text(shown.name or ""), shown_text(shown.kind or "")
    children = read_children(shown.child_relationships)
    return Header(table_id, name, kind, columns, raw, _counters(shown.status), children)


def _same_columns(raw: Raw, plan: Layout) -> bool:
    same_bytes = bytes(raw) == plan.header.raw_columns
    return same_bytes or read_columns(raw, plan.header.kind) == plan.header.columns


def _check_table(shown_id: object, table_id: str) -> None:
    if as_uuid(shown_id) != table_id:
        raise BadResponse("the answer is for another table than the one requested")


def _counters(shown: _Status) -> Counters:
    if min(shown.num_rows, shown.num_cells_in_progress, shown.num_cells_completed) < 0:
        raise BadResponse("a number in `status` is negative")
    if shown.num_rows > MOST_ROWS:
        raise BadResponse(f"the table has more than {MOST_ROWS:,} rows, the most that can be read")
    run_status = plain_text({"run_status": shown.run_status}, "run_status", "the table's `status`")
    return Counters(shown.num_rows, shown.num_cells_in_progress, shown.num_cells_completed, run_status)


def _digests(cells: Iterable[Any]) -> PackedDigests:
    return PackedDigests.of(value_digest(value_of(cell)) for cell in cells)


def _answers(cells: Iterable[Any]) -> PackedAnswers:
    width = 2 * PackedAnswers.WIDTH
    return PackedAnswers.of(value_digest(answer_of(cell))[:width] for cell in cells)
