"""Cover due cells with few rectangles: a run call takes columns × rows, and must not take any other cell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

from reconciler.model.row_set import RowSet, counts

MOST_COLUMNS = 250
"""Columns per rectangle; counts are added up in one byte per row."""


@dataclass(frozen=True, slots=True)
class ColumnCells:
    """The cells of one column that a run may cover."""

    column: str
    due: RowSet
    harmless: RowSet
    """Rows that a call may cover in passing, because its mode leaves their cells alone."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A call's columns × rows, all of them due or harmless."""

    parts: tuple[ColumnCells, ...]
    """Its columns, in the table's order."""
    rows: RowSet
    """Every row in which at least one of its columns is due."""
    start: int
    """The table's row at which its sets begin: they cover only the rectangle's own range of rows."""

    def by_rows(self) -> dict[RowSet, list[str]]:
        """Return the different sets of due rows, each with its columns."""
        found: dict[RowSet, list[str]] = {}
        for part in self.parts:
            found.setdefault(part.due, []).append(part.column)
        return found

    @property
    def cells(self) -> int:
        """Due cells in it."""
        return sum(len(part.due) for part in self.parts)


def cover(columns: Sequence[ColumnCells], most_cells: int) -> Iterator[Rectangle]:
    """Yield disjoint rectangles that hold every due cell of `columns` and nothing harmful, each `most_cells` at most.

    Greedy: columns with equal due rows share a rectangle, and a rectangle absorbs another if the cells added in
    passing are harmless.
    """
    wanted = [column for column in columns if column.due]
    for parts in _grouped(wanted, min(most_cells, MOST_COLUMNS)):
        union = reduce(or_, (part.due for part in parts))
        yield from _split(Rectangle(tuple(parts), union, 0), most_cells)


def _grouped(columns: Sequence[ColumnCells], most_columns: int) -> list[list[ColumnCells]]:
    """Group columns so that every group's union of rows is due or harmless in each of its columns.

    Columns with equal due rows stay together, so that there are never more groups than different sets of due rows.
    """
    position = {column.column: index for index, column in enumerate(columns)}
    equal: dict[RowSet, list[ColumnCells]] = {}
    for column in columns:
        equal.setdefault(column.due, []).append(column)
    groups: list[list[ColumnCells]] = []
    unions: list[RowSet] = []
    allowed: list[RowSet] = []
    # Largest first: a small set of rows fits into a large one more often than the other way round.
    for due, alike in sorted(equal.items(), key=lambda each: -len(each[0])):
        for start in range(0, len(alike), most_columns):
            parts = alike[start : start + most_columns]
            may_cover = due | reduce(and_, (part.harmless for part in parts))
            for index, group in enumerate(groups):
                union, both = unions[index] | due, allowed[index] & may_cover
                if len(group) + len(parts) <= most_columns and not union - both:
                    group.extend(parts)
                    unions[index], allowed[index] = union, both
                    break
            else:
                groups.append(parts)
                unions.append(due)
                allowed.append(may_cover)
    for group in groups:
        group.sort(key=lambda column: position[column.column])
    return sorted(groups, key=lambda group: position[group[0].column])


def _split(rectangle: Rectangle, most_cells: int) -> Iterator[Rectangle]:
    """Cut a rectangle by rows so that no piece has more than `most_cells` due cells.

    The sets of a piece cover only its own rows: thousands of pieces must not each scan every row.
    """
    if rectangle.cells <= most_cells:
        yield rectangle
        return
    due_in_row = counts([part.due for part in rectangle.parts], rectangle.rows.rows)
    columns = [(part.column, part.due.flags(), part.harmless.flags()) for part in rectangle.parts]
    wanted = rectangle.rows.flags()
    start = stop = cells = 0
    for index in rectangle.rows:
        if cells + due_in_row[index] > most_cells:
            yield _piece(columns, wanted, start, stop)
            start, cells = index, 0
        elif not cells:
            start = index
        stop = index + 1
        cells += due_in_row[index]
    yield _piece(columns, wanted, start, stop)


def _piece(columns: Sequence[tuple[str, bytes, bytes]], wanted: bytes, start: int, stop: int) -> Rectangle:
    """Return the rows of a rectangle from `start` to before `stop`, without columns that have nothing due there."""
    parts = (
        ColumnCells(column, RowSet.of_flags(due[start:stop]), RowSet.of_flags(harmless[start:stop]))
        for column, due, harmless in columns
    )
    rows = RowSet.of_flags(wanted[start:stop])
    return Rectangle(tuple(part for part in parts if part.due), rows, start)
