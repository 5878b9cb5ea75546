"""Columns of text, aligned and broken as they look: colour takes no room, a wide character two places."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence

_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_INDENT = re.compile("(?:\x1b\\[[0-9;]*m)* *")
_WORD = re.compile(r"(?:[0-9][0-9,.]* )?(?:`[^`\n]*`|\S)+(?: [0-9][0-9,]*(?:,(?!\S)|\Z))?")
"""A word; a number is one with its noun, or with its name in a list (`pitch 3,`), and so is a command in backticks."""
_COMMAND = re.compile(r" *(?:\$ )?reconciler ")
_CONTINUED = " " * 4
_NO_LEAST: Mapping[int, int] = {}


def aligned(
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
    gap: str = "  ",
    least: Mapping[int, int] = _NO_LEAST,
) -> list[str]:
    """Return each row as a line; the columns in `right`, by index, are aligned to the right.

    The last cell of a row may be as long as it likes, unless its column is in `right`: no other cell gives way to it.
    `least` gives columns a width that they have at least, so that rows written one at a time stand below each other.
    """
    widths = dict(least)
    for row in rows:
        for index, cell in enumerate(row):
            if index in right or index < len(row) - 1:
                widths[index] = max(widths.get(index, 0), width_of(cell))
    return [
        gap.join(_padded(cell, widths.get(index, 0), index in right) for index, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def table(rows: Sequence[Sequence[str]], right: Collection[int] = (), width: int | None = None) -> list[str]:
    """Return rows of equally many cells as `aligned` does, each on as many lines as `width` asks for.

    All rows break at the same cells, so that what continues below stands below its heading, too. A cell that would not
    fit on a line of its own is cut: a name of 10,000 characters hides no figures.
    """
    if width is not None:
        rows = [[_shortened(cell, width - len(_CONTINUED)) for cell in row] for row in rows]
    lines = aligned(rows, right)
    if width is None or max(map(width_of, lines), default=0) <= width:
        return lines
    groups: list[list[int]] = [[]]
    used = 0
    for index in range(len(rows[0])):
        needed = max(width_of(row[index]) for row in rows)
        if groups[-1] and used + 2 + needed > width:
            groups.append([])
            used = len(_CONTINUED)
        used += needed + (2 if groups[-1] else 0)
        groups[-1].append(index)
    parts = []
    for indent, group in zip(["", *[_CONTINUED] * len(groups)], groups, strict=False):
        cells = [[row[index] for index in group] for row in rows]
        at_right = [place for place, index in enumerate(group) if index in right]
        parts.append([indent + line for line in aligned(cells, at_right)])
    return [part[at] for at in range(len(rows)) for part in parts if part[at].strip()]


def _shortened(cell: str, width: int) -> str:
    """Return a cell whole, or the beginning of its text without colour, `width` places at most."""
    return cell if width_of(cell) <= width else cut(_COLOUR.sub("", cell), width - 1) + "…"


def _padded(cell: str, width: int, is_right: bool) -> str:
    room = " " * (width - width_of(cell))
    return room + cell if is_right else cell + room


def width_of(text: str) -> int:
    """Return how many places a text takes on a terminal."""
    shown = _COLOUR.sub("", text)
    if shown.isascii():
        return len(shown)
    return sum(map(_places, shown))


def _places(character: str) -> int:
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return 2
    return 0 if unicodedata.category(character) in ("Mn", "Me", "Cf") else 1


def cut(text: str, width: int) -> str:
    """Return the beginning of a plain text that takes at most `width` places."""
    places = 0
    for index, character in enumerate(text):
        places += _places(character)
        if places > width:
            return text[:index]
    return text


def wrapped(text: str, width: int | None) -> str:
    """Break lines that are wider than `width`: between cells if that is enough, else between words.

    What follows a break is indented. A word is never broken, so that an id or a path can be copied; a command gets a
    backslash at each break, so that it can be, too. None leaves every line as it is.
    """
    if width is None:
        return text
    return "\n".join(line if width_of(line) <= width else "\n".join(_broken(line, width)) for line in text.split("\n"))


def _broken(line: str, width: int) -> Iterator[str]:
    head = _INDENT.match(line)
    assert head is not None
    indent = width_of(head.group())
    longest = max(map(width_of, line.split()), default=0)
    hanging = " " * max(2, min(indent + 4 if indent else 2, width // 3, width - longest))
    if _COMMAND.match(_COLOUR.sub("", line)):
        yield from _filled(head.group(), line[head.end() :].split(), hanging, width - 2, end=" \\")
        return
    now = head.group()
    has_text = False
    for cell, gap in _cells(line[head.end() :]):
        if has_text and width_of(now) + len(gap) + width_of(cell) <= width:
            now += gap + cell
            continue
        if has_text and width_of(hanging) + width_of(cell) <= width:
            yield now
            now = hanging + cell
            continue
        words = _words(cell, width - width_of(hanging))
        *full, now = _filled(now + gap if has_text else now, words, hanging, width)
        yield from full
        has_text = True
    yield now


def _cells(text: str) -> Iterator[tuple[str, str]]:
    """Yield what stands between gaps of two spaces or more, each with the gap before it."""
    parts = re.split("( {2,})", text)
    yield parts[0], ""
    yield from ((cell, gap) for gap, cell in zip(parts[1::2], parts[2::2], strict=True))


def _words(cell: str, room: int) -> Iterator[str]:
    for word in _WORD.findall(cell):
        yield from word.split() if width_of(word) > room else [word]


def _filled(start: str, words: Sequence[str] | Iterator[str], hanging: str, width: int, end: str = "") -> Iterator[str]:
    """Yield lines filled with words, the first after `start`; each but the last has `end`."""
    now, has_word = start, False
    for word in words:
        space = " " if has_word else ""
        if width_of(now) + len(space) + width_of(word) <= width or not now.strip():
            now += space + word
        else:
            yield now.rstrip() + end
            now = hanging + word
        has_word = True
    yield now
