"""A plan file for a reviewer: the totals first, then what this change causes, then one table per manifest.

Rendered from the document that `plan_file.py` makes and `schemas/plan.v1.json` describes, because a comment is written
from a file that another job made: all of its texts are untrusted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from reconciler.model.credits import Credits
from reconciler.model.plan import SkipReason
from reconciler.render.budget_words import budget_lines
from reconciler.render.markdown import LIMIT, Section, cell, code, fit, folded, number, row, rows_head
from reconciler.render.plan_parts import waited_for
from reconciler.render.plan_text import MOST_TABLES
from reconciler.render.staleness import next_due_as_written, older_than_as_written
from reconciler.text.numbers import counted, duration
from reconciler.text.sanitize import one_line

Document = Mapping[str, Any]
ByRun = Mapping[tuple[str | None, str], Sequence[Document]]
"""Table id and address → calls or skips."""

POINTER = "The plan file has all of it."
_RUN_TITLES = ("run", "mode", "columns", "rows:", "cells:", "credits:", "reason")
_QUIET = {reason.value for reason in SkipReason if reason.is_as_wanted}
_REASONS = {
    "cells_empty": "no value yet",
    "cells_failed": "failed",
    "config_changed": "not run with the present configuration",
}
_CAUSES = {"change": "this change", "due": "due anyway"}
_NAMED_COLUMNS = 3
_OLDEST = 10**10
"""Seconds; a file may state any age."""


def plan_markdown(content: Document, title: str = "Plan", pointer: str = POINTER, limit: int = LIMIT) -> str:
    """Return a plan file's content as Markdown of at most `limit` bytes, without a newline at its end.

    `title` and `pointer` are the caller's own Markdown.
    """
    parts = (f"### {plan_headline(content, title)}", _verdict(content), _split(content))
    head = "\n\n".join(part for part in parts if part)
    return fit(head, _sections(content), _foot(content), pointer, limit)


def plan_headline(content: Document, title: str = "Plan") -> str:
    """Return the totals on one line; only its numbers come from outside."""
    sums = content["totals"]
    if content["errored"]:
        return f"{title}: {counted(len(content['diagnostics']), 'error')}, cannot be applied"
    if not content["calls"]:
        skipped = sum(skip["cells"] for skip in content["skipped"] if skip["reason"] not in _QUIET)
        left = f", {number(skipped)} cells skipped" if skipped or content["in_doubt"] else ""
        return f"{title}: nothing to do in {_count(sums['tables'], 'table')}{left}"
    sizes = [_count(sums[f"{noun}s"], noun) for noun in ("table", "call", "cell")]
    return f"{title}: {', '.join(sizes)}, {_price(content)}{_against_limits(content)}"


def _price(content: Document) -> str:
    sums = content["totals"]
    if sums["credits"] is not None:
        return f"{number(sums['credits'])} credits"
    known = _cost(content["calls"]).known
    return f"{number(known)} credits and {_count(sums['unpriced_cells'], 'cell')} of unknown price"


def _against_limits(content: Document) -> str:
    limits = content.get("limits") or {}
    found = [
        f"{number(limits[name])} {noun}"
        for name, noun in (("max_credits", "credits"), ("max_cells", "cells"))
        if limits.get(name) is not None
    ]
    return f" (limit {', '.join(found)})" if found else ""


def balance_words(content: Document) -> str:
    """Return how many credits the account has and what is left of them; empty if the API was not asked."""
    balance = content.get("balance")
    if balance is None or not content["calls"]:
        return ""
    if balance["unlimited"]:
        return "The account has unlimited credits."
    if balance["available"] is None:
        return "The account's balance is unknown."
    left = balance["after"]
    rest = "" if left is None or left < 0 else f", {number(left)} left"
    return f"It costs {number(_cost(content['calls']).known)} of {number(balance['available'])} credits{rest}."


def _verdict(content: Document) -> str:
    lines = [line for line in [balance_words(content)] if line]
    lines += [f"{line}." for line in budget_lines(content.get("budgets", ()), code, "Budget of ")]
    if content["errored"]:
        lines.append("**The plan has errors and cannot be applied.**")
    if content["violations"]:
        lines.append(f"**An apply would be refused:** {counted(len(content['violations']), 'limit')} exceeded.")
    for growth in content.get("growth", ()):
        rows, most = growth.get("max_rows"), "no `allow_growth`"
        if growth["max_cells"] is not None:
            most = f"at most {_count(growth['max_cells'], 'cell')}"
        until = f"cells unknown until {code(growth['because'])} has run"
        if rows is not None:
            until = f"{_count(rows, 'row')} at most once {code(growth['because'])} has run"
            most += "" if growth["max_credits"] is None else f", {number(growth['max_credits'])} credits"
        lines.append(f"{code(growth['manifest'])}: {until}; {most}.")
    waves = max((call["wave"] for call in content["calls"]), default=1)
    if waves > 1:
        lines.append(f"In {number(waves)} waves: each is sent once the previous one has ended.")
    if content["in_doubt"]:
        lines.append(f"**In doubt:** {counted(len(content['in_doubt']), 'call')} of an earlier apply.")
    live = content.get("live")
    if live:
        checked = "its signature is valid" if live["verified"] else "its signature was not checked"
        lines.append(
            f"Planned from a snapshot of the live tables, {duration(min(live['age_seconds'], _OLDEST))} old; {checked}."
        )
    selected = [*content["targeted"]["include"], *content["targeted"]["exclude"]]
    if selected:
        lines.append(f"Narrowed by {counted(len(selected), 'selector')}: not every run is included.")
    return "\\\n".join(lines)


def _split(content: Document) -> str:
    """Return the answer to the reviewer's question: what does this change cost?"""
    if "against" not in content:
        return ""
    caused = [call for call in content["calls"] if call.get("cause") == "change"]
    anyway = [call for call in content["calls"] if call.get("cause") != "change"]
    ours = f"**This change causes {_sums(caused)}.**" if caused else "**This change causes no call.**"
    parts = [ours, f"Due anyway: {_sums(anyway)}." if anyway else ""]
    dropped = content["against"].get("no_longer_due")
    if dropped and dropped["calls"]:
        sizes = [_count(dropped[f"{noun}s"], noun) for noun in ("call", "cell")]
        parts.append(f"No longer due: {', '.join(sizes)}, {number(dropped['credits'])} credits.")
    return " ".join(part for part in parts if part)


