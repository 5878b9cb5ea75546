"""A plan as a page: totals and limits first, then a map of each table's cells, then the calls.

Made from the document of a plan file, whose texts are text from outside, and from what the plan knows of cells that are
not due, which the file does not tell.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.model.plan import Plan, SkipReason
from reconciler.render.budget_words import budget_lines
from reconciler.render.markdown import number
from reconciler.render.page import parts
from reconciler.render.page.cells import Shade
from reconciler.render.page.markup import Html, items, joined, prose, section, table, tag
from reconciler.render.page.plan_tables import CAUSES, PageTable, due_shade, shade_of, table_section, tables_of
from reconciler.render.page.shell import Assets, drawing, page
from reconciler.render.plan_markdown import balance_words, forecast_words, plan_headline
from reconciler.render.plan_parts import growth_words
from reconciler.text.numbers import counted, duration
from reconciler.text.sanitize import one_line

Document = Mapping[str, Any]

MOST_CALLS = 2000
"""Calls with a line of their own."""
_OLDEST = 10**10


def plan_page(content: Document, assets: Assets, plan: Plan | None = None) -> str:
    """Return a plan's document as a page; with the plan itself, the maps show the cells that are not due, too."""
    tables = [each for each in tables_of(content, plan) if each.is_worth_a_section]
    return page(
        plan_headline(content),
        joined(
            part
            for part in (
                _head(content),
                tag("main", *_main(content, tables, is_whole=plan is not None), id="main"),
                tag("footer", tag("p", _FOOT)),
            )
        ),
        assets,
        drawing(
            (each.grid for each in tables if each.grid is not None),
            [(each.manifests, each.labels) for each in tables],
        ),
    )


_FOOT = (
    "This page is one file: it loads nothing and sends nothing. It holds ids, names and counts; no cell's value, no "
    "prompt and no token."
)


def _head(content: Document) -> Html:
    git, live = content["git"], content.get("live")
    commit = f" of commit {git['sha'][:12]}{' with changes' if git['dirty'] else ''}" if git else ""
    lines = [f"Made {content['created_at']}{commit} for {content['api']['base_url']}. Nothing was sent."]
    if live:
        checked = "its signature is right" if live["verified"] else "its signature was not checked"
        age = duration(min(live["age_seconds"], _OLDEST))
        lines.append(f"Planned from a snapshot of the live tables, {age} old; {checked}.")
    selected = [*content["targeted"]["include"], *content["targeted"]["exclude"]]
    if selected:
        lines.append(f"Narrowed by {counted(len(selected), 'selector')}: not every run is in it.")
    plan_id = joined(["Plan", tag("code", content["plan_id"])], " ")
    return tag("header", tag("h1", plan_headline(content)), *(tag("p", line) for line in lines), tag("p", plan_id))


def _main(content: Document, tables: Sequence[PageTable], *, is_whole: bool) -> Iterator[Html]:
    yield _totals(content)
    yield parts.problems(content["diagnostics"])
    yield section("Over a limit", *_violations(content))
    yield section("Budgets", items(budget_lines(content.get("budgets", ()), one_line)))
    yield parts.in_doubt(content["in_doubt"])
    yield section("May become due while this plan is applied", items(map(_growth, content.get("growth", ()))))
    against = content.get("against")
    if against and against["changes"]:
        yield section(f"What changes against {one_line(against['ref'])}", items(map(_change, against["changes"])))
    maps = 0
    if tables:
        yield _filters(content, tables)
        yield _legend(tables)
    for each in tables:
        yield table_section(each, None if each.grid is None else maps, is_split=bool(against), is_whole=is_whole)
        maps += each.grid is not None
    yield _calls(content)
    yield section(
        "Not there yet",
        items(f"{each['manifest']} waits for {each['waits_for']}" for each in content.get("pending", ())),
    )
    yield _at_rest(content, tables)


def _totals(content: Document) -> Html:
    sums, limits = content["totals"], content.get("limits") or {}
    known = parts.cost(content["calls"])
    credits_ = number(known.known) + (
        f" and {parts.count(known.unpriced_cells, 'cell')} of unknown price" if known.unpriced_cells else ""
    )
    figures = [
        ("Credits", credits_ + _limit(limits.get("max_credits"))),
        ("Cells", number(sums["cells"]) + _limit(limits.get("max_cells"))),
        ("Calls", number(sums["calls"])),
        ("Tables", number(sums["tables"])),
        ("Waves", number(max((call["wave"] for call in content["calls"]), default=0))),
    ]
    if "against" in content:
        by_cause = {cause: [call for call in content["calls"] if call.get("cause", "due") == cause] for cause in CAUSES}
        figures += [
            (f"Caused by {words}" if cause == "change" else words.capitalize(), _sums(by_cause[cause]))
            for cause, words in CAUSES.items()
        ]
        dropped = content["against"].get("no_longer_due")
        if dropped and dropped["calls"]:
            figures.append(
                ("No longer due", f"{parts.count(dropped['cells'], 'cell')}, {parts.price(dropped['credits'])}")
            )
    skipped: Counter[str] = Counter()
    for skip in content["skipped"]:
        skipped[skip["reason"]] += skip["cells"]
    left = [f"{number(skipped[reason])} {reason.phrase}" for reason in SkipReason if skipped[reason]]
    lines = [balance_words(content), forecast_words(content), f"Not due: {'; '.join(left)}." if left else ""]
    return section("Totals and limits", parts.facts(figures), *(tag("p", prose(line)) for line in lines if line))


