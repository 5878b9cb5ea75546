"""Conditions over random pages: however a page is read, its rows meet what a row-by-row evaluation says."""

import json
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.client.http.lenient_json import parse
from reconciler.client.tables.cells import slow_answer
from reconciler.client.tables.pages import layout, read_page, read_row
from reconciler.model.condition import AllOf, AnyOf, CellTest, Condition, Not, Operator
from reconciler.model.regex import Pattern
from reconciler.model.row_filter import date_of
from reconciler.text.location import Location
from tests.client.live_tables import LiveTable, column, uid
from tests.client.test_pages import encoded, header_of, loosely
from tests.example_counts import examples

HERE = Location("manifest.yaml", 1, 1)
TABLE = LiveTable([column(1, "a", "input"), column(2, "b"), column(3, "c")])
TEXTS = [
    "DE",
    "de",
    "DE ",
    "",
    "1",
    "+1",
    "0.1",
    "1.0",
    "2026-02-01T00",
    "2026-02-30",
    "\0",
    "a\0b",
    '"\\\n',
    "é",
    "😀",
]
LONG = "x" * 1400
ANSWERS = [
    *(json.dumps(text) for text in [*TEXTS, LONG, f"{LONG}y", "\ud800", "a\ud800", "\ude00\ud83d"]),
    *(
        '"D\\u0045"',
        '"\\u0031"',
        '"😀"',
        '"\\/"',
        "0",
        "-0",
        "-0.0",
        "1",
        "1.0",
        "1e0",
        "0.1",
        "0.10",
        "1e400",
        "-1e400",
    ),
    *("9007199254740993", "9007199254740992.0", "-9223372036854775809", "18446744073709551616", "9" * 400, "9" * 5000),
    *("true", "false", "null", "[]", "[ ]", "{}", "{ }", '["DE"]', '{"a": "DE"}', '{"answer": "DE"}', "[[[]]]"),
]
SHAPES = [
    "%s",
    '{"status": "done", "value": {"answer": %s, "explanation": "why"}}',
    '{"status": "done", "value": %s}',
    '{"value": {"answer": %s}}',
    '{"answer": %s}',
    '{"status": "failed", "value": {"answer": %s}}',
    '{"status": "failed", "status": "done", "value": {"answer": 1, "answer": %s}}',
    '{"status": "done", "value": {"answer": "DE"}, "value": {"answer": %s}}',
]
OPERANDS: list[str | int | float | bool] = [*TEXTS, 0, 1, 0.1, -0.0, 2**53 + 1, 2.0**53, 2**64, True, False]
PATTERNS = [
    "",
    "^$",
    "^DE$",
    "E",
    "[^D]",
    ".",
    r"\x00",
    r"(?i)^d",
    "y$",
    "^x+$",
    r"\bb",
    r"\pL",
    "(?s)^.$",
    r"\C",
    "[0-9]+",
]


def a_test(operator: Operator, operand: st.SearchStrategy[Any]) -> st.SearchStrategy[Condition]:
    """Return a strategy for tests of any column, by key or id."""
    return st.builds(CellTest, st.sampled_from(["a", "b", "c", uid(2)]), st.just(operator), operand, st.just(HERE))


TESTS = st.one_of(
    a_test(Operator.EXISTS, st.just(True)),
    a_test(Operator.MISSING, st.just(True)),
    a_test(Operator.EQUALS, st.sampled_from(OPERANDS)),
    a_test(Operator.IN, st.lists(st.sampled_from(OPERANDS), min_size=1, max_size=4).map(tuple)),
    a_test(Operator.MATCHES, st.sampled_from(PATTERNS)),
    *(a_test(each, st.sampled_from([0, 1, 0.1, 2**53, "2026-01-31"])) for each in (Operator.GT, Operator.LT)),
)
CONDITIONS = st.recursive(
    TESTS,
    lambda part: st.one_of(
        st.builds(Not, part),
        *(st.builds(kind, st.lists(part, min_size=1, max_size=3).map(tuple)) for kind in (AllOf, AnyOf)),
    ),
    max_leaves=5,
)


