"""Parts that several pages share: sums, bars of cells by kind, calls in doubt, problems."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from reconciler.model.credits import Credits
from reconciler.render.markdown import number
from reconciler.render.page.cells import Grid, Shade
from reconciler.render.page.markup import Html, items, joined, prose, section, table, tag
from reconciler.text.sanitize import one_line

Document = Mapping[str, Any]

MOST_CELLS = 20_000_000
"""Of one map: a file may claim any number of rows and columns."""

RESOLVE = (
    "Each may have been paid for, so it is not sent again. It settles by itself once the table shows that it ran. "
    "Otherwise look at the table, then say which: `reconciler ledger resolve CALL --landed` or `--not-landed`, "
    "with `--reason`."
)


def count(value: Any, noun: str) -> str:
    """Return `1 cell`, `1,240 cells`, `more than 10^15 cells`."""
    return f"{number(value)} {noun}" if value == 1 else f"{number(value)} {noun}s"


def price(of: Any) -> str:
    """Return `1 credit`, `269 credits`, `credits unknown`."""
    return "credits unknown" if of is None else count(of, "credit")


def known(of: Any) -> str:
    """Return `269`, or `unknown`."""
    return "unknown" if of is None else number(of)


def cost(calls: Iterable[Document]) -> Credits:
    """Add up what calls of a document cost; as texts its numbers are exact."""
    return Credits.sum(
        (None if call["credits"] is None else Decimal(str(call["credits"])), call["cells"]) for call in calls
    )


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Return figures with what they are, the figure last in reading order and first in size."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", figure)) for name, figure in pairs), class_="facts")


def bar(counts: Mapping[Shade, int], label: str) -> Html:
    """Return cells by kind as one bar; `label` says in words what it shows."""
    total, at, parts = sum(counts.values()), 0.0, []
    for shade, cells in counts.items():
        width = 100 * cells / total if total else 0.0
        if width:
            parts.append(tag("rect", x=f"{at:.3f}", y=0, width=f"{width:.3f}", height=10, class_=f"fill-{shade.key}"))
        at += width
    drawn = joined(parts, "")
    return tag("svg", drawn, viewBox="0 0 100 10", preserveAspectRatio="none", class_="bar", role="img",
               aria_label=label)  # fmt: skip


def words(counts: Mapping[Shade, int]) -> str:
    """Return cells by kind in words, with the glyphs of the map."""
    found = [f"{shade.glyph} {number(cells)} {shade.label}".strip() for shade, cells in counts.items() if cells]
    return " · ".join(found) or "none"


def legend(shades: Collection[Shade]) -> Html:
    """Return what the glyphs and colours of a page mean."""
    return items(
        (
            joined([tag("span", shade.glyph, class_=f"key fill-{shade.key}", aria_hidden="true"), shade.label], " ")
            for shade in Shade
            if shade in shades
        ),
        class_="legend",
    )


def problems(found: Sequence[Document]) -> Html:
    """Return what is wrong, each with its place and what to do."""
    return section("Problems", items((_problem(each) for each in found), class_="bad"))


def _problem(of: Document) -> Html:
    said = [tag("code", f"{of['path']}:{of['line']}:{of['column']}"), of.get("code", ""), of["message"]]
    hint = tag("span", of["hint"], class_="hint") if of["hint"] else ""
    return joined([each for each in (*said, hint) if each], " ")


def in_doubt(calls: Sequence[Document], title: str = "In doubt") -> Html:
    """Return the calls that may have been paid for, and how that ends."""
    found = [
        f"{call['id'][:8]}: {call['address']}, {count(call['cells'], 'cell')}, {price(call['credits'])}"
        for call in calls
    ]
    return section(title, items(found), tag("p", prose(RESOLVE))) if found else Html()


def map_of(number_of_map: int) -> Iterator[Html]:
    """Yield the place of a map; its number is its place in the data."""
    yield tag("div", class_="map", data_map=number_of_map)
    yield tag("noscript", tag("p", "The map needs scripts. The tables below say the same in numbers."))


def by_column(grid: Grid, name: str) -> Html:
    """Return the map in numbers, for readers without scripts and those who listen."""
    counts = [grid.counts(position) for position in range(len(grid.columns))]
    shades = [shade for shade in Shade if any(found[shade] for found in counts)]
    rows = [
        [key, *(number(found[shade]) for shade in shades)]
        for key, found in zip(grid.columns.values(), counts, strict=True)
    ]
    titles = ["Column", *(f"{shade.glyph} {shade.label}:".strip() for shade in shades)]
    inner = table(f"Cells of {one_line(name)} by column", titles, rows)
    return tag("details", tag("summary", "The map in numbers"), inner)
