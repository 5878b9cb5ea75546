"""A status as a page: each run's cells as a bar by what they show, and what is due of them. It has no script."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.render.markdown import number
from reconciler.render.page import parts
from reconciler.render.page.cells import Shade
from reconciler.render.page.markup import Html, items, joined, section, table, tag
from reconciler.render.page.shell import Assets, page

Document = Mapping[str, Any]

_SHOWN = {
    "done": Shade.DONE,
    "failed": Shade.DEAD,
    "empty": Shade.EMPTY,
    "in_progress": Shade.PROGRESS,
    "unknown": Shade.UNKNOWN,
}
_KEYS = (
    *("due", "waiting", "blocked", "missing_inputs", "in_doubt"),
    *("attempts_exhausted", "not_started", "age_unknown", "held_back", "behind"),
)
"""The keys of a status that count a run's cells by what becomes of them."""


def status_page(content: Document, assets: Assets) -> str:
    """Return a status document as a page."""
    sums = content["totals"]
    title = f"Status: {parts.count(sums['tables'], 'table')}, {parts.count(sums['due'], 'cell')} due"
    head = tag("header", tag("h1", title), tag("p", f"Observed {content['observed_at']}. Nothing was sent."))
    return page(title, joined([head, tag("main", *_main(content), id="main")]), assets)


def _main(content: Document) -> Iterator[Html]:
    sums = content["totals"]
    figures = [
        ("Cells due", number(sums["due"])),
        ("Credits for them", parts.known(sums["credits"])),
        ("Calls an apply would send", number(sums["calls"])),
        ("Tables", number(sums["tables"])),
        ("Runs", number(sums["runs"])),
    ]
    yield section("Totals", parts.facts(figures))
    yield parts.problems(content["diagnostics"])
    yield parts.in_doubt(content["in_doubt"])
    if any(run["shown"] for each in content["tables"] for run in each["runs"]):
        yield section("What the colours mean", parts.legend({*_SHOWN.values()}))
    for each in content["tables"]:
        about = f"{each['manifest']} · {parts.count(each['rows'], 'row')} · {each['run_status']}"
        bars = [_bar(run) for run in each["runs"] if run["shown"]]
        found = [key for key in _KEYS if any(run[key] for run in each["runs"])] or ["due"]
        titles = ["Run", "Mode", "Cells:", "Credits:", *(f"{key.replace('_', ' ').capitalize()}:" for key in found)]
        titles.append("Next due")
        rows = [_row(run, found) for run in each["runs"]]
        yield section(each["name"], tag("p", about), *bars, table(f"Runs of {each['manifest']}", titles, rows))
    waits = (f"{each['manifest']} waits for {each['waits_for']}" for each in content.get("pending", ()))
    yield section("Not there yet", items(waits))


def _bar(run: Document) -> Html:
    counts = {shade: run["shown"][key] for key, shade in _SHOWN.items()}
    words = ", ".join(f"{number(run['shown'][key])} {key.replace('_', ' ')}" for key in _SHOWN if run["shown"][key])
    label = f"{run['address']}: {words or 'no cells'}"
    return joined([tag("p", label), parts.bar(counts, label)])


def _row(run: Document, found: list[str]) -> list[str]:
    counts = [number(run[key]) for key in found]
    return [run["address"], run["mode"], number(run["cells"]), number(run["credits"]), *counts, run["next_due"] or ""]