def _sums(calls: Sequence[Document]) -> str:
    cells = sum(call["cells"] for call in calls)
    return f"{counted(len(calls), 'call')}, {_count(cells, 'cell')}, {_credits(calls)} credits"


def _sections(content: Document) -> Iterator[Section]:
    if content["diagnostics"]:
        yield Section("problem", [_problem(each) for each in content["diagnostics"]], "#### Problems\n")
    if content["violations"]:
        yield Section("limit", [_violation(each) for each in content["violations"]], "#### Limits\n")
    if content["in_doubt"]:
        yield Section("call in doubt", [_open_call(each) for each in content["in_doubt"]], "#### In doubt\n", _RESOLVE)
    against = content.get("against")
    if against and against["changes"]:
        head = f"#### What changes against {code(against['ref'])}\n"
        yield Section("change", [_change(each) for each in against["changes"]], head)
    yield from _manifests(content)
    if content.get("pending"):
        rows = [f"- {code(each['manifest'])} waits for {code(each['waits_for'])}" for each in content["pending"]]
        yield Section("manifest without a table", rows, "#### Waiting for their table\n")


def _problem(problem: Document) -> str:
    hint = f" {code(problem['hint'], 400)}" if problem["hint"] else ""
    return f"- {_place(problem)} {code(problem['message'], 400)}{hint}"


def _violation(violation: Document) -> str:
    who = f"; to be raised by {code(violation['contact'])}" if violation.get("contact") else ""
    return (
        f"- {code(violation['rule'])} {code(violation['message'], 400)}, set in {code(violation['set_at'], 200)}{who}"
    )


