"""Rectangles over due cells: all of them, each once, nothing harmful, bounded, and few."""

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.model.row_set import RowSet
from reconciler.planning.rectangles import MOST_COLUMNS, ColumnCells, Rectangle, cover
from tests.example_counts import examples


def column(name: str, cells: str) -> ColumnCells:
    """Return a column from a letter a row: `D` due, `o` harmless, `x` neither."""
    due = RowSet.of_indexes((row for row, letter in enumerate(cells) if letter == "D"), len(cells))
    return ColumnCells(
        name, due, RowSet.of_indexes((row for row, letter in enumerate(cells) if letter == "o"), len(cells))
    )


def shape(rectangle: Rectangle) -> tuple[str, list[int]]:
    """Return a rectangle's column names as one text, and its row numbers."""
    return "".join(part.column for part in rectangle.parts), rows_of(rectangle)


def rows_of(rectangle: Rectangle) -> list[int]:
    """Return a rectangle's row numbers in its table."""
    return [rectangle.start + row for row in rectangle.rows]


grids = st.integers(1, 7).flatmap(
    lambda rows: st.lists(st.text(alphabet="DDox", min_size=rows, max_size=rows), min_size=1, max_size=6)
)


@settings(max_examples=examples(1000))
@given(grids, st.integers(1, 12))
def test_rectangles_hold_every_due_cell_once_and_nothing_harmful(grid: list[str], most: int) -> None:
    """Disjoint in their due cells, exact together, harmless in the rest, bounded, without an idle row or column."""
    found: Counter[tuple[str, int]] = Counter()
    for rectangle in cover([column(str(index), cells) for index, cells in enumerate(grid)], most):
        due_rows: set[int] = set()
        for part in rectangle.parts:
            due = [rectangle.start + row for row in part.due]
            assert due
            assert not part.due - rectangle.rows
            assert all(grid[int(part.column)][row] in "Do" for row in rows_of(rectangle))
            found.update((part.column, row) for row in due)
            due_rows.update(due)
        assert due_rows == set(rows_of(rectangle))
        assert 0 < rectangle.cells <= most
        assert [part.column for part in rectangle.parts] == sorted(part.column for part in rectangle.parts)
    expected = {(str(index), row) for index, cells in enumerate(grid) for row, cell in enumerate(cells) if cell == "D"}
    assert found == Counter(expected)


@given(grids)
@example(["Do", "oD", "Dx", "xD"])
def test_columns_with_equal_rows_share_a_rectangle(grid: list[str]) -> None:
    """Never more rectangles than there are different sets of due rows."""
    columns = [column(str(index), cells) for index, cells in enumerate(grid)]
    different = {each.due for each in columns if each.due}
    assert len(list(cover(columns, 1000))) <= len(different)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["DDD", "DDD"], [("ab", [0, 1, 2])]),
        (["DDD", "DoD"], [("ab", [0, 1, 2])]),
        (["DDD", "DxD"], [("a", [0, 1, 2]), ("b", [0, 2])]),
        (["Dox", "oDx"], [("ab", [0, 1])]),
        (["xxx", "ooo"], []),
    ],
)
def test_a_rectangle_takes_in_another_column_where_that_is_harmless(
    cells: list[str], expected: list[tuple[str, list[int]]]
) -> None:
    """Small examples, as a person would draw them."""
    columns = [column(name, letters) for name, letters in zip("ab", cells, strict=False)]
    assert [shape(rectangle) for rectangle in cover(columns, 1000)] == expected


@pytest.mark.parametrize("most", [1, 249, 250, 251, 1000, 10**9])
def test_a_very_wide_table_is_covered_exactly(most: int) -> None:
    """More columns than a byte can count up to."""
    columns = [column(str(index), "DDD") for index in range(2 * MOST_COLUMNS + 100)]
    rectangles = list(cover(columns, most))
    cells = [(part.column, each.start + row) for each in rectangles for part in each.parts for row in part.due]
    assert len(cells) == len(set(cells)) == 3 * len(columns)
    assert max(each.cells for each in rectangles) <= most
    assert max(len(each.parts) for each in rectangles) <= MOST_COLUMNS


def test_a_long_table_is_cut_into_as_few_pieces_as_the_bound_allows() -> None:
    """Pieces are full, but for the last."""
    pieces = [rectangle.cells for rectangle in cover([column("a", "D" * 2500)], 1000)]
    assert pieces == [1000, 1000, 500]
