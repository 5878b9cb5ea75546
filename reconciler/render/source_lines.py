"""The line that a problem is in, with a caret below: for a terminal, whose width it keeps to.

The line comes from outside: what cannot be seen or moves the cursor is escaped, and wide characters take two places, so
that the caret stands where it should. A line that may hold a password is not shown.
"""

import re
from collections.abc import Iterable
from unicodedata import category, east_asian_width

from reconciler.text.location import Location
from reconciler.text.sanitize import one_line

LEAST_ROOM = 20
"""Places for the line itself, however narrow the terminal."""
_LINE = re.compile("\r\n|[\n\r]")
_MAY_HOLD_A_SECRET = re.compile(r"://.*@|\bledger\b", re.IGNORECASE)
_LEDGER = ("spec", "ledger")


def source_line(of: Location, width: int) -> str:
    """Return two lines, `width` places at most: the file's line and the caret; empty if there is nothing to show."""
    lines = _LINE.split(of.text, of.line)
    line = lines[of.line - 1] if len(lines) >= of.line else ""
    if not line.strip() or of.at[:2] == _LEDGER or _MAY_HOLD_A_SECRET.search(line):
        return ""
    gutter = f"{of.line:>5} | "
    room = max(width - len(gutter), LEAST_ROOM)
    at = min(of.column - 1, len(line))
    before = _fitting(reversed(line[max(0, at - room) : at]), room * 2 // 3)[::-1]
    after = _fitting(line[at : at + room], room - _width(before) - 2)
    head = "…" if len(before) < at else ""
    tail = "…" if at + len(after) < len(line) else ""
    shown = head + "".join(before) + "".join(after) + tail
    caret = " " * (len(head) + _width(before)) + "^"
    return f"{gutter}{shown}\n{' ' * 5} | {caret}"


def _fitting(characters: Iterable[str], room: int) -> list[str]:
    """Return the first characters, each made safe to print, that take no more than `room` places."""
    found: list[str] = []
    for character in characters:
        piece = one_line(character)
        room -= _width([piece])
        if room < 0:
            break
        found.append(piece)
    return found


def _width(pieces: Iterable[str]) -> int:
    """Return the places that texts take in a terminal."""
    return sum(_places(character) for piece in pieces for character in piece)


def _places(character: str) -> int:
    if character.isascii():
        return 1
    if category(character) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