_RESOLVE = """
Each may have been paid for, so it is not sent again. It settles by itself once the table shows that it ran. Otherwise \
look at the table, then say which: `reconciler ledger resolve CALL --landed` or `--not-landed`, with `--reason`."""


def _open_call(call: Document) -> str:
    return f"- {code(call['id'])} {code(call['address'])}, {_count(call['cells'], 'cell')}, {_credits([call])} credits"


def _change(change: Document) -> str:
    address = f"{code(change['address'])} " if change.get("address") else ""
    location = f" ({_place(change)})" if change.get("path") else ""
    return f"- {address}{code(change['text'], 400)}{location}"


def _place(of: Document) -> str:
    return code(f"{of['path']}:{of['line']}:{of['column']}", 400)


def _manifests(content: Document) -> Iterator[Section]:
    """Yield a section for each manifest with calls (only the largest if there are many), then one for the others."""
    calls, skips = _by_run(content["calls"]), _by_run(content["skipped"])
    due = {index: _of(table, calls) for index, table in enumerate(content["tables"])}
    busy = [index for index, found in due.items() if found]
    largest = set(sorted(busy, key=lambda index: -sum(call["cells"] for call in due[index]))[:MOST_TABLES])
    quiet = []
    for index, table in enumerate(content["tables"]):
        if index in largest:
            yield _manifest(table, calls, skips, is_split="against" in content)
        elif not due[index]:
            skipped = _skipped(_of(table, skips)) or "nothing in scope"
            later = _next_due(table)
            cells = f"{skipped}; {later}" if later else skipped
            quiet.append(row(_titled(table["manifest"], table), cell(table["run_status"]), cells))
    rest = [index for index in busy if index not in largest]
    if rest:
        found = [call for index in rest for call in due[index]]
        yield Section("line", [f"… and {counted(len(rest), 'smaller manifest')}: {_sums(found)}. {POINTER}"])
    if quiet:
        yield folded("Nothing due", "manifest", rows_head("manifest", "table is", "cells"), quiet)
    shown = {
        (table["table_id"], run["address"]): table
        for table in (content["tables"][index] for index in largest)
        for run in table["runs"]
    }
    listed = [
        _call(call, table)
        for call in content["calls"]
        if (table := shown.get((call["table_id"], call["address"]))) is not None
    ]
    if listed:
        titles = rows_head("call", "run", "columns", "rows:", "cells:", "credits:", "wave:")
        yield folded("Calls", "call", titles, listed)


def _by_run(items: Iterable[Document]) -> ByRun:
    """Group calls or skips by table and address; a skip names no table if its address stands for only one."""
    grouped: dict[tuple[str | None, str], list[Document]] = {}
    for item in items:
        grouped.setdefault((item.get("table_id"), item["address"]), []).append(item)
    return grouped


def _of_run(table: Document, run: Document, grouped: ByRun) -> list[Document]:
    keys = ((table["table_id"], run["address"]), (None, run["address"]))
    return [item for key in keys for item in grouped.get(key, ())]


def _of(table: Document, grouped: ByRun) -> list[Document]:
    return [item for run in table["runs"] for item in _of_run(table, run, grouped)]


def _titled(text: str, table: Document) -> str:
    """Return a manifest's name or an address as a cell, adding the table's name if it may stand for several tables."""
    return f"{cell(text)}: {cell(table['name'])}" if "tag" in table.get("found_by", ()) else cell(text)


def _manifest(table: Document, calls: ByRun, skips: ByRun, *, is_split: bool) -> Section:
    rows = [line for run in table["runs"] for line in _run_rows(run, _of_run(table, run, calls), is_split=is_split)]
    title = f"#### {code(table['manifest'])}: {code(table['name'])}, {_count(table['rows'], 'row')}"
    titles = rows_head(*_RUN_TITLES, "because of") if is_split else rows_head(*_RUN_TITLES)
    skipped = _skipped(_of(table, skips))
    later = _next_due(table)
    foot = "\n".join([skipped and f"\nSkipped: {skipped}", later and f"\nThe {later}."]).strip("\n")
    return Section("run", rows, f"{title}, {code(table['run_status'])}\n\n{titles}", foot and f"\n{foot}")


