"""Answers as a run expects them: tests the cells of a page, row by row, and keeps one byte for each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.model.expectation import AnswerTest, Rule
from reconciler.model.observed import Column
from reconciler.model.regex import Pattern

Answer: TypeAlias = tuple[Any, int]
"""The answer of a cell that is done, and its number of sources."""


@dataclass(frozen=True, slots=True)
class AskedAnswers:
    """Answers that are looked at while a table is read."""

    columns: tuple[str, ...] | None
    """Keys or ids; None for those that a run without `columns` has."""
    tests: tuple[AnswerTest, ...]
    rows: frozenset[str] | None = None
    """Row ids; None for all rows. No other cell is looked at, which is why a first portion costs nothing."""


@dataclass(frozen=True, slots=True)
class AnswerFilter:
    """A test of one column's answers."""

    key: str
    """`AnswerTest.key`."""
    column: str
    """The column's key."""
    rows: frozenset[bytes] | None
    """The bytes of row ids (`PackedIds.each`); None for all rows."""
    is_met: Callable[[Answer], bool] = field(repr=False)
    counts_sources: bool = False
    """True if it needs the number of sources."""


def answer_filters(asked: Iterable[AskedAnswers], columns: Sequence[Column]) -> tuple[AnswerFilter, ...]:
    """Compile what is asked, equal tests of a column once; names that the table does not have are left out."""
    found: dict[str, tuple[Column, AnswerTest, frozenset[str] | None]] = {}
    for each in asked:
        for column in _chosen(each.columns, columns):
            for test in each.tests:
                key = test.key(column.id)
                rows = each.rows
                if key in found and rows is not None:
                    before = found[key][2]
                    rows = None if before is None else before | rows
                found[key] = column, test, rows
    packed: dict[frozenset[str] | None, frozenset[bytes] | None] = {None: None}
    for _, _, rows in found.values():
        if rows is not None and rows not in packed:
            packed[rows] = frozenset(bytes.fromhex(row.replace("-", "")) for row in rows)
    return tuple(
        AnswerFilter(key, column.key, packed[rows], _is_met(test), test.rule is Rule.MIN_SOURCES)
        for key, (column, test, rows) in found.items()
    )


def _chosen(named: Sequence[str] | None, columns: Sequence[Column]) -> Iterable[Column]:
    if named is None:
        return [column for column in columns if column.is_meant_by_silence]
    by_id: Mapping[str, Column] = {column.id: column for column in columns}
    by_key = {column.key: column for column in columns}
    found = (by_id.get(name.lower()) or by_key.get(name) for name in named)
    return [column for column in found if column is not None and not column.is_input]


def is_empty(answer: Any) -> bool:
    """Return whether an answer counts as empty: null or ""."""
    return answer is None or answer == ""


def _is_met(test: AnswerTest) -> Callable[[Answer], bool]:
    match test.rule:
        case Rule.MAX_EMPTY:
            return lambda answer: is_empty(answer[0])
        case Rule.MAX_MATCH:
            pattern = Pattern(str(test.operand))
            return lambda answer: isinstance(answer[0], str) and pattern.is_in(answer[0])
        case Rule.MIN_SOURCES:
            least = int(test.operand or 0)
            return lambda answer: not is_empty(answer[0]) and answer[1] < least
