"""A forecast as a page: what schedules buy, day by day as bars, then by manifest and label. It has no script."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.render.forecast_text import ASSUMES, forecast_headline, measure, not_counted
from reconciler.render.markdown import number
from reconciler.render.page import parts
from reconciler.render.page.markup import Html, joined, section, table, tag
from reconciler.render.page.shell import Assets, page

Document = Mapping[str, Any]


def forecast_page(content: Document, assets: Assets) -> str:
    """Return a forecast document as a page."""
    title = forecast_headline(content)
    head = tag("header", tag("h1", title), tag("p", "Nothing was sent."))
    return page(title, joined([head, tag("main", *_main(content), id="main")]), assets)


def _main(content: Document) -> Iterator[Html]:
    sums, days = content["totals"], content["days"]
    figures = [
        ("Credits", parts.known(sums["credits"])),
        ("Cells", number(sums["cells"])),
        ("Manifests with a schedule", number(len(content["manifests"]))),
    ]
    if sums["unpriced_cells"]:
        figures.append(("Cells without a known price", number(sums["unpriced_cells"])))
    yield section("Totals", parts.facts(figures), *(tag("p", line) for line in not_counted(content)), tag("p", ASSUMES))
    yield parts.problems(content["diagnostics"])
    if sums["cells"]:
        yield section("By day, in UTC", *_plot(days))
    busy = [day for day in days if day["cells"]]
    for title, key, rows in (
        ("Manifests", "manifest", content["manifests"]),
        ("Labels", "label", content["labels"]),
        ("Days", "date", busy),
    ):
        if rows:
            yield section(title, table(f"{title} with what schedules buy", _titles(key), map(_row(key), rows)))


def _titles(key: str) -> list[str]:
    return [key.capitalize(), "Cells:", "Credits:"]


def _row(key: str) -> Any:
    return lambda of: [of[key], number(of["cells"]), number(of["credits"])]


def _plot(days: Sequence[Document]) -> Iterator[Html]:
    """Yield the bars, and in words what they show; each bar has its day and figure."""
    unit, values = measure(days)
    most = max(values)
    tallest = days[values.index(most)]["date"]
    label = f"{unit.capitalize()} by day, at most {number(most)} on {tallest}"
    yield tag("p", f"{label}.")
    bars = [_bar(at, value, most, f"{day['date']}: {number(value)} {unit}")
            for at, (day, value) in enumerate(zip(days, values, strict=True)) if value]  # fmt: skip
    yield tag("svg", joined(bars, ""), viewBox=f"0 0 {len(days)} 100", preserveAspectRatio="none", class_="plot",
              role="img", aria_label=label)  # fmt: skip
    yield tag("p", tag("span", days[0]["date"]), tag("span", days[-1]["date"]), class_="axis")


def _bar(at: int, value: float, most: float, words: str) -> Html:
    height = max(1.0, 100 * value / most)
    drawn = {"x": f"{at + 0.1:.1f}", "y": f"{100 - height:.3f}", "width": "0.8", "height": f"{height:.3f}"}
    return tag("rect", tag("title", words), **drawn)
