"""The words that messages about a file share: what kind a value is, where it stands, what was probably meant."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from reconciler.clean import clean

_LONGEST_NAME = 64
"""Comparing texts is quadratic; nobody means a name longer than this."""

Path = tuple[str | int, ...]
"""Keys and positions that lead to a value in a document."""


def quote(text: str) -> str:
    """Return `text` as it stands in a message: clean, between backticks."""
    return f"`{clean(text, 80)}`"


def one_of(choices: Iterable[str]) -> str:
    """Return "`a`, `b` or `c`"."""
    *rest, last = [quote(choice) for choice in choices]
    return f"{', '.join(rest)} or {last}" if rest else last


def close_to(text: str, choices: Iterable[str]) -> str | None:
    """Return the choice that a person who wrote `text` probably meant."""
    if len(text) > _LONGEST_NAME:
        return None
    by_spelling = {choice.lower(): choice for choice in choices}
    found = get_close_matches(text.lower(), by_spelling, n=1)
    return by_spelling[found[0]] if found else None


def did_you_mean(text: str, choices: Iterable[str]) -> str:
    """Return "; did you mean `x`?", or nothing where no choice is close."""
    choice = close_to(text, choices)
    return f"; did you mean {quote(choice)}?" if choice else ""


def kind_of(value: object) -> str:
    """Name the kind of a value as YAML's readers do."""
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
            text += f".{clean(step, 80)}" if text else clean(step, 80)
        else:
            text += f'["{clean(step, 80)}"]'
    return text or root
