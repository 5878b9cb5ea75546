"""Conditions over the values of rows: what each test asks, how they join, and which names they may use."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.condition import AllOf, AnyOf, CellTest, Condition, Not, Operator, key, relocated
from reconciler.model.regex import MAX_STEPS, Pattern, PatternError, Patterns
from reconciler.model.row_filter import date_of, row_filters, unknown_columns
from tests.planning.tables_and_manifests import NOWHERE, a_column, column_id

COLUMNS = [a_column(1, kind="input", key="country"), a_column(2, key="funding")]


def asks(operator: str, operand: Any, column: str = "country") -> CellTest:
    """Return a test of one column."""
    return CellTest(column, Operator(operator), operand, NOWHERE)


def met(condition: Condition, **values: Sequence[Any]) -> list[bool]:
    """Return for each row whether it meets the condition."""
    (selector,) = row_filters([condition], COLUMNS)
    assert selector.columns <= values.keys()
    return list(map(bool, selector.flags(values, len(next(iter(values.values()))))))


@pytest.mark.parametrize(
    ("operator", "operand", "holds", "fails"),
    [
        ("equals", "DE", ["DE"], ["de", "DE ", "D", ["DE"], {"DE": 1}]),
        ("equals", 1, [1, 1.0], [True, "1", 2, [1]]),
        ("equals", 0.1, [0.1], ["0.1", 0]),
        ("equals", True, [True], [1, "true", "True", False]),
        ("equals", False, [False], [0, ""]),
        ("equals", 2**60 + 1, [2**60 + 1], [2**60, float(2**60)]),
        ("in", (1, "x", False), [1, 1.0, "x", False], [True, 0, "1", "X", []]),
        ("matches", "eries [AB]$", ["Series A", "a\nSeries B"], ["Series A.", "series c", 1, True, ["Series A"]]),
        ("matches", "(?i)^series", ["SERIES a"], ["the series"]),
        ("matches", "12", ["2012"], [12, 12.0]),
        ("matches", ".", ["é", "a\ud800"], [0]),
        ("exists", True, ["x", 0, False, [0], {"a": None}], []),
        ("missing", True, [], ["x", 0, False]),
        ("gt", 10, [11, 10.5, "11", "+10.01", "0011"], [10, 9, "10", True, "11 ", "1,100", "11 Mio", "1e3", "", [11]]),
        ("lt", 10, [9, -1, "9.99", "-3"], [10, 11, "ten", False, "10.0", {"a": 1}]),
        ("gt", 0.1, [0.11, "0.11"], [0.1, "0.1", "0.10"]),
        ("lt", 0.1, ["0.09"], [0.1, "0.1", "0.10"]),
        ("gt", 2**60, [2**60 + 1, str(2**60 + 1)], [2**60, float(2**60), float("inf")]),
        ("gt", -1, ["9" * 5000, 10**400], [float("nan"), "-" + "9" * 5000]),
        (
            "gt",
            "2026-01-31",
            ["2026-02-01", "2026-02-01T00:00:00Z", "2026-02-01 (announced)", "9999-12-31"],
            [
                "2026-01-31",
                "2026-01-31T23:59:59Z",
                "2026-02-30",
                "2026-02-011",
                "on 2026-02-01",
                2027,
                "2027",
                "20260201",
            ],
        ),
        ("lt", "2026-01-31", ["2026-01-30", "0001-01-01"], ["2026-01-31", "0000-01-01", "2026-W01-1", 1, True]),
    ],
)
def test_what_a_test_asks_of_a_value(operator: str, operand: Any, holds: list[Any], fails: list[Any]) -> None:
    """Same kind, same value; anything that cannot be compared fails."""
    assert met(asks(operator, operand), country=holds) == [True] * len(holds)
    assert met(asks(operator, operand), country=fails) == [False] * len(fails)


@pytest.mark.parametrize(
    ("operator", "operand"),
    [("equals", "x"), ("in", ("x",)), ("matches", ""), ("exists", True), ("gt", 0), ("lt", 0), ("lt", "2026-01-01")],
)
def test_what_has_no_value_is_missing_and_nothing_else(operator: str, operand: Any) -> None:
    """So that a `not` around any other test holds for it."""
    assert met(asks(operator, operand), country=[None]) == [False]
    assert met(Not(asks(operator, operand)), country=[None]) == [True]
    assert met(asks("missing", True), country=[None]) == [True]


def test_a_text_that_is_searched_once_counts_in_all_its_rows() -> None:
    """And nowhere else, however alike: a number is not the text that it is written as."""
    rows = ["1", 1, None, "2", True, "1", ["1"], {"1": "1"}, "21", 1.0]
    assert met(asks("matches", "1"), country=rows) == [True, *[False] * 4, True, False, False, True, False]


def test_conditions_join_row_by_row() -> None:
    """`all`, `any` and `not`, in one another, over several columns."""
    german, funded = asks("equals", "DE"), asks("exists", True, "funding")
    values: dict[str, list[Any]] = {"country": ["DE", "DE", "FR", "FR"], "funding": ["x", None, "x", None]}
    assert met(AllOf((german, funded)), **values) == [True, False, False, False]
    assert met(AnyOf((german, funded)), **values) == [True, True, True, False]
    assert met(Not(AnyOf((german, funded))), **values) == [False, False, False, True]
    assert met(AllOf((Not(german), Not(funded))), **values) == [False, False, False, True]
    assert met(AnyOf((AllOf((german, Not(funded))), AllOf((Not(german), funded)))), **values) == [
        False,
        True,
        True,
        False,
    ]
    assert met(AllOf((german,)), country=[]) == []


def test_a_column_goes_by_key_or_id_and_an_id_wins() -> None:
    """An id in capitals too; a key that looks like another column's id is not asked."""
    assert met(asks("equals", "x", column_id(2).upper()), funding=["x"]) == [True]
    posing = [COLUMNS[0], replace(COLUMNS[1], key=column_id(1))]
    (selector,) = row_filters([asks("exists", True, column_id(1))], posing)
    assert selector.columns == {"country"}


