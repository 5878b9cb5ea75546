"""Bodies of answers: the fast and the tolerant parser agree, and nothing hostile gets through or crashes."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.client.http.lenient_json import parse, value_digest
from reconciler.client.tables.pages import Header, Page, layout, read_counters, read_header, read_page
from reconciler.errors import BadResponse
from reconciler.model.condition import CellTest, Operator
from reconciler.model.observed import CellState
from reconciler.text.location import Location
from tests.client.live_tables import TABLE, LiveTable, column, uid
from tests.example_counts import examples

RAW = "raw\x01\tcontrol\ncharacters"


def encoded(shown: Any) -> bytearray:
    return bytearray(json.dumps(shown).encode())


def small(**data: Any) -> LiveTable:
    return LiveTable([column(1, "input", "input"), column(2, "a", prompt="{input}"), column(3, "b")]).add_rows([data])


def header_of(table: LiveTable) -> Header:
    return read_header(encoded(table.header()), TABLE)


def loosely(body: bytearray) -> bytearray:
    """Return an object's body with a raw control character, which the fast parser refuses."""
    return body.replace(b"{", b'{"\x01": 0, ', 1)


PARSERS = pytest.mark.parametrize("path", [bytearray, loosely], ids=["fast", "slow"])


def test_raw_control_characters_parse() -> None:
    """The vendor really sends them, in values, names and prompts."""
    table = small(a={"status": "done", "value": {"answer": RAW}})
    table.name = RAW
    table.columns[1]["config"]["value"]["prompt"] = f"{RAW}{{b}}"

    def loose(shown: Any) -> bytearray:
        return bytearray(
            json.dumps(shown).replace("\\u0001", "\x01").replace("\\n", "\n").replace("\\t", "\t").encode()
        )

    strict = header_of(table)
    header = read_header(loose(table.header()), TABLE)
    assert (header.name, header.columns, header.counters) == (RAW, strict.columns, strict.counters)
    assert read_counters(loose(table.header()), TABLE) == header.counters
    for wanted in (None, frozenset[str]()):
        expected = read_page(encoded(table.page(0, 5)), layout(strict, wanted))
        assert read_page(loose(table.page(0, 5)), layout(header, wanted)) == expected
        assert expected.codes[0] == bytes([CellState.DONE])


CONDITIONS = [
    CellTest(of, operator, operand, Location("a.yaml", 1, 1))
    for of in ("input", "a", "b")
    for operator, operand in (
        (Operator.EXISTS, True),
        (Operator.IN, (0, 1, 10**20, True, False, "a", "0", "\x00")),
        (Operator.MATCHES, "^.$"),
        (Operator.GT, 0),
        (Operator.LT, 0.5),
    )
]


def json_values() -> st.SearchStrategy[Any]:
    """Return any JSON value, with the characters and numbers that parsers quarrel over."""
    text = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["", "\x00", "\x7f", "\u2028", "😀"])
    number = st.integers() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
    leaf = st.none() | st.booleans() | number | text
    return st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3))


def cells() -> st.SearchStrategy[Any]:
    """Return anything a cell could be, mostly things that look like one."""
    empty: st.SearchStrategy[Any] = st.sampled_from(
        [None, "", [], {}, {"answer": None}, {"answer": ""}, {"answer": []}, {"answer": 0}]
    )
    value = st.one_of(json_values(), empty, st.fixed_dictionaries({"answer": json_values()}))
    known = st.sampled_from(["done", "failed", "pending", "requested", "in_progress", "running", "queued", "other", ""])
    status = st.one_of(known, st.none(), json_values())
    return st.one_of(
        st.fixed_dictionaries({}, optional={"status": status, "value": value, "answer": value, "extra": value}),
        json_values(),
    )


@settings(max_examples=examples(400))
@given(
    rows=st.lists(st.dictionaries(st.sampled_from(["a", "b", "input", "c"]), cells(), max_size=4), max_size=5),
    wanted=st.sampled_from([None, frozenset(), frozenset({"a"})]),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
def test_both_parsers_read_the_same(
    rows: list[dict[str, Any]], wanted: frozenset[str] | None, ascii_only: bool, indent: int | None
) -> None:
    """A page read fast and the same page read tolerantly give the same states, digests and rows by what they hold."""
    table = small().add_rows(rows)
    body = bytearray(json.dumps(table.page(0, 99), ensure_ascii=ascii_only, indent=indent).encode())
    header = header_of(table)
    assert read_header(loosely(encoded(table.header())), TABLE).columns == header.columns
    assert read_page(loosely(body), layout(header, wanted, CONDITIONS)) == read_page(
        body, layout(header, wanted, CONDITIONS)
    )


@settings(max_examples=200)
@given(json_values())
def test_a_digest_belongs_to_the_value_and_not_to_its_spelling(value: Any) -> None:
    """Escapes, spaces and the order of keys do not change it."""
    plain = json.dumps(value).encode()
    other = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True).encode("utf-8", "surrogatepass")
    assert value_digest(parse(plain)) == value_digest(parse(other))


