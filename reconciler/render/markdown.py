"""Markdown that text from outside cannot break out of, and that fits where it is posted.

A name from a manifest or from the API appears only inside a code span, cleaned, with a fence longer than any run of
backticks in it. There it cannot become HTML, a link, an image, a mention or another table cell. Text that is too long
is shortened from the bottom, and says by how much.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

LIMIT = 60_000
"""Bytes of UTF-8, and so at most as many characters, however a forge counts them: GitHub accepts 65,536."""

_NAME_LENGTH = 80
_BEFORE_A_BAR = re.compile(r"\\+(?=\|)")
_LARGEST = 10**15
_NOTICE_ROOM = 500
"""Bytes reserved for the note about what was left out, not counting the pointer."""


def code(text: str, limit: int = _NAME_LENGTH) -> str:
    """Return `text` as a code span, outside a table; cut after `limit` characters."""
    return _span(_inert(text, limit))


def cell(text: str, limit: int = _NAME_LENGTH) -> str:
    """Return `text` as a code span for a table cell, in which a bar must be escaped even inside a span.

    Parsers disagree about a backslash before an escaped bar, so such a backslash is spelled out.
    """
    inert = _BEFORE_A_BAR.sub(lambda found: r"\x5c" * len(found.group()), _inert(text, limit))
    return _span(inert.replace("|", r"\|"))


def _inert(text: str, limit: int) -> str:
    """Return clean text that cannot be a command in a CI log either; there `##[` is one anywhere in a line."""
    return one_line(text, limit).replace("##[", r"##\x5b")


def _span(text: str) -> str:
    if not text.strip(" "):
        return "(blank)"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text[0] in " `" or text[-1] in " `" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def number(value: Any) -> str:
    """Return a document's number with thousands separators; a file may hold any number, so its length is bounded."""
    if value is None:
        return "unknown"
    if not -_LARGEST < value < _LARGEST:
        return "more than 10^15"
    if isinstance(value, int):
        return f"{value:,}"
    text = f"{value:,.4f}"
    return text.rstrip("0").rstrip(".")


def rows_head(*titles: str) -> str:
    """Return a table's first two lines; a title that ends with `:` heads a column of numbers."""
    names = " | ".join(title.rstrip(":") for title in titles)
    rule = "|".join("---:" if title.endswith(":") else "---" for title in titles)
    return f"| {names} |\n|{rule}|"


def row(*cells: str) -> str:
    """Return a table row."""
    return f"| {' | '.join(cells)} |"


@dataclass(frozen=True, slots=True)
class Section:
    """A part that may be shortened: first its last rows, then all of it is left out."""

    noun: str
    """The noun for a row, e.g. `run` or `call`."""
    rows: Sequence[str]
    """Lines; at least one."""
    head: str = ""
    tail: str = ""

    def text(self, rows: int | None = None) -> str:
        """Return the section with its first `rows` rows; all by default."""
        parts = [self.head, *self.rows[:rows], self.tail]
        return "\n".join(part for part in parts if part)


def folded(title: str, noun: str, table_head: str, rows: Sequence[str]) -> Section:
    """Return a collapsed section; `title` must be our own text, because it is inserted into HTML."""
    return Section(noun, rows, f"<details>\n<summary>{title}</summary>\n\n{table_head}", "\n</details>")


def fit(head: str, sections: Iterable[Section], foot: str, pointer: str, limit: int = LIMIT) -> str:
    """Return head, sections and foot in at most `limit` bytes, dropping rows of sections from the bottom.

    `head` and `foot` are never shortened. `pointer` says where the whole text is, in our own words.
    """
    room = limit - _size(head) - _size(foot) - _size(pointer) - _NOTICE_ROOM
    kept: list[str] = [head]
    missing: Counter[str] = Counter()
    cut = 0
    for section in sections:
        whole = section.text()
        cost = _size(whole) + 2
        if not missing and cost <= room:
            kept.append(whole)
            room -= cost
            continue
        rows = 0 if missing else _rows_that_fit(section, room)
        if rows:
            kept.append(section.text(rows))
        missing[section.noun] += len(section.rows) - rows
        cut += len(whole) - (len(section.text(rows)) if rows else 0)
    if missing:
        kept.append(f"**Shortened by {cut:,} characters:** {_listed(missing)} left out here. {pointer}")
    kept.append(foot)
    return "\n\n".join(part for part in kept if part)


def _rows_that_fit(section: Section, room: int) -> int:
    room -= _size(section.head) + _size(section.tail) + 4
    fitting = 0
    for line in section.rows:
        room -= _size(line) + 1
        if room < 0:
            break
        fitting += 1
    return fitting


def _listed(missing: Counter[str]) -> str:
    parts = [counted(count, noun) for noun, count in missing.items()]
    verb = "is" if sum(missing.values()) == 1 else "are"
    words = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
    return f"{words} {verb}"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
