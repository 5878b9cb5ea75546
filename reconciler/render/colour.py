"""Colour that repeats the glyph and never replaces it."""

from collections.abc import Callable
from enum import StrEnum


class Colour(StrEnum):
    """What a colour means here; the command line maps it to the terminal's."""

    GOOD = "green"
    CHANGE = "yellow"
    BAD = "red"
    DOUBT = "magenta"
    QUIET = "bright_black"
    STRONG = "bold"


Paint = Callable[[str, Colour], str]


def plain(text: str, colour: Colour) -> str:
    """Paint nothing: for files, pipes and `NO_COLOR`."""
    del colour
    return text