def test_a_lone_surrogate_in_a_value_has_a_digest() -> None:
    """It is only kept as a digest, so it is never printed."""
    table = small(a={"status": "done", "value": {"answer": "\ud800"}})
    page = read_page(encoded(table.page(0, 1)), layout(header_of(table), None))
    assert page.codes[0] == bytes([CellState.DONE])
    assert len(page.digests[0][0]) == 16


@pytest.mark.parametrize(
    ("cell", "state"),
    [
        (None, CellState.EMPTY),
        ({}, CellState.EMPTY),
        ({"status": None}, CellState.EMPTY),
        ({"value": None}, CellState.EMPTY),
        ({"value": {"answer": "x"}}, CellState.DONE),
        ({"value": "x"}, CellState.DONE),
        ({"value": {"answer": None}}, CellState.DONE_WITHOUT_VALUE),
        ({"answer": "x"}, CellState.DONE),
        ({"answer": None}, CellState.DONE_WITHOUT_VALUE),
        ({"other": 1}, CellState.UNKNOWN),
        ("x", CellState.DONE),
        (False, CellState.DONE),
        (0, CellState.DONE),
        ([], CellState.DONE),
        ({"status": "done", "value": {"answer": "x"}}, CellState.DONE),
        ({"status": "done", "value": {"answer": False}}, CellState.DONE),
        ({"status": "done", "value": {"answer": 0}}, CellState.DONE),
        ({"status": "done", "value": "x"}, CellState.DONE),
        ({"status": "done", "value": ["x"]}, CellState.DONE),
        ({"status": "done"}, CellState.DONE_WITHOUT_VALUE),
        ({"status": "done", "value": None}, CellState.DONE_WITHOUT_VALUE),
        ({"status": "done", "value": {}}, CellState.DONE_WITHOUT_VALUE),
        ({"status": "done", "value": {"answer": None, "explanation": "why"}}, CellState.DONE_WITHOUT_VALUE),
        ({"status": "done", "value": {"answer": []}}, CellState.DONE_WITHOUT_VALUE),
        ({"status": "done", "value": {"answer": ""}}, CellState.DONE_WITHOUT_VALUE),
        ({"status": "failed", "value": {"answer": "old"}}, CellState.FAILED),
        ({"status": "in_progress", "value": None}, CellState.IN_PROGRESS),
        ({"status": "requested", "value": None}, CellState.IN_PROGRESS),
        ({"status": "requested", "value": {"answer": "old"}}, CellState.IN_PROGRESS),
        ({"status": "queued"}, CellState.IN_PROGRESS),
        ({"status": "created"}, CellState.IN_PROGRESS),
        ({"status": "running"}, CellState.IN_PROGRESS),
        ({"status": "DONE", "value": "x"}, CellState.UNKNOWN),
        ({"status": "cancelled"}, CellState.UNKNOWN),
        ({"status": 7}, CellState.UNKNOWN),
        ({"status": ["done"], "value": "x"}, CellState.UNKNOWN),
    ],
)
def test_each_shape_of_a_cell_has_its_state(cell: Any, state: CellState) -> None:
    """An unlisted status is unknown, and unknown cells are never bought."""
    table = small(a=cell)
    for wanted in (None, frozenset[str]()):
        page = read_page(encoded(table.page(0, 1)), layout(header_of(table), wanted))
        assert CellState(page.codes[0][0]) is state


def without(*path: str | int) -> Any:
    return ("without", path)


def changed(value: Any, *path: str | int) -> Any:
    return (value, path)


def meddled(shown: dict[str, Any], value: Any, path: tuple[str | int, ...]) -> bytearray:
    """Return the answer as bytes with one place of it taken out or replaced."""
    at: Any = shown
    for step in path[:-1]:
        at = at[step]
    if value == "without":
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return encoded(shown)


