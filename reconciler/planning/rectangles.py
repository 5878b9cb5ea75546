"""Cover due cells with few rectangles: a run call takes columns × rows, and must not take a cell it should not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.model import row_set
from reconciler.model.history import Block

MOST_COLUMNS = 250
"""Columns of one rectangle; row counts are added up in one byte a row."""


@dataclass(frozen=True, slots=True)
class ColumnCells:
    """What one column offers to a run: row masks."""

    column: str
    due: int
    harmless: int
    """Rows that a call may cover in passing, because its mode leaves their cells alone."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A call's columns × rows, all of them due or harmless."""

    parts: tuple[ColumnCells, ...]
    """Its columns, in the table's order."""
    rows: int
    """Row mask: every row in which at least one of its columns is due."""
    start: int
    """Row that its masks begin with."""
    length: int
    """Rows that its masks are made for."""

    def due(self, part: ColumnCells) -> int:
        """Return the rows of the rectangle in which the column is due."""
        return part.due & self.rows

    def blocks(self, names: Mapping[int, str]) -> tuple[Block, ...]:
        """Return its due cells, columns with equal rows together; `names` holds the ids of its rows."""
        by_rows: dict[int, list[str]] = {}
        for part in self.parts:
            by_rows.setdefault(self.due(part), []).append(part.column)
        return tuple(
            Block(tuple(columns), tuple(names[at] for at in row_set.indexes(rows, self.length)))
            for rows, columns in by_rows.items()
        )

    @property
    def cells(self) -> int:
        """Due cells in it."""
        return sum(row_set.count(self.due(part)) for part in self.parts)


def cover(columns: Sequence[ColumnCells], rows: int, most_cells: int) -> Iterator[Rectangle]:
    """Yield disjoint rectangles that hold every due cell of `columns` and nothing harmful, each `most_cells` at most.

    Greedy: columns with equal due rows share a rectangle, and a rectangle takes in another one where the cells added
    in passing are harmless.
    """
    wanted = [column for column in columns if column.due]
    for parts in _grouped(wanted, min(most_cells, MOST_COLUMNS)):
        union = 0
        for part in parts:
            union |= part.due
        yield from _split(Rectangle(tuple(parts), union, 0, rows), most_cells)


def _grouped(columns: Sequence[ColumnCells], most_columns: int) -> list[list[ColumnCells]]:
    """Group columns so that every group's union of rows is due or harmless in each of its columns."""
    position = {column.column: index for index, column in enumerate(columns)}
    groups: list[list[ColumnCells]] = []
    unions: list[int] = []
    # The largest first: a small set of rows fits into a large one more often than the other way round.
    for column in sorted(columns, key=lambda column: -row_set.count(column.due)):
        for index, group in enumerate(groups):
            union = unions[index] | column.due
            if len(group) < most_columns and all(not union & ~(part.due | part.harmless) for part in [*group, column]):
                group.append(column)
                unions[index] = union
                break
        else:
            groups.append([column])
            unions.append(column.due)
    for group in groups:
        group.sort(key=lambda column: position[column.column])
    return sorted(groups, key=lambda group: position[group[0].column])


def _split(rectangle: Rectangle, most_cells: int) -> Iterator[Rectangle]:
    """Cut a rectangle by rows so that no piece has more than `most_cells` due cells.

    The masks of a piece reach over its own rows alone: thousands of pieces must not each look at every row.
    """
    if rectangle.cells <= most_cells:
        yield rectangle
        return
    length = rectangle.length
    due_in_row = row_set.to_flags(sum(rectangle.due(part) for part in rectangle.parts), length)
    columns = [
        (part.column, row_set.to_flags(part.due, length), row_set.to_flags(part.harmless, length))
        for part in rectangle.parts
    ]
    wanted = row_set.to_flags(rectangle.rows, length)
    start = stop = cells = 0
    for index in row_set.indexes(rectangle.rows, length):
        if cells + due_in_row[index] > most_cells:
            yield _piece(columns, wanted, start, stop)
            start, cells = index, 0
        elif not cells:
            start = index
        stop = index + 1
        cells += due_in_row[index]
    yield _piece(columns, wanted, start, stop)


def _piece(columns: Sequence[tuple[str, bytes, bytes]], wanted: bytes, start: int, stop: int) -> Rectangle:
    """The part of a rectangle from row `start` to before `stop`, without the columns that have nothing due there."""
    parts = (
        ColumnCells(column, row_set.from_flags(due[start:stop]), row_set.from_flags(harmless[start:stop]))
        for column, due, harmless in columns
    )
    rows = row_set.from_flags(wanted[start:stop])
    return Rectangle(tuple(part for part in parts if part.due & rows), rows, start, stop - start)
