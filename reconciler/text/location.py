"""Where in a file a value stands, and a problem found there: what every message about a manifest points at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A position in a text file, as editors count it."""

    path: str
    """The file, as the user would name it from the working directory."""
    line: int
    """From 1."""
    column: int
    """From 1, in characters."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One thing that is wrong at one place."""

    location: Location
    message: str
    """What is wrong, one line, without the place."""
    hint: str = ""
    """What to do next; may be empty when the message says it."""