HEADER_FAULTS = [
    without("id"),
    without("columns"),
    without("status"),
    without("status", "num_rows"),
    without("status", "run_status"),
    without("status", "num_cells_in_progress"),
    without("columns", 0, "id"),
    without("columns", 0, "config"),
    without("columns", 0, "config", "key"),
    without("columns", 0, "config", "kind"),
    changed("../../admin", "id"),
    changed(uid(77), "id"),
    changed(None, "id"),
    changed({}, "columns"),
    changed(None, "columns", 0),
    changed("1", "columns", 0, "id"),
    changed("00000000000000000000000000000001", "columns", 0, "id"),
    changed(uid(2), "columns", 0, "id"),
    changed("a", "columns", 0, "config", "key"),
    changed("", "columns", 0, "config", "key"),
    changed("\ud800", "columns", 0, "config", "key"),
    changed(7, "columns", 0, "config", "kind"),
    changed([], "name"),
    changed(0, "\ud800"),
    changed([], "status"),
    changed(-1, "status", "num_rows"),
    changed(1.0, "status", "num_rows"),
    changed(True, "status", "num_rows"),
    changed("1", "status", "num_rows"),
    changed(10**30, "status", "num_rows"),
    changed(-1, "status", "num_cells_in_progress"),
    changed("", "status", "run_status"),
    changed(None, "status", "run_status"),
    changed("\ud800", "status", "run_status"),
]


@pytest.mark.parametrize("fault", HEADER_FAULTS, ids=str)
@PARSERS
def test_a_header_with_a_fault_is_refused(fault: tuple[Any, Any], path: Callable[[bytearray], bytearray]) -> None:
    """Each with a sentence about what is wrong, and by both parsers."""
    assert read_header(path(encoded(small().header())), TABLE).columns == header_of(small()).columns
    with pytest.raises(BadResponse) as caught:
        read_header(path(meddled(small().header(), *fault)), TABLE)
    assert caught.value.message


PAGE_FAULTS = [
    without("rows"),
    without("rows", 0, "id"),
    without("rows", 0, "data"),
    without("status"),
    without("columns"),
    without("id"),
    changed({}, "rows"),
    changed(0, "\ud800"),
    changed(None, "rows", 0),
    changed("x", "rows", 0, "id"),
    changed(5, "rows", 0, "id"),
    changed(None, "rows", 0, "data"),
    changed([], "rows", 0, "data"),
    changed("yes", "rows", 0, "is_missing_inputs"),
    changed(1, "rows", 0, "is_missing_inputs"),
    changed(uid(77), "id"),
]


@pytest.mark.parametrize("fault", PAGE_FAULTS, ids=str)
@pytest.mark.parametrize("wanted", [None, frozenset()])
@PARSERS
def test_a_page_with_a_fault_is_refused(
    fault: tuple[Any, Any], wanted: frozenset[str] | None, path: Callable[[bytearray], bytearray]
) -> None:
    """A row without `data` would look like a row of cells to buy."""
    table = small(a=None)
    plan = layout(header_of(table), wanted)
    assert read_page(path(encoded(table.page(0, 1))), plan).codes[0] == bytes([CellState.EMPTY])
    with pytest.raises(BadResponse):
        read_page(path(meddled(table.page(0, 1), *fault)), plan)


GOOD = (
    b'{"id":"%b","columns":[],"status":{"num_rows":0,"num_cells_in_progress":0,"num_cells_completed":0,'
    % TABLE.encode()
)
NOT_JSON = [
    b"",
    b" ",
    b"null",
    b"7",
    b"[]",
    b'"text"',
    b"{",
    b"{}",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b"[" * 200_000,
    b'{"a":' * 200_000,
    GOOD + b'"run_status":"idle"},"rows":[],"x":NaN}',
    GOOD + b'"run_status":"idle"},"rows":[],"x":-Infinity}',
    GOOD + b'"run_status":"idle"},"rows":[],"x":"\xff"}',
    GOOD + b'"run_status":"idle"},"rows":[],"x":"\xed\xa0\x80"}',
    GOOD + b'"run_status":"idle"},"rows":[]} trailing',
    GOOD + b'"run_status":"idle"},"rows":[],"x":"\\q"}',
    GOOD + b'"run_status":"idle"},"rows":[],"x":"\\\x01"}',
    GOOD + b'"run_status":"idle"},"rows":[],"x":"\x01\\\n"}',
    GOOD + b'"run_status":"idle"},"rows":[],"x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
    GOOD + b'"run_status":"idle","num_rows":' + b"9" * 10_000 + b'},"rows":[]}',
    GOOD + b'"run_status":"idle","num_rows":1e400},"rows":[]}',
]


@pytest.mark.parametrize("body", NOT_JSON, ids=lambda body: repr(body[-30:]))
@pytest.mark.parametrize("wanted", [None, frozenset()])
def test_what_is_not_the_json_we_know_is_refused(body: bytes, wanted: frozenset[str] | None) -> None:
    """As header, as status and as page; never a crash, and never the body in the message."""
    plan = layout(header_of(LiveTable()), wanted)
    readers: list[Any] = [
        lambda: read_header(body, TABLE),
        lambda: read_counters(body, TABLE),
        lambda: read_page(bytearray(body), plan),
    ]
    for reader in readers:
        with pytest.raises(BadResponse) as caught:
            reader()
        assert len(caught.value.message) < 120


