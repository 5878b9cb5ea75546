"""A forecast as text: the sum, a line of bars, and what is bought by day, manifest and label.

Rendered from the document that `forecast_file.py` makes, as the page is, so that both say the same.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from reconciler.model.plan import SkipReason
from reconciler.render.alignment import aligned
from reconciler.render.markdown import number
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

Document = Mapping[str, Any]

NO_SCHEDULE = "Nothing is bought by schedule: no run of these manifests has a `refresh`."
ASSUMES = (
    "Each cell counts when it falls due, as if bought at once and then done; rows, inputs and prices stay as they are."
)
MOST_DAYS = 62
"""Days with a line of their own."""
_WIDEST = 62
"""Bars in a line."""
_BARS, _NOTHING = "▁▂▃▄▅▆▇█", "·"
_PHRASES = {reason.value: reason.phrase for reason in SkipReason}


def forecast_text(content: Document, width: int | None = None) -> str:
    """Return a forecast document as text, without a newline at its end; its bars fit in `width` places."""
    parts = [forecast_headline(content)]
    busy = [day for day in content["days"] if day["cells"]]
    if content["manifests"]:
        if busy:
            parts += [
                bars_line(content["days"], min(width or _WIDEST, _WIDEST)),
                _table("DAY", "date", busy[:MOST_DAYS]),
            ]
        if len(busy) > MOST_DAYS:
            parts.append(f"… and {counted(len(busy) - MOST_DAYS, 'more day')}: `--format json` has all of them.")
        parts.append(_table("MANIFEST", "manifest", content["manifests"]))
        if content["labels"]:
            parts.append(_table("LABEL", "label", content["labels"]))
        parts.append("\n".join([*not_counted(content), ASSUMES]))
    return "\n\n".join(parts)


def forecast_headline(content: Document) -> str:
    """Return the sum on one line."""
    if not content["manifests"]:
        return NO_SCHEDULE
    sums = content["totals"]
    begin, end = (one_line(content[name], 40)[:16].replace("T", " ") for name in ("from", "to"))
    cells = f"{number(sums['cells'])} {'cell' if sums['cells'] == 1 else 'cells'}"
    return f"Schedules buy {cells} for {price_words(sums)} from {begin} to {end} UTC."


def price_words(of: Document) -> str:
    """Return `12 credits`, or that a price is unknown."""
    if of["credits"] is None:
        return f"an unknown number of credits ({number(of['unpriced_cells'])} cells without a known price)"
    return f"{number(of['credits'])} {'credit' if of['credits'] == 1 else 'credits'}"


def not_counted(content: Document) -> list[str]:
    """Return which cells no schedule buys as things are, one line for each reason."""
    return [
        f"Not counted: {number(each['cells'])} {'cell' if each['cells'] == 1 else 'cells'} "
        f"{_PHRASES.get(each['reason'], one_line(each['reason'], 80))}."
        for each in content["not_counted"]
    ]


def measure(days: Sequence[Document]) -> tuple[str, list[float]]:
    """Return what bars show, with its values: credits, or cells where a price is unknown or every price is 0."""
    costs = [day["credits"] for day in days]
    unit = "credits" if None not in costs and any(costs) else "cells"
    return unit, [day[unit] for day in days]


def bars_line(days: Sequence[Document], most_bars: int = _WIDEST) -> str:
    """Return the days as one line of bars, of several days each if they are many, and what the tallest stands for."""
    unit, values = measure(days)
    width = ceil(len(values) / most_bars)
    sums = [sum(values[at : at + width]) for at in range(0, len(values), width)]
    most = max(sums)
    bars = "".join(_NOTHING if not each else _BARS[min(7, int(8 * each / most))] for each in sums)
    first = days[sums.index(most) * width]["date"]
    span = f"on {first}" if width == 1 else f"in the {width} days from {first}"
    return f"{bars}  at most {number(most)} {unit}, {span}"


def _table(title: str, key: str, rows: Sequence[Document]) -> str:
    lines = [(title, "CELLS", "CREDITS")]
    lines += [(one_line(row[key], 80), number(row["cells"]), number(row["credits"])) for row in rows]
    return "\n".join(aligned(lines, right={1, 2}))