def test_a_column_that_is_not_there_is_a_problem_where_it_is_named() -> None:
    """With what was probably meant, inputs included; and such a condition is never evaluated."""
    condition = AnyOf((asks("equals", 1, "Country"), Not(asks("equals", 1, "zzz")), asks("equals", 1)))
    close, far = unknown_columns(condition, COLUMNS)
    assert close.message == "the table has no column `Country`; did you mean `country`?"
    assert (far.message, far.hint) == ("the table has no column `zzz`", "Its columns are `country`, `funding`.")
    assert [each.key for each in row_filters([condition, asks("equals", 1)], COLUMNS)] == [key(asks("equals", 1))]


def test_a_condition_goes_by_what_it_asks() -> None:
    """Equal conditions are answered once, wherever they stand; 1 and true are different questions."""
    elsewhere = relocated(AllOf((Not(asks("equals", 1)),)), lambda location: replace(location, line=9))
    assert key(elsewhere) == key(AllOf((Not(asks("equals", 1)),)))
    assert len(row_filters([elsewhere, AllOf((Not(asks("equals", 1)),))], COLUMNS)) == 1
    different: list[Condition] = [
        asks("equals", 1),
        asks("equals", True),
        asks("equals", "1"),
        asks("gt", 1),
        Not(asks("equals", 1)),
    ]
    assert len({key(condition) for condition in different}) == len(different)


def test_a_date_is_one_of_the_calendar() -> None:
    """Whatever follows it, as long as it does not go on."""
    assert date_of("2024-02-29T10:00") == "2024-02-29"
    for text in ("2026-02-29", "2026-13-45", "2026-1-1", "٢٠٢٦-٠١-٠١", " 2026-01-01", "2026-01-01a"):
        assert date_of(text) is None


@pytest.mark.parametrize("pattern", ["(", "a**", r"(?=x)", r"\1", "[z-a]", r"\p{Nonsense}", "x{2000}"])
def test_a_pattern_that_is_none_is_refused_in_one_clean_line(pattern: str) -> None:
    """As RE2 says it, and without what a terminal would obey."""
    with pytest.raises(PatternError, match="`") as caught:
        Pattern(f"\x1b[31m]{pattern}")
    assert "\x1b" not in str(caught.value)
    assert str(Patterns().refusal(pattern)).startswith("this is not a valid regular expression (RE2): `")


def test_a_search_takes_time_in_proportion_to_its_text() -> None:
    """Patterns over which backtracking engines never end."""
    text = "a" * 200_000
    began = time.process_time()
    for pattern in ("(a+)+$b", "(a|a)*c", "(a*)*b", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)[^a]"):
        assert not Pattern(pattern).is_in(text)
    assert time.process_time() - began < 5


def test_patterns_together_are_bounded() -> None:
    """A project of patterns at the limit is refused before it has taken long; the same one again costs nothing."""
    patterns = Patterns()
    began = time.process_time()
    assert patterns.refusal(r"(\pL{10}){2}0") is None
    said = [str(patterns.refusal(rf"(\pL{{10}}){{2}}{number}")) for number in range(2000)]
    assert time.process_time() - began < 5
    assert said[-1] == "the patterns of these manifests are too large in total"
    assert said.index(said[-1]) <= MAX_STEPS // 20_000 + 1
    assert patterns.refusal(r"(\pL{10}){2}0") is None
    assert "too large" in str(Patterns().refusal(r"\pL{1000}"))
    assert len({*map(Patterns().refusal, (f"series {number}" for number in range(5000)))}) == 1