def test_a_raw_control_character_after_an_escaped_backslash_parses() -> None:
    """Only a backslash that escapes the control character itself makes the answer invalid."""
    table = small()
    table.name = "\\\n\\\\\x01\\u0041"
    body = json.dumps(table.header()).replace("\\u0001", "\x01").replace("\\\\\\n", "\\\\\n").encode()
    assert b"\\\n" in body
    assert b"\\\x01" in body
    assert read_header(body, TABLE).name == table.name


@pytest.mark.parametrize("wanted", [None, frozenset()])
def test_numbers_too_long_for_python_are_only_values(wanted: frozenset[str] | None) -> None:
    """They are text in a cell, and nothing calculates with them."""
    body = encoded(small(a={"status": "done", "value": {"answer": 123456789}}).page(0, 1))
    page = read_page(bytearray(body.replace(b"123456789", b"7" * 9999)), layout(header_of(small()), wanted))
    assert page.codes[0] == bytes([CellState.DONE])


@pytest.mark.parametrize("nothing", [b"[ ]", b"{ }", b"[\n]", b"null", b'""'])
@pytest.mark.parametrize("wanted", [None, frozenset()])
def test_an_empty_answer_is_empty_however_it_is_spaced(nothing: bytes, wanted: frozenset[str] | None) -> None:
    """`new` might take such a cell again, so it is done without value."""
    body = encoded(small(a={"status": "done", "value": {"answer": 12345}}).page(0, 1)).replace(b"12345", nothing)
    assert read_page(body, layout(header_of(small()), wanted)).codes[0] == bytes([CellState.DONE_WITHOUT_VALUE])


@PARSERS
def test_a_status_of_another_table_is_refused(path: Callable[[bytearray], bytearray]) -> None:
    """A cache in between must not make a table look finished."""
    assert read_counters(path(encoded(small().header())), TABLE).rows == 1
    with pytest.raises(BadResponse):
        read_counters(path(encoded(small().header())), uid(77))


def test_the_last_of_duplicate_keys_counts() -> None:
    """As everywhere in JSON; both parsers agree."""
    body = encoded(small(a=None).page(0, 1)).replace(b'"a": null', b'"a": null, "a": "text"')
    assert read_page(body, layout(header_of(small()), None)).codes[0] == bytes([CellState.DONE])


@settings(max_examples=300)
@given(st.binary(max_size=40), st.integers(0, 400), st.integers(0, 60))
def test_a_damaged_page_is_read_or_refused(noise: bytes, start: int, length: int) -> None:
    """Whatever stands in the middle of it."""
    table = small(a={"status": "done", "value": {"answer": "x"}})
    body = encoded(table.page(0, 1))
    body[start : start + length] = noise
    plan = layout(header_of(table), None)
    with suppress(BadResponse):
        assert isinstance(read_page(body, plan), Page)


def test_a_column_waits_for_those_its_prompt_and_its_dependencies_name() -> None:
    """`{key}` anywhere in it, also nested or doubled; keys and ids in `extra_dependencies`; never itself."""
    prompt = 'about {input}, {{doubled}}, {"json": {nested}}, { spaced }, {unknown}, {me}, {}, {unclosed'
    columns = [
        column(1, "input", "input"),
        column(2, "doubled"),
        column(3, "nested"),
        column(4, "spaced"),
        column(5, "by_key"),
        column(0xABC, "by_id"),
        column(7, "untouched"),
        column(8, "unclosed"),
        column(9, "me", prompt=prompt, extra_dependencies=["by_key", uid(0xABC).upper(), "absent", 7, None, "me"]),
    ]
    header = header_of(LiveTable(columns))
    assert header.columns[-1].upstream == (uid(1), uid(2), uid(3), uid(4), uid(5), uid(0xABC))
    assert header.columns[0].upstream == ()


def test_a_new_name_leaves_the_configuration_as_it_was() -> None:
    """Attempts and approvals hang on what a column computes, not on what it is called."""
    table = small()
    before = header_of(table).columns[1].config_digest
    table.columns[1]["config"]["name"] = "Renamed"
    assert header_of(table).columns[1].config_digest == before
    table.columns[1]["config"]["value"]["prompt"] += "!"
    assert header_of(table).columns[1].config_digest != before


def test_a_column_without_a_name_is_called_by_its_key() -> None:
    """It is only for people."""
    table = small()
    del table.columns[1]["config"]["name"]
    assert header_of(table).columns[1].name == "a"
