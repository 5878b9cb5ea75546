"""Phrases that messages about files share: the kind of a value, its path, `did you mean`."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches
from unicodedata import category, normalize

from reconciler.text.sanitize import IGNORABLE, one_line, spelled

_LONGEST_NAME = 64
"""Comparing texts is quadratic, and no real name is longer than this."""

_LOOKS_LIKE = str.maketrans(
    # Cyrillic and Greek letters that look like Latin ones, and quotes.
    "АВЕЅІЈКМНОРСТХУаеѕіјорсухһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧνο‘’‚‛′“”„‟″",
    "ABESIJKMHOPCTXYaesijopcyxhdqwABEZHIKMNOPTYXvo" + "'" * 5 + '"' * 5,
)
_INVISIBLE = re.compile(f"[{IGNORABLE}]")
_AROUND = 30
"""Characters shown on each side of a difference."""

KeyPath = tuple[str | int, ...]
"""Keys and positions that lead to a value in a document."""


def quote(text: str) -> str:
    """Return `text` for use in a message: sanitized, in backticks."""
    return f"`{one_line(text, 80)}`"


def one_of(choices: Iterable[str]) -> str:
    """Return "`a`, `b` or `c`"."""
    *rest, last = [quote(choice) for choice in choices]
    return f"{', '.join(rest)} or {last}" if rest else last


def close_to(text: str, choices: Iterable[str]) -> str | None:
    """Return the choice that a person who wrote `text` probably meant."""
    choices = list(choices)
    looks = _looks(text)
    alike = next((choice for choice in choices if choice != text and _looks(choice) == looks), None)
    if alike is not None or len(text) > _LONGEST_NAME:
        return alike
    by_spelling = {choice.lower(): choice for choice in choices}
    found = get_close_matches(text.lower(), by_spelling, n=1)
    return by_spelling[found[0]] if found else None


def did_you_mean(text: str, choices: Iterable[str]) -> str:
    """Return "; did you mean `x`?", or nothing if no choice is close.

    If both look the same, the characters that differ are shown as escapes, which YAML accepts in double quotes.
    """
    choice = close_to(text, choices)
    if choice is None:
        return ""
    if _looks(choice) != _looks(text):
        return f"; did you mean {quote(choice)}?"
    written, meant = _apart(text, choice)
    # A sentence that quotes `text` shows most of what is invisible in it already.
    is_told = written == one_line(text)
    return f"; did you mean `{meant}`?" + ("" if is_told else f" It looks the same, but this is `{written}`")


def _looks(text: str) -> str:
    """Return one text for all that look alike: a space for any whitespace, one form of each letter."""
    if not text.isascii():
        text = normalize("NFKC", _INVISIBLE.sub("", text)).translate(_LOOKS_LIKE)
        kinds = ((each, category(each)) for each in text)
        text = "".join("-" if kind == "Pd" else each for each, kind in kinds if kind not in ("Cf", "Cs"))
    return " ".join(text.split())


def _apart(one: str, other: str) -> tuple[str, str]:
    """Return both texts with the characters that differ escaped; long texts are cut to the part around those."""
    parts = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    differences = [part for part in parts if part[0] != "equal"]
    return (
        _escaped(one, [(start, end, at == until) for _, start, end, at, until in differences]),
        _escaped(other, [(start, end, at == until) for _, at, until, start, end in differences]),
    )


def _escaped(text: str, parts: Sequence[tuple[int, int, bool]]) -> str:
    """Return the text with the parts escaped; ASCII is escaped only if the other text has nothing there."""
    odd = {index for start, end, alone in parts for index in range(start, end) if alone or not text[index].isascii()}
    begin = max(parts[0][0] - _AROUND, 0)
    end = min(parts[-1][1] + _AROUND, begin + 4 * _AROUND, len(text))
    told = "".join(spelled(text[at]) if at in odd else one_line(text[at]) for at in range(begin, end))
    return ("…" if begin else "") + told + ("…" if end < len(text) else "")


def kind_of(value: object) -> str:
    """Name the kind of a value in YAML's terms."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"


def path_text(at: Sequence[str | int], root: str = "the document") -> str:
    """Return a path as people write it: `spec.runs[0].columns`."""
    text = ""
    for step in at:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("_", "").replace("-", "").isalnum() and step.isascii():
            text += f".{one_line(step, 80)}" if text else one_line(step, 80)
        else:
            text += f'["{one_line(step, 80)}"]'
    return text or root
