"""Rows selected by their data: evaluates a manifest's condition over the cells of rows.

A test looks at the value of one cell: its `answer` if the value is an object with one, or the bare value of an input
cell. A cell that is not done (failed, pending, absent), or whose value is null, "", [] or {}, has no value.

- `exists` holds if there is a value, `missing` if there is none. Every other test fails without a value, so a `not`
  around it holds.
- `equals` and `in` require the same type and value: 1 equals 1.0, but neither "1" nor true. Text is compared exactly.
- `matches` finds an RE2 pattern anywhere in a text; a number is not text.
- `gt` and `lt` with a number compare a number, or a text that is nothing but a decimal number. With a date they compare
  a text that begins with an ISO date, by that date alone. Everything else fails.

A column, inputs included, is named by its id or its key; an id wins. Values are evaluated by column and then discarded.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import reduce
from math import isfinite
from operator import and_, or_
from typing import Any, TypeAlias

from reconciler.model.condition import AllOf, AnyOf, CellTest, Condition, Not, Operator, Scalar, cell_tests, key
from reconciler.model.observed import Column
from reconciler.model.regex import Pattern
from reconciler.model.row_set import RowSet
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic
from reconciler.text.phrases import did_you_mean, quote

Answers: TypeAlias = Mapping[str, Sequence[Any]]
"""Column key → the value of each row's cell; None if it has none."""
_Meets: TypeAlias = Callable[[Answers, int], RowSet]
"""Answers and the number of rows → the rows that meet a condition."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?=T|[^0-9A-Za-z]|\Z)")


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A condition over the columns of one table."""

    key: str
    """`condition.key`."""
    columns: frozenset[str]
    """Keys of the columns whose values it needs."""
    _meets: _Meets = field(repr=False)

    def flags(self, answers: Answers, rows: int) -> bytes:
        """Return one byte per row: 1 if the row meets the condition."""
        return self._meets(answers, rows).flags()


def row_filters(conditions: Iterable[Condition], columns: Sequence[Column]) -> tuple[RowFilter, ...]:
    """Compile conditions, equal ones once; those that name an unknown column are left out."""
    names = _Names(columns)
    found: dict[str, RowFilter] = {}
    for condition in conditions:
        asked = [names.find(test.column) for test in cell_tests(condition)]
        name = key(condition)
        if name not in found and None not in asked:
            keys = frozenset(column.key for column in asked if column is not None)
            found[name] = RowFilter(name, keys, _compiled(condition, names))
    return tuple(found.values())


def unknown_columns(condition: Condition, columns: Sequence[Column]) -> list[Diagnostic]:
    """Return a problem for each test of an unknown column."""
    names = _Names(columns)
    problems = []
    for test in cell_tests(condition):
        if names.find(test.column) is None:
            guess = did_you_mean(test.column, [column.key for column in columns])
            listed = ", ".join(quote(column.key) for column in columns[:10])
            hint = "" if guess else f"Its columns are {listed or 'none'}."
            problems.append(
                Diagnostic(
                    test.location, Code.UNKNOWN_COLUMN, f"the table has no column {quote(test.column)}{guess}", hint
                )
            )
    return problems


def date_of(text: str) -> str | None:
    """Return the ISO date at the start of a text; such dates sort as strings."""
    found = _DATE.match(text)
    if found is None:
        return None
    try:
        date.fromisoformat(found.group())
    except ValueError:
        return None
    return found.group()


class _Names:
    """A table's columns by the names that a condition may use."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._by_id = {column.id: column for column in columns}
        self._by_key = {column.key: column for column in columns}

    def find(self, name: str) -> Column | None:
        """Return a column by id or key."""
        return self._by_id.get(name.lower()) or self._by_key.get(name)


def _compiled(condition: Condition, names: _Names) -> _Meets:
    match condition:
        case CellTest():
            return _compiled_test(condition, names)
        case Not(part):
            met = _compiled(part, names)
            return lambda answers, rows: RowSet.every(rows) - met(answers, rows)
        case AllOf(parts):
            each = [_compiled(part, names) for part in parts]
            return lambda answers, rows: reduce(and_, (met(answers, rows) for met in each))
        case AnyOf(parts):
            each = [_compiled(part, names) for part in parts]
            return lambda answers, rows: reduce(or_, (met(answers, rows) for met in each), RowSet.none(rows))


def _compiled_test(test: CellTest, names: _Names) -> _Meets:
    column = names.find(test.column)
    assert column is not None
    of, passing = column.key, _passing(test)
    return lambda answers, _rows: RowSet.of_flags(passing(answers[of]))


def _passing(test: CellTest) -> Callable[[Sequence[Any]], bytes]:
    """Return the test as a function of a column's values: one byte for each, 1 if it passes."""
    if test.operator is Operator.MATCHES:
        return Pattern(str(test.operand)).found_in
    holds = _question(test)
    return lambda values: bytes(map(holds, values))


def _question(test: CellTest) -> Callable[[Any], bool]:
    """Return any test but `matches` as a function of one value."""
    operand = test.operand
    match test.operator:
        case Operator.EXISTS:
            return lambda value: value is not None
        case Operator.MISSING:
            return lambda value: value is None
        case Operator.EQUALS | Operator.IN:
            return _equality(operand if isinstance(operand, tuple) else (operand,))
        case _:
            return _comparison(test)


def _equality(operands: Sequence[Scalar]) -> Callable[[Any], bool]:
    wanted = frozenset(map(_alike, operands))
    longest = max((len(operand) for operand in operands if isinstance(operand, str)), default=0)

    def equals_one(value: Any) -> bool:
        # A set hashes every character of a text, even one that is longer than all of its own.
        return not (isinstance(value, str) and len(value) > longest) and _alike(value) in wanted

    return equals_one


def _alike(value: Any) -> tuple[type, Any] | None:
    """Return a key that is equal for values that count as equal; None for a value that equals nothing."""
    if isinstance(value, bool | str):
        return type(value), value
    return (float, value) if isinstance(value, int | float) else None


def _comparison(test: CellTest) -> Callable[[Any], bool]:
    is_gt = test.operator is Operator.GT
    if isinstance(test.operand, str):
        day = date_of(test.operand)
        assert day is not None

        def compare_dates(value: Any) -> bool:
            found = date_of(value) if isinstance(value, str) else None
            return found is not None and (found > day if is_gt else found < day)

        return compare_dates
    bound = _number(test.operand)
    assert bound is not None

    def compare_numbers(value: Any) -> bool:
        found = _number(value)
        return found is not None and (found > bound if is_gt else found < bound)

    return compare_numbers


def _number(value: Any) -> Decimal | None:
    """Return a number exactly as written, so that 0.1 is not greater than "0.1"."""
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, float):
        return (Decimal(value) if value.is_integer() else Decimal(repr(value))) if isfinite(value) else None
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else None