def _limit(limit: Any) -> str:
    return "" if limit is None else f" (limit {number(limit)})"


def _sums(calls: Sequence[Document]) -> str:
    return f"{parts.count(sum(call['cells'] for call in calls), 'cell')}, {parts.price(parts.cost(calls).total)}"


def _violations(content: Document) -> Iterator[Html]:
    if content["violations"]:
        yield tag("p", "An apply of this plan is refused before anything is sent.", class_="bad")
        yield items(map(_violation, content["violations"]))


def _violation(of: Document) -> str:
    who = f"; to be raised by {one_line(of['contact'])}" if of.get("contact") else ""
    return f"{one_line(of['message'], 300)} ({one_line(of['rule'])}, set in {one_line(of['set_at'])}{who})"


def _growth(of: Document) -> str:
    words = growth_words(one_line(of["because"]), of.get("max_rows"), of["max_cells"], of["max_credits"])
    return f"{of['manifest']}: {words}"


def _change(of: Document) -> Html:
    place = tag("code", f"{of['path']}:{of['line']}") if of.get("path") else Html()
    return joined([part for part in (of.get("address") or "", of["text"], place) if part], " ")


def _filters(content: Document, tables: Sequence[PageTable]) -> Html:
    """Return the filters; hidden until the script can act on them."""
    shades = sorted(
        {shade_of(skip) for each in tables for skip in each.skips}
        | {due_shade(call) for each in tables for call in each.calls},
        key=lambda shade: shade.rank,
    )
    manifests = dict.fromkeys(name for each in tables for name in each.manifests)
    labels = sorted({label for each in tables for label in each.labels})
    chosen = [
        _select("manifest", "Manifest", [(name, name) for name in manifests]),
        _select("label", "Label", [(label, label) for label in labels]),
        _select("reason", "Cells that are", [(shade.key, f"{shade.glyph} {shade.label}") for shade in shades]),
        _select(
            "wave",
            "Wave",
            [(str(wave), f"wave {number(wave)}") for wave in sorted({call["wave"] for call in content["calls"]})],
        ),
        _select("cause", "Caused by", list(CAUSES.items()) if "against" in content else []),
    ]
    clear = tag("button", "Show everything", type="button", id="clear")
    found = tag("output", id="found", role="status")
    return tag(
        "form",
        tag("h2", "Filter"),
        *chosen,
        clear,
        found,
        id="filters",
        hidden=True,
        aria_label="Filter the maps",
    )


def _select(name: str, label: str, choices: Sequence[tuple[str, str]]) -> Html:
    if len(choices) < 2:
        return Html()
    options = [tag("option", "any", value=""), *(tag("option", words, value=value) for value, words in choices)]
    return tag("label", label, tag("select", *options, name=name))


def _legend(tables: Sequence[PageTable]) -> Html:
    used = (
        {Shade.OUTSIDE}
        | {due_shade(call) for each in tables for call in each.calls}
        | {shade_of(skip) for each in tables for skip in each.skips}
    )
    has_change = any(call.get("cause") == "change" for each in tables for call in each.calls)
    shades = parts.legend(used)
    change = tag("p", "Underlined: due because of this change.") if has_change else Html()
    return section("What the glyphs mean", shades, change)


def _calls(content: Document) -> Html:
    calls = content["calls"]
    if not calls:
        return Html()
    split = "against" in content
    rows = [_call_row(call, is_split=split) for call in calls[:MOST_CALLS]]
    titles = ["Call", "Run", "Columns", "Rows:", "Cells:", "Credits:", "Wave:", *(["Caused by"] if split else [])]
    more = len(calls) - MOST_CALLS
    rest = tag("p", f"{counted(more, 'more call')}: the plan file lists them.") if more > 0 else Html()
    return section(
        "Calls",
        tag(
            "details",
            tag("summary", f"{counted(len(calls), 'call')}, in the order of sending"),
            table("Calls", titles, rows),
            rest,
        ),
    )


def _call_row(call: Document, *, is_split: bool) -> list[str]:
    keys = ", ".join(one_line(key, 40) for key in call["column_keys"][:10])
    more = f" and {len(call['column_keys']) - 10:,} more" if len(call["column_keys"]) > 10 else ""
    sizes = [number(len(call["rows"])), number(call["cells"]), number(call["credits"]), number(call["wave"])]
    return [
        call["id"][:8],
        call["address"],
        keys + more,
        *sizes,
        *([CAUSES[call.get("cause", "due")]] if is_split else []),
    ]


def _at_rest(content: Document, tables: Iterable[PageTable]) -> Html:
    shown = {id(entry) for each in tables for entry in each.entries}
    rest = [entry for entry in content["tables"] if id(entry) not in shown]
    if not rest:
        return Html()
    rows = [[entry["manifest"], entry["name"], number(entry["rows"]), entry["run_status"]] for entry in rest]
    summary = tag("summary", f"{counted(len(rest), 'manifest')}: nothing due")
    return section(
        "At rest", tag("details", summary, table("Nothing due", ["Manifest", "Table", "Rows:", "Table is"], rows))
    )
