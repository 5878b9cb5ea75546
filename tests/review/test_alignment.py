"""Columns of text: as wide as they look, and no wider for what stands last in a row."""

from reconciler.render.alignment import aligned

BOLD = "\x1b[1mname\x1b[0m"


def test_colour_takes_no_room_and_a_last_cell_moves_no_column() -> None:
    """However long it is."""
    rows = [(BOLD, "1", "a reason"), ("longer name", "nothing due, for many reasons"), ("x", "1,000", "")]
    assert aligned(rows) == [
        f"{BOLD}         1      a reason",
        "longer name  nothing due, for many reasons",
        "x            1,000",
    ]


def test_numbers_end_below_each_other() -> None:
    """Also in the last column."""
    assert aligned([("A", "CELLS"), ("b", "7"), ("c", "1,234,567")], right={1}) == [
        "A      CELLS",
        "b          7",
        "c  1,234,567",
    ]


def test_without_rows_there_are_no_lines() -> None:
    """An empty list has no widths."""
    assert aligned([]) == []
