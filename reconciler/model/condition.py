"""What a manifest asks of a row's cells: a tree of tests, as it was written. `row_filter.py` holds it against rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

from reconciler.text.digest import short_digest
from reconciler.text.location import Location

Scalar: TypeAlias = str | int | float | bool


class Operator(StrEnum):
    """What is asked of one cell's value."""

    EQUALS = "equals"
    IN = "in"
    MATCHES = "matches"
    EXISTS = "exists"
    MISSING = "missing"
    GT = "gt"
    LT = "lt"


@dataclass(frozen=True, slots=True)
class CellTest:
    """One question about one cell of a row."""

    column: str
    """A key or id, of an input column too, as the user wrote it."""
    operator: Operator
    operand: Scalar | tuple[Scalar, ...]
    """A tuple for `in`; True for `exists` and `missing`; a number, or a date as text, for `gt` and `lt`."""
    location: Location
    """Where the column is named."""

    def content(self) -> dict[str, Any]:
        """Return it without its place."""
        operand = list(self.operand) if isinstance(self.operand, tuple) else self.operand
        return {"column": self.column, self.operator.value: operand}


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple["Condition", ...]

    def content(self) -> dict[str, Any]:
        """Return it without places."""
        return {"all": [part.content() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part holds at least."""

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
    """Yield every test of a condition, in the order written."""
    match condition:
        case CellTest():
            yield condition
        case Not(part):
            yield from cell_tests(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from cell_tests(part)


def relocated(condition: Condition, move: Callable[[Location], Location]) -> Condition:
    """Return the condition with every place as `move` names it."""
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
    """Return the name under which a snapshot keeps which rows meet the condition: equal conditions, equal names."""
    return short_digest(condition.content())
