"""Checks the parts between the values of a YAML file (tabs, comments, blank lines), for which parsers are inexact.

YAML 1.2 allows a tab between two values, after the last value of a line, before a comment and in an empty line, but
never as indentation. libyaml refuses some of those and accepts others, and it takes a `#` in the middle of a word for a
comment. So these parts are checked once the positions of the texts are known.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from reconciler.manifests.yaml_errors import BLANK_END, COMMENT, TAB

_START = itemgetter(0)
_LOOKED_FOR = re.compile(r"\t|[^ \t\r\n]#|[\r\n][ \t]+\Z")
_SIGN = re.compile("\r\n|[\n\r#]|\t[ \t]*+")
_BLANKS = re.compile("[ \t]*+")
_TRAILING = re.compile(r"(?<![ \t]) *+\t[ \t]*+(?=[#\r\n]|\Z)")
"""Whitespace with a tab at the end of a line or before a comment."""


@dataclass(slots=True)
class Occupied:
    """The positions of a file's values, as offsets into its text."""

    texts: list[tuple[int, int]] = field(default_factory=list)
    """Start and end of each scalar."""
    flows: list[tuple[int, int]] = field(default_factory=list)
    """The position of each `[` or `{`, and the column of the block around it: its lines are indented further."""
    ends_in_block: bool = False
    """True if the last scalar is a `|` or `>` block."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something between two values that YAML does not allow."""

    line: int
    """From 1, like the column."""
    column: int
    message: str


def is_worth_a_look(text: str) -> bool:
    """Return False if nothing between the values of `text` can be at fault."""
    return _LOOKED_FOR.search(text) is not None


def faults(text: str, occupied: Occupied) -> Iterator[Fault]:
    """Yield the first fault of each line."""
    texts, flows = sorted(occupied.texts), sorted(occupied.flows)
    line_start, line, reported, in_comment = 0, 1, 0, False
    begins = -1
    for match in _SIGN.finditer(text):
        at, sign = match.start(), match.group()
        if sign[0] in "\r\n":
            line_start, line, in_comment, begins = match.end(), line + 1, False, -1
        elif not in_comment and not _is_within(at, texts):
            if begins < 0:
                begins = _first_content(text, line_start)
            in_comment = sign == "#"
            if in_comment:
                message = COMMENT if at > line_start and text[at - 1] not in " \t" else ""
            else:
                message = TAB if at < begins and _indents(text[begins : begins + 1], at, at - line_start, flows) else ""
            if message and line != reported:
                reported = line
                yield Fault(line, at - line_start + 1, message)
    if occupied.ends_in_block and line_start < len(text) and not text[line_start:].strip(" \t"):
        yield Fault(line, 1, BLANK_END)


def without_trailing_tabs(text: str, kept: Sequence[tuple[int, int]] = ()) -> str:
    """Return `text` with spaces for the tabs at the end of lines, before comments and in empty lines.

    Tabs inside one of the texts `kept` stay, as they belong to the value.
    """
    texts = sorted(kept)

    def spaced(match: re.Match[str]) -> str:
        return match.group() if _is_within(match.start(), texts) else " " * len(match.group())

    return _TRAILING.sub(spaced, text)


def _is_within(at: int, texts: Sequence[tuple[int, int]]) -> bool:
    before = bisect_right(texts, at, key=_START) - 1
    return before >= 0 and at < texts[before][1]


def _first_content(text: str, line_start: int) -> int:
    blanks = _BLANKS.match(text, line_start)
    return blanks.end() if blanks else line_start


def _indents(content: str, at: int, spaces: int, flows: Sequence[tuple[int, int]]) -> bool:
    """Return whether a tab after `spaces` at the start of a line indents a value that begins with `content`.

    Parsers accept that only inside `[]` and `{}`, where it is valid if the spaces alone are an indentation.
    """
    if content in ("", "\r", "\n", "#"):
        return False
    around = bisect_right(flows, at, key=_START) - 1
    return around < 0 or spaces <= flows[around][1]
