"""A report file as a receipt: cells bought by manifest, then what is still open, then all calls, collapsed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from reconciler.model.attempt import Yield
from reconciler.model.expectation import Judgement
from reconciler.render.markdown import LIMIT, Section, cell, code, fit, folded, number, row, rows_head
from reconciler.render.plan_parts import judgement_words, yield_words
from reconciler.text.numbers import counted

Document = Mapping[str, Any]

POINTER = "The report file has all of it."
STATES = {"refused": "refused", "not_sent": "not sent", "in_doubt": "in doubt", "not_attempted": "not tried"}
"""State of a call that was not accepted → in words."""
MOST_COLUMNS = 12
"""Named in one line."""
_TITLES = (
    "manifest",
    "planned:",
    "requested:",
    "refused:",
    "in doubt:",
    "not sent:",
    "done:",
    "failed:",
    "not started:",
    "credits:",
)
_COLUMNS = ("cells_planned", "cells_requested", "cells_refused", "cells_in_doubt", "cells_not_sent")
_WAITED = ("cells_done", "cells_failed", "cells_not_started")
_RESOLVE = """
It may have been paid for, so it is not sent again. It settles by itself once the table shows that it ran. Otherwise \
look at the table, then say which: `reconciler ledger resolve CALL --landed` or `--not-landed`, with `--reason`."""


def report_markdown(content: Document, title: str = "Applied", pointer: str = POINTER, limit: int = LIMIT) -> str:
    """Return a report file's content as Markdown of at most `limit` bytes, without a newline at its end.

    `title` and `pointer` are the caller's own Markdown.
    """
    head = "\n\n".join(part for part in (f"### {report_headline(content, title)}", _verdict(content)) if part)
    foot = f"Plan {code(content['plan_id'][:19])}, exit code {number(content['exit_code'])}."
    return fit(head, _sections(content), foot, pointer, limit)


def report_headline(content: Document, title: str) -> str:
    """Return the sums on one line; nothing but numbers in it comes from outside."""
    sums = content["totals"]
    if not content["calls"]:
        is_short = content.get("unsent") or content.get("stale")
        return f"{title}: {'nothing was sent' if is_short else 'nothing was due, nothing was sent'}"
    accepted = f"{_count(sums['accepted'], 'call')} accepted, {_count(sums['cells_accepted'], 'cell')}"
    parts = [f"{title}: {accepted}, {number(sums['credits_accepted'])} credits"]
    parts += [f"{number(sums[state])} {word}" for state, word in STATES.items() if sums[state]]
    return ", ".join(parts)


def _verdict(content: Document) -> str:
    lines = []
    if content["stopped"]:
        stopped = content["stopped"]
        hint = f" {code(stopped['hint'], 400)}" if stopped["hint"] else ""
        lines.append(f"**Stopped:** {code(stopped['message'], 400)}{hint}")
    open_calls = len(content["in_doubt_before"]) + content["totals"]["in_doubt"]
    if open_calls:
        lines.append(f"**In doubt:** {_count(open_calls, 'call')} may have been paid for.")
    lines += [
        f"**Held back:** {code(held['address'])}, {_count(held['cells'], 'cell')}: {number(held['failed'])} of "
        f"{_count(held['tried'], 'cell')} of its first portion failed.{_judged(held)}"
        for held in content.get("held_back", ())
    ]
    lines += [
        f"**Not as expected:** {code(each['address'])}.{_judged(each)}"
        + (f" {code(each['problem'], 400)}" if each.get("problem") else "")
        for each in content.get("unmet", ())
    ]
    lines += [
        f"**Not sent:** {_count(grown['cells'], 'cell')} of {code(grown['manifest'])} fell due during this apply, and "
        f"{number(grown['max_cells'])} are allowed. They are in the next plan."
        for grown in content.get("outgrown", ())
    ]
    later = content.get("later", ())
    if later:
        lines.append(f"{_count(len(later), 'call')} of later waves left: apply again once the tables are idle.")
    lines += [
        f"**No longer approved:** {code(each['reason'], 400)}. Its calls were not sent: plan again."
        for each in content.get("stale", ())
    ]
    lines += [
        f"**Not sent:** {_count(each['cells'], 'cell')} of {code(each['address'])}, due and approved: "
        f"{code(each['reason'], 200)}. Apply again."
        for each in content.get("unsent", ())
    ]
    lines += [
        f"{code(each['address'])}, {code(each['column'])}: {yield_words(yield_of(each))}."
        for each in content.get("yield", ())
    ]
    if content["unrecorded"]:
        lines.append(f"**Not in the ledger:** the outcome of {counted(len(content['unrecorded']), 'call')}.")
    if content["still_running"]:
        lines.append(f"{counted(len(content['still_running']), 'table')} still running when waiting ended.")
    if content.get("awaited"):
        lines.append(f"{_count(len(content['awaited']), 'accepted call')} had not shown when waiting ended.")
    if content["totals"].get("cells_not_started"):
        lines.append(f"{_count(content['totals']['cells_not_started'], 'cell')} did not start after they were bought.")
    if blocked := sum(each["cells"] for each in content.get("blocked", ())):
        lines.append(f"{_count(blocked, 'cell')} blocked by cells that are not done, and not sent.")
    if content["totals"]["cells_failed"]:
        failed = _count(content["totals"]["cells_failed"], "cell")
        lines.append(f"{failed} failed after they were bought{_failed(content)}.")
    return "\\\n".join(lines)


def _failed(content: Document) -> str:
    """Return the columns of cells that failed, most first; empty for a file of an earlier version."""
    found: Counter[str] = Counter()
    for call in (*content["calls"], *content.get("resumed", ())):
        keys = {each["id"]: each["key"] for each in call.get("columns", ())}
        for block in call.get("failed", ()):
            found.update({keys.get(column, column): len(block["rows"]) for column in block["columns"]})
    words = [f"{code(key)} {number(cells)}" for key, cells in found.most_common(MOST_COLUMNS)]
    more = len(found) - MOST_COLUMNS
    return f": {', '.join(words)}{f' and {number(more)} more' if more > 0 else ''}" if words else ""


def yield_of(of: Document) -> Yield:
    """Return what a report file says of a column's answers."""
    credits_ = of.get("credits")
    return Yield(of["answers"], of["changed"], None if credits_ is None else Decimal(str(credits_)))


