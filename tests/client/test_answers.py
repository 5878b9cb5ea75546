"""Which answers meet a test, against a brute-force reading of the JSON; and which cells are looked at for it."""

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.client.tables.pages import layout, read_page, read_row
from reconciler.model.answer_filter import AskedAnswers
from reconciler.model.expectation import AnswerTest, Rule
from tests.client.live_tables import uid
from tests.client.test_pages import encoded, header_of, json_values, loosely, small
from tests.example_counts import examples

TESTS = (
    AnswerTest(Rule.MAX_EMPTY),
    AnswerTest(Rule.MAX_MATCH, "^(n/a|[0-9])"),
    AnswerTest(Rule.MAX_MATCH, "x"),
    AnswerTest(Rule.MIN_SOURCES, 1),
    AnswerTest(Rule.MIN_SOURCES, 3),
)
TEXTS = st.sampled_from(["n/a", "N/A", "0", "x", "", "ax", "\x01x", "😀x"])
SOURCES = st.one_of(st.none(), TEXTS, st.lists(st.sampled_from(["https://a.example", None]), max_size=4))
VALUES = st.one_of(
    st.none(),
    TEXTS,
    json_values(),
    st.fixed_dictionaries({}, optional={"answer": st.one_of(TEXTS, json_values()), "sources": SOURCES}),
)
CELLS = st.one_of(
    TEXTS,
    st.none(),
    st.fixed_dictionaries({"status": st.sampled_from(["done", "done", "done", "failed", "pending"]), "value": VALUES}),
    st.fixed_dictionaries({"status": st.just("done")}),
)


def meets(test: AnswerTest, cell: Any) -> bool:
    """Say whether a cell's answer meets a test, as the page about it says."""
    if cell is None or (isinstance(cell, dict) and cell["status"] != "done"):
        return False
    value = cell.get("value") if isinstance(cell, dict) else cell
    answer = value.get("answer") if isinstance(value, dict) else value
    sources = value.get("sources") if isinstance(value, dict) else None
    is_empty = answer is None or (isinstance(answer, str) and not answer)
    if test.rule is Rule.MAX_EMPTY:
        return is_empty
    if test.rule is Rule.MAX_MATCH:
        return isinstance(answer, str) and re.search(str(test.operand), answer) is not None
    return not is_empty and (len(sources) if isinstance(sources, list) else 0) < int(test.operand or 0)


@settings(max_examples=examples(400))
@given(
    rows=st.lists(st.fixed_dictionaries({"a": CELLS, "b": CELLS}), min_size=1, max_size=5),
    digests=st.sampled_from([None, frozenset[str](), frozenset({"a"})]),
    chosen=st.sets(st.integers(0, 4)),
)
def test_an_answer_is_read_as_it_is(
    rows: list[dict[str, Any]], digests: frozenset[str] | None, chosen: set[int]
) -> None:
    """Of every form of a cell, by both parsers, and whether or not digests are read; other rows are not looked at."""
    table = small()
    table.rows.clear()
    table.add_rows(rows)
    page = table.page(0, 99)
    ids = [row["id"] for row in page["rows"]]
    looked_at = frozenset(row for number, row in enumerate(ids) if number in chosen)
    asked = [AskedAnswers(("b", uid(2), "input", "gone"), TESTS), AskedAnswers(("b",), TESTS[:1], looked_at)]
    asked[0] = AskedAnswers(asked[0].columns, TESTS, None if len(chosen) % 2 else looked_at)
    plan = layout(header_of(table), digests, (), asked)
    body = encoded(page)
    found = read_page(body, plan)
    assert read_page(loosely(body), plan).matches == found.matches
    flags = dict(zip(plan.match_keys, found.matches, strict=True))
    assert len(flags) == 2 * len(TESTS)
    for test in TESTS:
        for column, key in ((2, "a"), (3, "b")):
            expected = [meets(test, row[key]) for row in rows]
            if not len(chosen) % 2:
                expected = [each and row in looked_at for each, row in zip(expected, ids, strict=True)]
            assert [*map(bool, flags[test.key(uid(column))])] == expected
    for row, number in zip(page["rows"], range(len(ids)), strict=True):
        single = read_row(bytearray(json.dumps(row).encode()), plan, row["id"])
        assert [each[0] for each in single.matches] == [each[number] for each in found.matches]


def test_a_page_without_such_rows_is_not_decoded_for_it() -> None:
    """Where no row is asked for, everything is 0."""
    table = small(a={"status": "done", "value": {"answer": ""}})
    plan = layout(header_of(table), frozenset(), (), [AskedAnswers(("a",), TESTS, frozenset({uid(77)}))])
    assert read_page(encoded(table.page(0, 1)), plan).matches == (b"\0",) * len(TESTS)
