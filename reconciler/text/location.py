"""Locations in files, and problems found there; every message about a manifest points at one."""

from dataclasses import dataclass, field

from reconciler.text.codes import Code


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A position in a text file, as editors count it."""

    path: str
    """The file, as the user would name it from the working directory."""
    line: int
    """From 1."""
    column: int
    """From 1, in characters."""
    at: tuple[str | int, ...] = field(default=(), compare=False, repr=False)
    """The keys and positions that lead to the value in its document; empty if the place is none of a value."""
    text: str = field(default="", compare=False, repr=False)
    """The whole file, to show the line; empty if it is not known."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One problem at one location."""

    location: Location
    code: Code
    """The kind of problem."""
    message: str
    """One line that says what is wrong, without the location."""
    hint: str = ""
    """The next step; may be empty if the message says it."""