def _next_due(table: Document) -> str:
    """Return when the first cell of a table that is fresh now falls due; empty if no run says so."""
    found = sorted(filter(None, map(next_due_as_written, table["runs"])))
    return f"next cell falls due {found[0]}" if found else ""


def _run_rows(run: Document, due: Sequence[Document], *, is_split: bool) -> list[str]:
    """Return one row for the run, or one for each cause among its calls."""
    if not due:
        return [row(*_run_name(run), "", "", "0", "0", "nothing due", *([""] if is_split else []))]
    if not is_split:
        return [_run(run, due, None)]
    by_cause = {cause: [call for call in due if call.get("cause", "due") == cause] for cause in _CAUSES}
    return [_run(run, found, cause) for cause, found in by_cause.items() if found]


def _run(run: Document, due: Sequence[Document], cause: str | None) -> str:
    keys = list(dict.fromkeys(key for call in due for key in call["column_keys"]))
    named = ", ".join(cell(key, 40) for key in keys[:_NAMED_COLUMNS])
    more = f" and {len(keys) - _NAMED_COLUMNS:,} more" if len(keys) > _NAMED_COLUMNS else ""
    rows = len({id_ for call in due for id_ in call["rows"]})
    reason = due[0]["reason"]
    words = _REASONS.get(reason) or f"revision {cell(run['revision'] or '')} not run"
    if reason == "cells_stale":
        words = f"older than {cell(older_than_as_written(run))}, or never run"
    split = f", {len(due):,} calls" if len(due) > 1 else ""
    fields = [*_run_name(run), named + more, f"{rows:,}", number(sum(call["cells"] for call in due)), _credits(due)]
    return row(*fields, words + split, *([_CAUSES[cause]] if cause else []))


def _run_name(run: Document) -> tuple[str, str]:
    return cell(run["address"].partition("/")[2]), cell(run["mode"])


def _skipped(skips: Sequence[Document]) -> str:
    """Return the number of skipped cells by reason, ending with those that need nothing."""
    by_reason: Counter[str] = Counter()
    waits: dict[str, bool] = {}
    for skip in skips:
        by_reason[skip["reason"]] += skip["cells"]
        for each in skip.get("waits_for", ()):
            waits[each["column"]] = waits.get(each["column"], False) or each["implied"]
    words = {reason.value: reason.phrase for reason in SkipReason}
    words[SkipReason.BLOCKED] += waited_for(sorted(waits.items()), cell)
    return " · ".join(f"{number(by_reason[reason])} {words[reason]}" for reason in words if by_reason[reason])


def _call(call: Document, table: Document) -> str:
    columns = ", ".join(cell(key, 40) for key in call["column_keys"][:20])
    more = f" and {len(call['column_keys']) - 20:,} more" if len(call["column_keys"]) > 20 else ""
    sizes = [f"{len(call['rows']):,}", number(call["cells"]), _credits([call]), number(call["wave"])]
    return row(cell(call["id"][:8]), _titled(call["address"], table), columns + more, *sizes)


def _credits(calls: Sequence[Document]) -> str:
    return number(_cost(calls).total)


def _cost(calls: Iterable[Document]) -> Credits:
    """Sum the cost of a plan file's calls, exactly: its numbers are read as text."""
    return Credits.sum(
        (None if call["credits"] is None else Decimal(str(call["credits"])), call["cells"]) for call in calls
    )


def _count(count: int, noun: str) -> str:
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"


def _foot(content: Document) -> str:
    git = content["git"]
    commit = f" of commit {code(git['sha'][:12])}" + (" with changes" if git["dirty"] else "") if git else ""
    made = one_line(content["created_at"], 40)
    return f"Nothing was sent. Plan {code(content['plan_id'][:19])}{commit}, made {code(made)}."
