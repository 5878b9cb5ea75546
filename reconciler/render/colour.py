"""Colour that repeats the glyph and never replaces it."""

from collections.abc import Callable
from enum import StrEnum


class Colour(StrEnum):
    """A meaning; the command line maps it to one of the terminal's colours."""

    GOOD = "green"
    CHANGE = "yellow"
    BAD = "red"
    DOUBT = "magenta"
    QUIET = "bright_black"
    STRONG = "bold"


Paint = Callable[[str, Colour], str]


def plain(text: str, colour: Colour) -> str:
    """Return the text without colour: for files, pipes and `NO_COLOR`."""
    del colour
    return text
