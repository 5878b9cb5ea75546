"""The explanation of cells as text: by run and column, each verdict with its rows, its calls, and its end."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from reconciler.model.history import PastCall
from reconciler.model.plan import Reason, SkipReason
from reconciler.planning.explanation import ExplainedCells
from reconciler.render.colour import Colour, Paint
from reconciler.render.plan_parts import price_text
from reconciler.text.numbers import counted, duration
from reconciler.text.sanitize import one_line

MOST_ROWS = 3
MOST_CALLS = 5
"""Listed for one group of cells; the JSON has all."""

DUE = {
    Reason.CELLS_EMPTY: ("+", "no value yet"),
    Reason.CELLS_FAILED: ("!", "failed"),
    Reason.REVISION_CHANGED: ("~", "not run at this revision"),
    Reason.CONFIG_CHANGED: ("~", "not run with the column's present configuration"),
    Reason.CELLS_STALE: ("~", "last run longer ago than `refresh` allows"),
}
GLYPHS = {
    SkipReason.IN_DOUBT: "?",
    **dict.fromkeys((SkipReason.IN_PROGRESS, SkipReason.WAITING, SkipReason.WAITING_FOR_TABLE), "…"),
}
AT_REST = (SkipReason.DONE, SkipReason.SATISFIED)
"""Wanted as they are: how they could be bought again must not read like advice to do so."""


def explain_text(found: Sequence[ExplainedCells], paint: Paint) -> str:
    """Return the explanation; a sentence if no cell was asked about."""
    if not found:
        return "No such cell is in the scope of a run: the run's rows leave it out, or another run takes it."
    parts = []
    for (address, table), of_run in groupby(found, lambda each: (each.address, each.table_name)):
        lines = [paint(f"{one_line(address)}   {one_line(table)}", Colour.STRONG)]
        for column, groups in groupby(of_run, lambda each: each.column):
            lines.append(f"  {one_line(column)}")
            for group in groups:
                lines += [f"    {line}" for line in _group(group, paint)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def reason_words(group: ExplainedCells) -> str:
    """Return a verdict in words, to follow a number of cells."""
    if isinstance(group.reason, Reason):
        return f"due, {DUE[group.reason][1]}"
    return group.reason.phrase


def _group(group: ExplainedCells, paint: Paint) -> Iterator[str]:
    if isinstance(group.reason, Reason):
        glyph = paint(DUE[group.reason][0], Colour.GOOD)
    else:
        glyph = GLYPHS.get(group.reason, "·")
    yield f"{glyph} {counted(group.cells, 'cell')} {reason_words(group)}"
    yield f"    {'row' if group.cells == 1 else 'rows'} {_some([one_line(row) for row in group.rows], MOST_ROWS)}"
    if group.planned:
        noun = "call" if len(group.planned) == 1 else "calls"
        yield f"    in {noun} {_some([id_[:8] for id_ in group.planned], MOST_CALLS)} of the plan"
    if group.waits_for:
        yield f"    waits for {_some([one_line(each) for each in group.waits_for], MOST_CALLS)}"
    for call in group.covered_by[-MOST_CALLS:]:
        yield f"    covered by {_call(call)}"
    if len(group.covered_by) > MOST_CALLS:
        yield f"    and by {counted(len(group.covered_by) - MOST_CALLS, 'older call')}"
    if group.bought_folded:
        times = "once" if group.bought_folded == 1 else f"{group.bought_folded:,} times"
        where = f"reconciler ledger list --address {one_line(group.address)}"
        yield f"    bought {times} by calls that are folded: `{where}`"
    for stale in group.stale:
        cells = len(stale.rows)
        verb, cost = "predates" if cells == 1 else "predate", price_text(stale.cost.total)
        yield f"    {counted(cells, 'cell')} {verb} the present {stale.outdated}: {cost}"
    if group.reason in AT_REST:
        yield f"    nothing to do; only {group.would_change} would buy {'it' if group.cells == 1 else 'them'} again"
    else:
        yield f"    would change with {group.would_change}"


def _call(call: PastCall) -> str:
    state = "in doubt" if call.is_open else "settled" if call.settled else call.state.value.replace("_", " ")
    revision = f" {one_line(call.revision)}" if call.revision else ""
    by = f" by {one_line(call.actor)}" if call.actor else ""
    return (
        f"{call.id[:8]} {one_line(call.address)}, {call.mode}{revision}, {state}, {duration(call.age_seconds)} ago{by}"
    )


def _some(names: Sequence[str], most: int) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
