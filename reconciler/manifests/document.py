"""A YAML document as plain values, with the place of every one of them."""

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from reconciler.text.location import Location


class Mark(Protocol):
    """A position as both parsers give it, counted from 0."""

    line: int
    column: int
    index: int


Marks: TypeAlias = "Mark | tuple[Mark, list[Marks]] | tuple[Mark, dict[str, tuple[Mark, Marks]]]"
"""Positions in the shape of the value: a scalar's; a list's and its items'; a mapping's, its keys' and values'."""


def mark_of(marks: Marks) -> Mark:
    """Return where a value begins."""
    return marks[0] if isinstance(marks, tuple) else marks


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document."""

    path: str
    """The file as it was named, safe to print."""
    value: object
    """Plain Python: dict, list, str, int, float, bool or None. Aliased parts are shared, so never change them."""
    marks: Marks = field(repr=False, compare=False)
    text: str = field(default="", repr=False, compare=False)
    """The whole file."""

    def location(self, at: tuple[str | int, ...], *, key: bool = False) -> Location:
        """Return the location of the value (with `key`, the key) at the path `at`, or of its nearest parent."""
        marks = self.marks
        key_mark: Mark | None = None
        for step in at:
            children = marks[1] if isinstance(marks, tuple) else None
            key_mark = None
            if isinstance(children, dict) and isinstance(step, str) and step in children:
                key_mark, marks = children[step]
            elif isinstance(children, list) and isinstance(step, int) and step < len(children):
                marks = children[step]
            else:
                break
        mark = key_mark if key and key_mark else mark_of(marks)
        return Location(self.path, mark.line + 1, mark.column + 1, at, self.text)
