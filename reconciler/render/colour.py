"""Colour that repeats the glyph and never replaces it.

Which background a terminal has is unknown, so each colour stands out from black and from white nearly alike: at
least 3.9 to 1, where the colours that every terminal mixes for itself go down to 1.1 to 1.
"""

from collections.abc import Callable, Mapping
from enum import Enum

from reconciler.model.manifest import Mode


class Colour(Enum):
    """A meaning, and the parameters of the escape sequence that shows it: a colour of the 256 that logs know, too."""

    NEW = "38;5;28"
    """Green: cells that are run for the first time."""
    AGAIN = "38;5;130"
    """Amber: cells that failed and are tried again."""
    ALL = "38;5;27"
    """Blue: every cell is run."""
    WAITING = "38;5;30"
    """Teal: due, or in progress, and nothing can be sent now."""
    DOUBT = "38;5;129"
    """Purple: may have been paid for."""
    BAD = "38;5;160"
    """Red: failed, refused, held back or wrong."""
    QUIET = "38;5;243"
    """Grey: at rest."""
    GOOD = "38;5;28;1"
    """Bold green: accepted, done."""
    STRONG = "1"


MODE_COLOURS = {Mode.NEW: Colour.NEW, Mode.FAILED: Colour.AGAIN, Mode.ALL: Colour.ALL}

Paint = Callable[[str, Colour], str]

_SWITCHED_OFF = ("0", "false", "no", "off")


def plain(text: str, colour: Colour) -> str:
    """Return the text without colour: for files, pipes and `NO_COLOR`."""
    del colour
    return text


def coloured(text: str, colour: Colour) -> str:
    """Return the text in a colour that ends with it, its lines each on their own and without their indentation."""
    return "\n".join(_line(line, colour) for line in text.split("\n"))


def _line(line: str, colour: Colour) -> str:
    inner = line.lstrip(" ")
    return f"{line[: len(line) - len(inner)]}\x1b[{colour.value}m{inner}\x1b[0m" if inner else line


def shows_colour(environment: Mapping[str, str], *, is_terminal: bool, is_file: bool) -> bool:
    """Say whether a stream shows colour, by the variables that terminals and programs have agreed on.

    `NO_COLOR` is the strongest, then `FORCE_COLOR` and `CLICOLOR_FORCE`. A pipe has colour only in the logs of GitHub
    Actions and GitLab, which are no terminals and show it; a file never has, unless it is forced.
    """
    if environment.get("NO_COLOR"):
        return False
    if forced := environment.get("FORCE_COLOR"):
        return forced.lower() not in _SWITCHED_OFF
    if environment.get("CLICOLOR_FORCE", "0").lower() not in (*_SWITCHED_OFF, ""):
        return True
    if environment.get("TERM") == "dumb" or environment.get("CLICOLOR") == "0":
        return False
    in_log = "true" in (environment.get("GITHUB_ACTIONS"), environment.get("GITLAB_CI"))
    return is_terminal or (in_log and not is_file)
