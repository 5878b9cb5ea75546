"""HTML that no text from outside can break out of: whatever is not `Html` is cleaned and escaped where it is put in."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeAlias

from reconciler.text.sanitize import one_line

Attribute: TypeAlias = str | int | bool | None

MOST_CHARACTERS = 400
"""Of one text."""
_WITHOUT_END = {"meta", "br"}


class Html(str):
    """Markup of our own making."""

    __slots__ = ()


def text(of: str, limit: int = MOST_CHARACTERS) -> Html:
    """Return a text as HTML: on one line, with nothing invisible, and no command of a CI's log (`##[…`) in it."""
    return of if isinstance(of, Html) else Html(escape(one_line(of, limit)).replace("##[", "##&#91;"))


def prose(of: str) -> Html:
    """Return sentences of our own as HTML, with what stands in backticks as code; a name in them could add some."""
    parts = one_line(of, MOST_CHARACTERS * 5).split("`")
    return joined((tag("code", part) if at % 2 else part for at, part in enumerate(parts)), "")


def tag(name: str, /, *children: str, **attributes: Attribute) -> Html:
    """Return an element; texts among its children are escaped.

    `class_` is the attribute `class`, `data_map` is `data-map`; True stands alone, None and False leave it out.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _WITHOUT_END:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{''.join(map(text, children))}</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(str(value))}"'


def joined(parts: Iterable[str], between: str = "\n") -> Html:
    """Return parts one after the other."""
    return Html(between.join(text(part) for part in parts))


def items(parts: Iterable[str], **attributes: Attribute) -> Html:
    """Return a list; nothing if it is empty."""
    found = [tag("li", part) for part in parts]
    return tag("ul", *found, **attributes) if found else Html()


LONGEST_WORD = 60
"""Characters that a table's cell keeps on one line; a longer word is broken, so that it hides no figures."""


def table(caption: str, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """Return a table whose rows begin with their heading; a title that ends with `:` stands over numbers."""
    numeric = [title.endswith(":") for title in titles]
    head = (
        tag("th", title.rstrip(":"), scope="col", class_="number" if is_number else None)
        for title, is_number in zip(titles, numeric, strict=True)
    )
    body = [tag("tr", *_cells(row, numeric)) for row in rows]
    inner = tag("table", tag("caption", caption), tag("thead", tag("tr", *head)), tag("tbody", *body))
    return tag("div", inner, class_="wide", tabindex=0, role="region", aria_label=caption)


def _cells(row: Sequence[str], numeric: Sequence[bool]) -> Iterable[Html]:
    for at, (cell, is_number) in enumerate(zip(row, numeric, strict=True)):
        is_long = max(map(len, cell.split()), default=0) > LONGEST_WORD
        class_ = "number" if is_number else "long" if is_long else None
        yield tag("td", cell, class_=class_) if at else tag("th", cell, scope="row", class_=class_)


def section(title: str, *children: str, **attributes: Attribute) -> Html:
    """Return a section under its heading; nothing if it would be empty."""
    inner = [child for child in children if child]
    return tag("section", tag("h2", title), *inner, **attributes) if inner else Html()
