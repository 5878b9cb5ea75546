"""Status on one screen."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from reconciler.planning.status import ManifestStatus, RunStatus, Status
from reconciler.render.alignment import aligned, width_of
from reconciler.render.colour import MODE_COLOURS, Colour, Paint
from reconciler.render.ended_text import ended_text
from reconciler.render.plan_parts import in_doubt_text, pending_text, price_text, problems_text
from reconciler.text.numbers import counted, moment_text
from reconciler.text.sanitize import one_line

Number: TypeAlias = Callable[[RunStatus], int | None]


def _showing(state: str) -> Number:
    """Return a function that counts a run's cells in `state`; it returns None if they were not read."""
    return lambda run: None if run.shown is None else int(getattr(run.shown, state))


_ALWAYS: tuple[tuple[str, Number], ...] = (
    ("DONE", _showing("done")),
    ("FAILED", _showing("failed")),
    ("EMPTY", _showing("empty")),
)
_WHERE_THERE_ARE_ANY: tuple[tuple[str, Number], ...] = (
    ("RUNNING", _showing("in_progress")),
    ("UNKNOWN", _showing("unknown")),
    ("BLOCKED", lambda run: run.blocked),
    ("NO INPUT", lambda run: run.missing_inputs),
    ("IN DOUBT", lambda run: run.in_doubt),
    ("NO ATTEMPT LEFT", lambda run: run.exhausted),
    ("AGE UNKNOWN", lambda run: run.age_unknown),
    ("HELD BACK", lambda run: run.held_back),
    ("WAITING", lambda run: run.behind),
)
_LAST: tuple[tuple[str, Number], ...] = (("DUE", lambda run: run.due),)
NOTHING, NOT_READ = "·", "-"
MOST_COLUMNS = 5
"""Columns with stale answers named for one run."""


def status_text(of: Status, paint: Paint, width: int | None = None) -> str:
    """Return the whole status, without a newline at its end; in `width` places, if the numbers must fit into them."""
    parts = [ended_text(of.ended, paint).rstrip("\n")] if of.ended else []
    if of.tables:
        parts.append(_tables(of.tables, paint, width))
    if of.pending:
        parts.append(pending_text(of.pending, paint))
    if of.in_doubt:
        parts.append(in_doubt_text(of.in_doubt, paint))
    if of.diagnostics:
        parts.append(problems_text(of.diagnostics, width, paint))
    parts.append(_summary(of))
    return "\n\n".join(parts)


def _tables(tables: Sequence[ManifestStatus], paint: Paint, width: int | None) -> str:
    """Return the tables with their runs; one heading covers the numbers of all runs."""
    runs = [run for table in tables for run in table.runs]
    heading, of_runs = _numbers(runs)
    is_narrow = width is not None and any(width_of(line) > width for line in of_runs)
    following = iter(map(_in_words, runs) if is_narrow else of_runs)
    lines = [paint(heading, Colour.QUIET)] if runs and not is_narrow else []
    for table in tables:
        title = [one_line(table.name), counted(table.rows, "row"), one_line(table.run_status)]
        if table.cells is not None and table.cells.in_progress:
            title.append(f"{counted(table.cells.in_progress, 'cell')} in progress")
        lines.append(f"{paint(table.manifest, Colour.STRONG)}   {' · '.join(title)}")
        if not table.runs:
            lines.append(paint("  not read: see the errors below", Colour.BAD))
        for run in table.runs:
            line = next(following)
            lines.append(paint(line, MODE_COLOURS[run.mode]) if run.due else line)
    return "\n".join(lines)


def _numbers(runs: Sequence[RunStatus]) -> tuple[str, list[str]]:
    """Return the heading, and each run's numbers below it."""
    columns = [*_ALWAYS, *(each for each in _WHERE_THERE_ARE_ANY if any(map(each[1], runs))), *_LAST]
    heads = [name for name, _ in columns]
    numbers = [[_number(number(run)) for _, number in columns] for run in runs]
    if any(run.next_due for run in runs):
        heads.append("NEXT DUE")
        for run, of_run in zip(runs, numbers, strict=True):
            of_run.append(NOTHING if run.next_due is None else moment_text(run.next_due))
    rows = [("  RUN", "MODE  ", *heads)]
    rows += [(f"  {_name(run)}", f"{run.mode:<6}", *each) for run, each in zip(runs, numbers, strict=True)]
    heading, *lines = aligned(rows, right=range(2, 2 + len(heads)))
    return heading, lines


def _in_words(run: RunStatus) -> str:
    """Return a run's numbers as a list, for a terminal that is too narrow for columns."""
    counts = [(name.lower(), number(run)) for name, number in (*_LAST, *_ALWAYS, *_WHERE_THERE_ARE_ANY)]
    words = [f"{number:,} {name}" for name, number in counts if number]
    if run.shown is None:
        words.append("not read")
    if run.next_due is not None:
        words.append(f"next due {moment_text(run.next_due)}")
    return f"  {_name(run)} {run.mode}: {', '.join(words) or 'no cells'}"


def _number(number: int | None) -> str:
    if number is None:
        return NOT_READ
    return f"{number:,}" if number else NOTHING


def _name(run: RunStatus) -> str:
    return run.address.partition("/")[2]


def _summary(of: Status) -> str:
    runs = [run for table in of.tables for run in table.runs]
    sizes = f"{counted(len(of.tables), 'table')}, {counted(len(runs), 'run')}"
    if of.diagnostics:
        return f"{sizes}; {counted(len(of.diagnostics), 'error')}. Nothing was sent."
    if of.due:
        return (
            f"{sizes}: {counted(of.due, 'cell')} due, {price_text(of.cost.total)}. `reconciler plan` shows the calls."
        )
    running = sum(not table.is_finished for table in of.tables)
    if running:
        return f"{sizes}: nothing due while {counted(running, 'table')} {'is' if running == 1 else 'are'} running."
    return f"{sizes}: nothing due."
