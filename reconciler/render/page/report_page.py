"""A report file as a page: what was bought and how it ended, by manifest and by call. It has no script."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model.expectation import Judgement
from reconciler.render.markdown import number
from reconciler.render.page import parts
from reconciler.render.page.cells import Shade
from reconciler.render.page.markup import Html, items, joined, section, table, tag
from reconciler.render.page.shell import Assets, page
from reconciler.render.plan_parts import judgement_words, yield_words
from reconciler.render.report_markdown import STATES, report_headline, yield_of
from reconciler.text.sanitize import one_line

Document = Mapping[str, Any]

MOST_CALLS = 2000
"""Calls with a line of their own."""
MOST_COLUMNS = 10
"""Named of one call."""
_ENDS = {
    "cells_done": ("done", Shade.DONE),
    "cells_failed": ("failed", Shade.DEAD),
    "cells_not_started": ("not started", Shade.EMPTY),
    "cells_in_doubt": ("in doubt", Shade.DOUBT),
    "cells_refused": ("refused", Shade.HELD),
    "cells_not_sent": ("not sent", Shade.WAITING),
}
"""Key of a manifest's line → its title, and how its cells are drawn."""


def report_page(content: Document, assets: Assets) -> str:
    """Return a report's document as a page."""
    title = report_headline(content, "Applied")
    about = joined(["Plan ", tag("code", content["plan_id"]), f", exit code {number(content['exit_code'])}."], "")
    main = tag("main", *_main(content), id="main")
    return page(title, joined([tag("header", tag("h1", title), tag("p", about)), main]), assets)


def _main(content: Document) -> Iterator[Html]:
    sums = content["totals"]
    figures = [
        ("Credits accepted", parts.known(sums["credits_accepted"])),
        ("Cells accepted", f"{number(sums['cells_accepted'])} of {number(sums['cells_planned'])} planned"),
        ("Calls accepted", f"{number(sums['accepted'])} of {number(sums['calls'])}"),
        *((words.capitalize(), parts.count(sums[state], "call")) for state, words in STATES.items() if sums[state]),
        *(("Failed", parts.count(sums["cells_failed"], "cell")) for _ in range(1) if sums["cells_failed"]),
    ]
    yield section("Totals", parts.facts(figures))
    changed = [
        f"{one_line(each['address'])}, {one_line(each['column'])}: {yield_words(yield_of(each))}"
        for each in content.get("yield", ())
    ]
    yield section("Changed answers", items(changed)) if changed else Html()
    yield section("What is left", items(_left(content), class_="bad"))
    doubtful = [*content["in_doubt_before"], *(call for call in content["calls"] if call["state"] == "in_doubt")]
    yield parts.in_doubt(doubtful)
    if content["by_manifest"]:
        titles = ["Manifest", "Planned:", *(f"{title.capitalize()}:" for title, _ in _ENDS.values()), "Credits:"]
        rows = [_row(line) for line in content["by_manifest"]]
        bars = [bar for line in content["by_manifest"] if (bar := _bar(line))]
        yield section("By manifest", *bars, table("Cells by manifest", titles, rows))
    yield _calls(content)


def _left(content: Document) -> Iterator[str]:
    stopped = content["stopped"]
    if stopped:
        yield f"Stopped: {one_line(stopped['message'])} {one_line(stopped['hint'])}"
    yield from _unexpected(content)
    for grown in content.get("outgrown", ()):
        cells = parts.count(grown["cells"], "cell")
        yield f"{one_line(grown['manifest'])}: {cells} fell due meanwhile and were not sent."
    for each in content.get("unsent", ()):
        cells = parts.count(each["cells"], "cell")
        yield f"Not sent: {cells} of {one_line(each['address'])}: {one_line(each['reason'])}"
    if blocked := sum(each["cells"] for each in content.get("blocked", ())):
        yield f"{parts.count(blocked, 'cell')} blocked by cells that are not done, and not sent."
    for each in content.get("stale", ()):
        yield f"Not approved any more: {one_line(each['reason'])}. Plan again."
    if content.get("later"):
        yield f"{parts.count(len(content['later']), 'call')} of later waves left: apply again once the tables are idle."
    if content["unrecorded"]:
        yield f"Not in the ledger: the outcome of {parts.count(len(content['unrecorded']), 'call')}."
    if content["still_running"]:
        yield f"{parts.count(len(content['still_running']), 'table')} still running when waiting ended."
    if content.get("awaited"):
        yield f"{parts.count(len(content['awaited']), 'accepted call')} had not shown when waiting ended."


def _unexpected(content: Document) -> Iterator[str]:
    for held in content.get("held_back", ()):
        failed = f"{number(held['failed'])} of {parts.count(held['tried'], 'cell')} of its first portion failed"
        yield f"Held back: {one_line(held['address'])}, {parts.count(held['cells'], 'cell')}: {failed}.{_judged(held)}"
    for each in content.get("unmet", ()):
        yield f"Not as expected: {one_line(each['address'])}.{_judged(each)} {one_line(each.get('problem', ''))}"


def _judged(of: Document) -> str:
    return "".join(f" {judgement_words(Judgement.of(each))}." for each in of.get("expect", ()))


def _row(line: Document) -> list[str]:
    ends = ["" if line[key] is None else number(line[key]) for key in _ENDS]
    return [line["manifest"], number(line["cells_planned"]), *ends, number(line["credits"])]


def _bar(line: Document) -> Html:
    """Return what became of a manifest's cells as a bar; nothing where it was not waited for."""
    counts = {shade: min(line[key] or 0, 10**12) for key, (_, shade) in _ENDS.items()}
    if not any(counts.values()):
        return Html()
    words = ", ".join(f"{number(line[key])} {title}" for key, (title, _) in _ENDS.items() if line[key])
    name = one_line(line["manifest"])
    return joined([tag("p", f"{name}: {words}"), parts.bar(counts, f"{name}: {words}")])


def _calls(content: Document) -> Html:
    rows = [_call(call) for call in content["calls"][:MOST_CALLS]]
    if not rows:
        return Html()
    titles = [
        "Call",
        "Run",
        "Mode",
        "Columns",
        "Cells:",
        "Credits:",
        "Outcome",
        "Done:",
        "Failed:",
        "Not started:",
        "Detail",
    ]
    more = len(content["calls"]) - MOST_CALLS
    rest = tag("p", f"{parts.count(more, 'more call')}: the report file lists them.") if more > 0 else Html()
    return section("Calls", table("Calls in the order of sending", titles, rows), rest)


def _call(call: Document) -> list[str]:
    settled = call["settled"] or {}
    address = call["address"] + (f": {call['table_name']}" if call.get("table_name") else "")
    found = [number(settled[key]) if key in settled else "" for key in ("done", "failed", "not_started")]
    sizes = [number(call["cells"]), number(call["credits"])]
    state = STATES.get(call["state"], call["state"])
    return [call["id"][:8], address, call["mode"], _columns(call), *sizes, state, *found, call["detail"] or ""]


def _columns(call: Document) -> str:
    """Return a call's columns with their cells; empty for a file of an earlier version, which does not name them."""
    columns = call.get("columns", ())
    words = [f"{one_line(each['key'], 40)} {number(each['cells'])}" for each in columns[:MOST_COLUMNS]]
    more = len(columns) - MOST_COLUMNS
    return ", ".join(words) + (f" and {number(more)} more" if more > 0 else "")
