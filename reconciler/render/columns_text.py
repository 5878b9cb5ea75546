"""The columns of calls, each with its cells and, if asked for, its rows: `funding 12 cells, pitch 3`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reconciler.model.history import Block
from reconciler.model.plan import Call
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

MOST_COLUMNS = 12
"""Columns named in one line."""


@dataclass(slots=True)
class ColumnCells:
    """The due cells of one column."""

    key: str
    cells: int | None = 0
    """None if a saved plan does not say how many of a call's rectangle are due in it."""
    rows: list[str] = field(default_factory=list)
    """Their rows, if they were asked for."""


def columns_of(calls: Iterable[Call], *, rows: bool = False) -> list[ColumnCells]:
    """Return the columns of calls, in the order of the calls, each once; with their `rows` if asked for."""
    found: dict[str, ColumnCells] = {}
    for call in calls:
        for column, key in zip(call.columns, call.column_keys, strict=True):
            found.setdefault(column, ColumnCells(key))
        blocks = call.covered or _rectangle(call)
        if not blocks:
            for column in call.columns:
                found[column].cells = None
        _add(found, blocks, rows=rows)
    return list(found.values())


def columns_of_cells(call: Call, cells: Iterable[Block], *, rows: bool = False) -> list[ColumnCells]:
    """Return the columns of some of a call's cells, likewise."""
    found = {column: ColumnCells(key) for column, key in zip(call.columns, call.column_keys, strict=True)}
    _add(found, cells, rows=rows)
    return [each for each in found.values() if each.cells]


def _add(found: dict[str, ColumnCells], blocks: Iterable[Block], *, rows: bool) -> None:
    for block in blocks:
        for column in block.columns:
            of = found.setdefault(column, ColumnCells(column))
            of.cells = None if of.cells is None else of.cells + len(block.rows)
            if rows:
                of.rows += block.rows


def _rectangle(call: Call) -> tuple[Block, ...]:
    """Return the cells of a saved plan's call, if all of its rectangle are due."""
    is_full = call.cells == len(call.columns) * len(call.rows)
    return (Block(call.columns, call.rows),) if is_full else ()


def columns_words(columns: Sequence[ColumnCells], most: int = MOST_COLUMNS) -> str:
    """Return `funding 12 cells, pitch 3 and 8 more columns`; a column alone where its cells are unknown."""
    words, noun = [], True
    for column in columns[:most]:
        key = one_line(column.key)
        if column.cells is None:
            words.append(key)
        else:
            words.append(f"{key} {counted(column.cells, 'cell') if noun else f'{column.cells:,}'}")
            noun = False
    left = len(columns) - most
    return ", ".join(words) + (f" and {counted(left, 'more column')}" if left > 0 else "")


def columns_lines(calls: Iterable[Call], indent: str, *, rows: bool) -> list[str]:
    """Return the lines that name the columns of calls, one per column if their rows are asked for; none if unknown."""
    columns = columns_of(calls, rows=rows)
    if not columns:
        return []
    if not rows:
        return [indent + columns_words(columns)]
    return [indent + with_rows(column) for column in columns]


def with_rows(column: ColumnCells, most: int | None = None) -> str:
    """Return `pitch 2 cells in rows a, b`, at most so many rows."""
    if column.cells is None:
        return f"{one_line(column.key)} in rows that a saved plan does not tell apart"
    left = 0 if most is None else len(column.rows) - most
    rows = ", ".join(map(one_line, column.rows[:most])) + (f" and {left:,} more" if left > 0 else "")
    return f"{columns_words([column])} in {'row' if column.cells == 1 else 'rows'} {rows}"
