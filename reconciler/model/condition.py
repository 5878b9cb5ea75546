"""A manifest's condition on a row's cells: a tree of tests, as written. `row_filter.py` evaluates it over rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

from reconciler.text.digest import short_digest
from reconciler.text.location import Location

Scalar: TypeAlias = str | int | float | bool


class Operator(StrEnum):
    """The kind of test on a cell's value."""

    EQUALS = "equals"
    IN = "in"
    MATCHES = "matches"
    EXISTS = "exists"
    MISSING = "missing"
    GT = "gt"
    LT = "lt"


@dataclass(frozen=True, slots=True)
class CellTest:
    """One test of one cell of a row."""

    column: str
    """A key or id as the user wrote it; input columns are allowed."""
    operator: Operator
    operand: Scalar | tuple[Scalar, ...]
    """A tuple for `in`; True for `exists` and `missing`; a number, or a date as text, for `gt` and `lt`."""
    location: Location
    """The location of the column's name."""

    def content(self) -> dict[str, Any]:
        """Return it without its location."""
        operand = list(self.operand) if isinstance(self.operand, tuple) else self.operand
        return {"column": self.column, self.operator.value: operand}


@dataclass(frozen=True, slots=True)
class AllOf:
    """All parts hold."""

    parts: tuple["Condition", ...]

    def content(self) -> dict[str, Any]:
        """Return it without places."""
        return {"all": [part.content() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["Condition", ...]

    def content(self) -> dict[str, Any]:
        """Return it without places."""
        return {"any": [part.content() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Condition"

    def content(self) -> dict[str, Any]:
        """Return it without places."""
        return {"not": self.part.content()}


Condition: TypeAlias = CellTest | AllOf | AnyOf | Not


def cell_tests(condition: Condition) -> Iterator[CellTest]:
    """Yield every test of a condition, in the order of the text."""
    match condition:
        case CellTest():
            yield condition
        case Not(part):
            yield from cell_tests(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from cell_tests(part)


def relocated(condition: Condition, move: Callable[[Location], Location]) -> Condition:
    """Return the condition with every location mapped by `move`."""
    match condition:
        case CellTest():
            return replace(condition, location=move(condition.location))
        case Not(part):
            return Not(relocated(part, move))
        case AllOf(parts):
            return AllOf(tuple(relocated(part, move) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(relocated(part, move) for part in parts))


def key(condition: Condition) -> str:
    """Return the name under which a snapshot stores the rows that meet the condition; equal conditions, equal names."""
    return short_digest(condition.content())
