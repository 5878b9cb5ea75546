"""Rows asked while they are read: what counts as a cell's value, over pages, and that no value outlives its page."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.client import Reader
from reconciler.client.http.lenient_json import parse
from reconciler.client.tables.cells import Cell, fast_answer, slow_answer
from reconciler.client.tables.pages import layout, read_page
from reconciler.errors import ApiError
from reconciler.model.condition import AllOf, CellTest, Condition, Not, Operator, key
from reconciler.model.observed import TableSnapshot
from reconciler.text.location import Location
from tests.client.live_tables import TABLE, Api, LiveTable, column, options, uid
from tests.client.test_pages import encoded, header_of
from tests.client.wire_server import Exchange, WireServer

HERE = Location("manifest.yaml", 1, 1)
GERMAN = CellTest("country", Operator.EQUALS, "DE", HERE)
FUNDED = CellTest(uid(2), Operator.EXISTS, True, HERE)
WORTH_IT = AllOf((GERMAN, Not(FUNDED)))
UNKNOWN = CellTest("cuntry", Operator.EQUALS, "DE", HERE)


def live(rows: int = 7) -> LiveTable:
    """Return a table where every other row is German and every third has its funding."""
    table = LiveTable([column(1, "country", "input"), column(2, "funding"), column(3, "news")])
    return table.add_rows(
        {
            "country": "FR" if row % 2 else "DE",
            "funding": None if row % 3 else {"status": "done", "value": {"answer": f"Series {row}"}},
        }
        for row in range(rows)
    )


def read(
    server: WireServer, *conditions: Condition, digests: frozenset[str] | None = frozenset(), page_rows: int = 3
) -> TableSnapshot | ApiError:
    """Read the table with conditions."""
    with Reader(options(server.url, page_rows=page_rows)) as reader:
        return reader.read_tables({TABLE: digests}, {}, {TABLE: conditions})[TABLE]


@pytest.mark.parametrize("digests", [None, frozenset()])
@pytest.mark.parametrize("page_rows", [1, 3, 500])
def test_each_row_is_asked_on_its_page(digests: frozenset[str] | None, page_rows: int) -> None:
    """One byte a row, in the table's order, wherever pages begin; over inputs and outputs, by key and by id."""
    with WireServer(Api(live())) as server:
        found = read(server, GERMAN, FUNDED, WORTH_IT, digests=digests, page_rows=page_rows)
    assert isinstance(found, TableSnapshot)
    assert found.matches == {
        key(GERMAN): bytes([1, 0, 1, 0, 1, 0, 1]),
        key(FUNDED): bytes([1, 0, 0, 1, 0, 0, 1]),
        key(WORTH_IT): bytes([0, 0, 1, 0, 1, 0, 0]),
    }


def test_a_table_without_rows_has_none_to_ask() -> None:
    """The condition is there all the same, so that it is not taken for one that was not asked."""
    with WireServer(Api(live(0))) as server:
        found = read(server, GERMAN)
    assert isinstance(found, TableSnapshot)
    assert found.matches == {key(GERMAN): b""}


def test_a_condition_over_a_column_that_is_not_there_has_no_answer() -> None:
    """Neither every row nor no row; the others are answered."""
    with WireServer(Api(live())) as server:
        found = read(server, UNKNOWN, GERMAN)
    assert isinstance(found, TableSnapshot)
    assert set(found.matches) == {key(GERMAN)}