def rows_of(answers: list[str]) -> st.SearchStrategy[list[list[tuple[str, str]]]]:
    """Return a strategy for rows of few different answers, so that some are equal and some are operands."""
    cells = st.builds(str.__mod__, st.sampled_from(SHAPES), st.sampled_from(answers))
    return st.lists(st.lists(st.tuples(st.sampled_from("abc"), cells), max_size=5), min_size=1, max_size=8)


ROWS = st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=4).flatmap(rows_of)
"""Rows of cells: a column may be there twice, or not at all."""


def meets(condition: Condition, values: dict[str, Any]) -> bool:
    """Evaluate a condition for one row."""
    match condition:
        case Not(part):
            return not meets(part, values)
        case AllOf(parts):
            return all(meets(part, values) for part in parts)
        case AnyOf(parts):
            return any(meets(part, values) for part in parts)
        case CellTest(name, operator, operand):
            value = values["b" if name == uid(2) else name]
            return operator is Operator.MISSING if value is None else QUESTIONS[operator](value, operand)


def is_same(value: Any, operand: Any) -> bool:
    """Compare a value with an operand: true is not 1, and "1" neither."""
    kinds = {bool: bool, str: str, int: float, float: float}
    return type(value) in kinds and kinds[type(value)] is kinds[type(operand)] and bool(value == operand)


def order(value: Any, operand: Any) -> int:
    """Return 1 if the value is greater than the operand, -1 if it is less; 0 also if they cannot be compared."""
    of: Callable[[Any], Any] = date_of if isinstance(operand, str) else number
    found = of(value) if isinstance(value, str) or of is number else None
    return 0 if found is None else (found > of(operand)) - (found < of(operand))


def number(value: Any) -> Decimal | None:
    """Return a number as it is written; texts of ANSWERS with a sign or a point are numbers."""
    if isinstance(value, str):
        return Decimal(value) if value.strip("+.0123456789") == "" and value else None
    if isinstance(value, float):
        return (Decimal(value) if value.is_integer() else Decimal(repr(value))) if isfinite(value) else None
    return Decimal(value) if type(value) is int else None


QUESTIONS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EXISTS: lambda _value, _operand: True,
    Operator.MISSING: lambda _value, _operand: False,
    Operator.EQUALS: is_same,
    Operator.IN: lambda value, operands: any(is_same(value, operand) for operand in operands),
    Operator.MATCHES: lambda value, pattern: isinstance(value, str) and Pattern(pattern).is_in(value),
    Operator.GT: lambda value, operand: order(value, operand) > 0,
    Operator.LT: lambda value, operand: order(value, operand) < 0,
}


def row_body(index: int, cells: list[tuple[str, str]]) -> str:
    """Return a row as JSON."""
    data = ", ".join(f'"{key}": {cell}' for key, cell in cells)
    return f'{{"id": "{uid(1000 + index)}", "data": {{{data}}}}}'


@settings(max_examples=examples(500), deadline=None)
@given(ROWS, st.lists(CONDITIONS, min_size=1, max_size=3))
def test_rows_meet_what_one_by_one_they_meet(rows: list[list[tuple[str, str]]], conditions: list[Condition]) -> None:
    """Over edges of numbers, NUL, escapes, lone surrogates, repeated keys, absent and nested values; by all parsers."""
    shown = [row_body(index, cells) for index, cells in enumerate(rows)]
    page = encoded(TABLE.page(0, 1)).replace(b'"rows": []', f'"rows": [{", ".join(shown)}]'.encode())
    values = [{key: slow_answer(row["data"].get(key)) for key in "abc"} for row in parse(page)["rows"]]
    for wanted in (frozenset[str](), frozenset({"b"})):
        plan = layout(header_of(TABLE), wanted, conditions)
        keys = plan.match_keys
        expected = {
            each: bytes(meets(condition, of) for of in values)
            for condition in conditions
            for each in layout(header_of(TABLE), wanted, [condition]).match_keys
        }
        for body in (page, loosely(page)):
            assert dict(zip(keys, read_page(body, plan).matches, strict=True)) == expected
        alone = read_row(bytearray(shown[0].encode()), plan, uid(1000))
        assert dict(zip(keys, alone.matches, strict=True)) == {each: flags[:1] for each, flags in expected.items()}