def _judged(of: Document) -> str:
    """Return how the answers differ from what was expected, as sentences that follow another one."""
    return "".join(f" {code(judgement_words(Judgement.of(each)), 400)}." for each in of.get("expect", ()))


def _sections(content: Document) -> Iterator[Section]:
    doubtful = [*content["in_doubt_before"], *(call for call in content["calls"] if call["state"] == "in_doubt")]
    if doubtful:
        rows = [
            f"- {code(call['id'])} {code(call['address'])}, {_count(call['cells'], 'cell')}, "
            f"{number(call['credits'])} credits"
            for call in doubtful
        ]
        yield Section("call in doubt", rows, "#### In doubt\n", _RESOLVE)
    if content["by_manifest"]:
        yield Section("manifest", [_manifest(line) for line in content["by_manifest"]], rows_head(*_TITLES))
    if content["calls"]:
        titles = rows_head("call", "run", "mode", "cells:", "requested:", "credits:", "outcome", "detail")
        yield folded("Calls", "call", titles, [_call(call) for call in content["calls"]])


def _manifest(line: Document) -> str:
    waited = [number(line[key]) if line[key] is not None else "" for key in _WAITED]
    return row(cell(line["manifest"]), *(number(line[key]) for key in _COLUMNS), *waited, number(line["credits"]))


def _call(call: Document) -> str:
    requested = "" if call["requested_cells"] is None else number(call["requested_cells"])
    state = STATES.get(call["state"], str(call["state"]))
    detail = cell(call["detail"], 200) if call["detail"] else ""
    sizes = [number(call["cells"]), requested, number(call["credits"])]
    address = cell(call["address"]) + (f": {cell(call['table_name'])}" if call.get("table_name") else "")
    return row(cell(call["id"][:8]), address, cell(call["mode"]), *sizes, cell(state), detail)


def _count(count: int, noun: str) -> str:
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"
