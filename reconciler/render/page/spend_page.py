"""Spending as a page: the sums, and each line with a bar of its done and failed cells. It has no script."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.render.ledger_text import ARITHMETIC
from reconciler.render.markdown import number
from reconciler.render.page import parts
from reconciler.render.page.cells import Shade
from reconciler.render.page.markup import Html, joined, prose, section, table, tag
from reconciler.render.page.shell import Assets, page

Document = Mapping[str, Any]

MOST_BARS = 50
"""Lines with a bar, the dearest: the table has them all."""


def spend_page(content: Document, assets: Assets) -> str:
    """Return a spend report's document as a page."""
    sums = content["totals"]
    title = f"Spent: {_credits(sums)}, by {content['by']}"
    head = tag("header", tag("h1", title), tag("p", _period(content)))
    return page(title, joined([head, tag("main", *_main(content), id="main")]), assets)


def _period(content: Document) -> str:
    since, until = content["from"], content["to"]
    begun = [f"from {since}" if since else "", f"before {until}" if until else ""]
    words = " and ".join(each for each in begun if each)
    return f"Calls begun {words}." if words else "Every call in the ledger."


def _main(content: Document) -> Iterator[Html]:
    sums, lines = content["totals"], content["lines"]
    figures = [
        ("Credits", number(sums["credits"])),
        ("Cells", number(sums["cells"])),
        ("Calls", number(sums["calls"])),
        ("Done", _known(sums["done"])),
        ("Failed", _known(sums["failed"])),
    ]
    if sums["unpriced_cells"]:
        figures.insert(1, ("Cells of unknown price, not counted", number(sums["unpriced_cells"])))
    if sums["in_doubt_calls"]:
        figures.append(("Calls in doubt, not counted", number(sums["in_doubt_calls"])))
    yield section("Totals", parts.facts(figures))
    shown = sorted((line for line in lines if line["cells"]), key=lambda line: -line["credits"])[:MOST_BARS]
    if shown and content["by"] != "column":
        yield section("What the colours mean", parts.legend({Shade.DONE, Shade.DEAD, Shade.EMPTY}))
        yield section(f"By {content['by']}, the dearest first", *(_bar(line) for line in shown))
    figures_of = ("Calls:", "Cells:", "Done:", "Failed:", "Credits:", "Unpriced:", "In doubt:")
    titles = [content["by"].capitalize(), "Name", *figures_of]
    is_changed = any("changed" in line for line in lines)
    if is_changed:
        titles += ["Answers run again:", "Changed:", "Credits a change:", "Half changed after"]
    if lines:
        rows = [[*_row(line), *(_changed(line) if is_changed else ())] for line in lines]
        yield section("In numbers", table(f"Spent by {content['by']}", titles, rows))
        if any(line.get("suggested_every") for line in lines):
            yield tag("p", prose(ARITHMETIC), class_="hint")
    else:
        yield section("In numbers", tag("p", "Nothing was spent."))


def _bar(line: Document) -> Html:
    done, failed = line["done"], line["failed"]
    counts = {Shade.DONE: done, Shade.DEAD: failed, Shade.EMPTY: max(0, line["cells"] - done - failed)}
    label = f"{line['key'] or '(none)'}: {_credits(line)}, {parts.count(line['cells'], 'cell')}, "
    label += f"{number(done)} done, {number(failed)} failed"
    return joined([tag("p", label), parts.bar(counts, label)])


def _row(line: Document) -> list[str]:
    others = [number(line[key]) if line[key] else "" for key in ("unpriced_cells", "in_doubt_calls")]
    figures = [number(line["calls"]), number(line["cells"]), _known(line["done"]), _known(line["failed"])]
    return [line["key"] or "(none)", line["name"], *figures, number(line["credits"]), *others]


def _changed(line: Document) -> list[str]:
    """Return what running a column's cells again changed, as far as it is known."""
    return [
        *(_known(line.get(key)) for key in ("answers", "changed", "credits_per_change")),
        line.get("suggested_every") or "",
    ]


def _credits(of: Document) -> str:
    cost = parts.count(of["credits"], "credit")
    return f"{cost} and {parts.count(of['unpriced_cells'], 'cell')} of unknown price" if of["unpriced_cells"] else cost


def _known(of: float | None) -> str:
    return "" if of is None else number(of)