def test_a_table_whose_columns_change_is_asked_again() -> None:
    """A key that now belongs to another column is that column from the first page on."""
    table = live()
    pages = iter(range(9))

    def rename(exchange: Exchange) -> bool:
        if exchange.request.query and next(pages) == 1:
            table.columns[0]["config"]["key"], table.columns[2]["config"]["key"] = "news", "country"
            for row in table.rows:
                row["data"]["news"], row["data"]["country"] = row["data"]["country"], None
        return False

    with WireServer(Api(table, before=rename)) as server:
        found = read(server, GERMAN)
    assert isinstance(found, TableSnapshot)
    assert found.columns[2].key == "country"
    assert found.matches == {key(GERMAN): bytes(7)}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (b'"DE"', "DE"),
        (b"0", 0),
        (b"false", False),
        (b'["x"]', ["x"]),
        (b"null", None),
        (b'""', None),
        (b"[]", None),
        (b"{}", None),
        (b'{"unknown": 1}', None),
        (b'{"status": "done", "value": {"answer": "x", "explanation": "why"}}', "x"),
        (b'{"status": "done", "value": {"answer": 12.5}}', 12.5),
        (b'{"status": "done", "value": {"answer": {"a": 1}}}', {"a": 1}),
        (b'{"status": "done", "value": {"answer": {}}}', None),
        (b'{"status": "done", "value": {"answer": ""}}', None),
        (b'{"status": "done", "value": {"explanation": "why"}}', None),
        (b'{"status": "done", "value": "bare"}', "bare"),
        (b'{"status": "done", "value": null}', None),
        (b'{"status": "done"}', None),
        (b'{"value": {"answer": "x"}}', "x"),
        (b'{"answer": "x"}', "x"),
        (b'{"answer": {"answer": "x"}}', {"answer": "x"}),
        (b'{"answer": null}', None),
        (b'{"status": "failed", "value": {"answer": "old"}}', None),
        (b'{"status": "pending", "value": {"answer": "old"}}', None),
        (b'{"status": "in_progress", "value": {"answer": "old"}}', None),
        (b'{"status": "DONE", "value": {"answer": "x"}}', None),
    ],
)
def test_what_counts_as_the_value_of_a_cell(cell: bytes, value: Any) -> None:
    """The answer of a done cell, or a bare value; what is not done or empty has none; both parsers agree."""
    assert slow_answer(parse(cell)) == value
    table = LiveTable([column(1, "a")]).add_rows([{"a": parse(cell)}])
    test = CellTest("a", Operator.EXISTS, True, HERE)
    for wanted in (None, frozenset[str]()):
        page = read_page(encoded(table.page(0, 1)), layout(header_of(table), wanted, [test]))
        assert page.matches == (bytes([value is not None]),)


def test_an_unclear_cell_sends_its_page_to_the_tolerant_parser() -> None:
    """The fast one does not guess."""
    table = LiveTable([column(1, "a", "input")]).add_rows([{"a": {}}, {"a": "x"}])
    page = read_page(
        encoded(table.page(0, 2)),
        layout(header_of(table), frozenset(), [GERMAN, CellTest("a", Operator.EXISTS, True, HERE)]),
    )
    assert page.matches == (b"\0\1",)
    bare: list[Cell] = ["x", 0, None, ""]
    assert [fast_answer(cell) for cell in bare] == ["x", 0, None, None]


def everything(root: object) -> Iterator[object]:
    """Yield whatever can be reached from an object."""
    seen: set[int] = set()
    left = [root]
    while left:
        item = left.pop()
        if id(item) not in seen and not isinstance(item, type):
            seen.add(id(item))
            yield item
            left.extend(gc.get_referents(item))


def test_no_value_outlives_its_page() -> None:
    """Not one is kept by what a page leaves behind."""
    table = LiveTable([column(1, "a", "input"), column(2, "b")])
    table.add_rows([{"a": "SECRET INPUT", "b": {"status": "done", "value": {"answer": "SECRET ANSWER"}}}])
    tests = [CellTest(of, Operator.MATCHES, "^SECRET", HERE) for of in ("a", "b")]
    for wanted in (None, frozenset[str]()):
        page = read_page(encoded(table.page(0, 1)), layout(header_of(table), wanted, tests))
        assert page.matches == (b"\1", b"\1")
        kept = [item for item in everything(page) if isinstance(item, str | bytes | bytearray)]
        assert not [item for item in kept if "SECRET" in (item if isinstance(item, str) else item.decode("latin-1"))]
