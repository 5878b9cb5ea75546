"""A snapshot of the live tables as a person reads it: when it was taken, and what each table shows."""

from collections.abc import Iterator

from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.observed import CellCounts
from reconciler.render.markdown import LIMIT, Section, cell, code, fit, number, row, rows_head
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

_STATES = ("done", "failed", "empty", "in_progress", "unknown")
_POINTER = "`show --format text` has all of it."


def snapshot_headline(live: LiveSnapshot) -> str:
    """Return how much it holds, in one line."""
    cells = sum(len(states) for table in live.snapshots.values() for states in table.states.values())
    return f"Snapshot: {counted(len(live.snapshots), 'table')}, {counted(cells, 'cell')}"


def origin_words(live: LiveSnapshot) -> str:
    """Say when it was taken, of which API, and whether its signature was checked."""
    checked = "its signature is right" if live.verified else "its signature was not checked: there is no key here"
    return f"Taken {one_line(live.taken_at)} of {one_line(live.base_url)}; {checked}."


def snapshot_text(live: LiveSnapshot) -> str:
    """Return a snapshot as text, without a newline at its end."""
    lines = [f"{snapshot_headline(live)}. {origin_words(live)}", ""]
    for table in live.snapshots.values():
        calls = counted(len(live.histories[table.id].calls), "call")
        lines.append(
            f"{one_line(table.name)} · {counted(table.num_rows, 'row')} · {one_line(table.run_status)} · {calls}"
        )
        shown = CellCounts.of(table.states.values())
        found = [f"{getattr(shown, state):,} {state.replace('_', ' ')}" for state in _STATES if getattr(shown, state)]
        lines.append(f"  {', '.join(found) or 'no cells'}")
    lines += [f"{text}" for text in unread_words(live)]
    return "\n".join(lines).rstrip("\n")


def unread_words(live: LiveSnapshot) -> Iterator[str]:
    """Say of each table that could not be read why."""
    for id_, (message, hint) in live.unreadable.items():
        yield f"table {id_} could not be read: {one_line(message)} {one_line(hint)}".rstrip()


def snapshot_markdown(live: LiveSnapshot) -> str:
    """Return a snapshot as Markdown, without a newline at its end."""
    titles = rows_head("table", "table is", "rows:", *(f"{state.replace('_', ' ')}:" for state in _STATES), "calls:")
    rows = []
    for table in live.snapshots.values():
        shown = CellCounts.of(table.states.values())
        counts = [number(getattr(shown, state)) for state in _STATES]
        calls = number(len(live.histories[table.id].calls))
        rows.append(row(cell(table.name), cell(table.run_status), number(table.num_rows), *counts, calls))
    sections = [Section("table", rows, titles)] if rows else []
    unread = [f"- {code(text, 400)}" for text in unread_words(live)]
    sections += [Section("unreadable table", unread, "#### Not read\n")] if unread else []
    checked = "its signature is right" if live.verified else "its signature was not checked"
    foot = f"Taken {code(live.taken_at)} of {code(live.base_url)}; {checked}."
    return fit(f"### {snapshot_headline(live)}", sections, foot, _POINTER, LIMIT)
