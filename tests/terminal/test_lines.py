"""Lines that fit their terminal: what is broken, where, and what is left whole."""

import pytest

from reconciler.cli.scaffold import NEXT_STEPS
from reconciler.render.alignment import aligned, table, width_of, wrapped
from reconciler.render.colour import Colour, coloured
from reconciler.render.forecast_text import bars_line, forecast_text
from tests.pages.worlds import a_forecast

ROW = "00000000-0000-4000-b000-000000000021"


def test_a_line_breaks_between_cells_before_it_breaks_within_one() -> None:
    """The rest is indented, and a number stays with its noun."""
    assert wrapped("  + fill  new  2 columns  1,269 cells  no value yet, or never run", 32).split("\n") == [
        "  + fill  new  2 columns",
        "      1,269 cells",
        "      no value yet, or never run",
    ]


def test_a_sentence_breaks_between_words() -> None:
    """A command in backticks is one word."""
    assert wrapped("Apply all 7 cells with `reconciler apply`, or save them.", 24).split("\n") == [
        "Apply all 7 cells with",
        "  `reconciler apply`, or",
        "  save them.",
    ]


def test_a_command_is_still_one_when_it_is_copied() -> None:
    """Each break has its backslash."""
    line = '    reconciler ledger resolve 9f3c21 --not-landed  --reason "…"'
    told = wrapped(line, 40)
    assert told.replace("\\\n", "").split() == line.split()
    assert [line[-2:] for line in told.split("\n")[:-1]] == [" \\"]
    assert max(map(width_of, told.split("\n"))) <= 40


def test_a_number_stays_with_its_name_in_a_list() -> None:
    """So that no line begins with a number of which the name is elsewhere; thousands are no list."""
    assert wrapped("    funding 20 cells, pricing_notes 14, deep_research 18", 36).split("\n") == [
        "    funding 20 cells,",
        "        pricing_notes 14,",
        "        deep_research 18",
    ]
    assert "limit 1,000)" in wrapped("Plan: 4 calls, 84 cells, 84 credits (limit 1,000). It costs 84.", 40)


def test_a_long_word_stays_whole() -> None:
    """An id or a path is there to be copied; what is before and after it gives way."""
    assert wrapped(f"    news 1 cell in row {ROW}", 40).split("\n") == ["    news 1 cell in row", f"    {ROW}"]
    assert wrapped("at /a/path/that/is/wider/than/anything", 20).split("\n") == [
        "at",
        "  /a/path/that/is/wider/than/anything",
    ]


@pytest.mark.parametrize("text", ["", "short", "two\n\nparagraphs", "a" * 99])
def test_what_fits_or_cannot_be_broken_is_left_alone(text: str) -> None:
    """Empty lines, too; without a width every line is."""
    assert wrapped(text, 60) == text
    assert wrapped(text + " and more" * 20, None) == text + " and more" * 20


@pytest.mark.parametrize("width", [40, 80])
def test_a_forecast_and_the_next_steps_of_init_fit(width: int) -> None:
    """The bars too: of more days than places, several share one."""
    for text in (forecast_text(a_forecast(), width), NEXT_STEPS):
        lines = [line for line in wrapped(text, width).split("\n") if "<img" not in line]  # a name stays whole
        assert max(map(width_of, lines)) <= width
    days = [{"date": f"day {number}", "credits": number, "cells": 1} for number in range(366)]
    assert width_of(bars_line(days, width).partition(" ")[0]) <= width


def test_colour_takes_no_room_and_a_wide_character_takes_two() -> None:
    """As on a terminal; a combining one takes none."""
    assert [width_of(text) for text in (coloured("news", Colour.BAD), "会社", "e\u0301")] == [4, 4, 1]
    assert aligned([("会社", "x"), ("name", "y")]) == ["会社  x", "name  y"]
    painted = coloured("  one two three four", Colour.NEW)
    assert [width_of(line) for line in wrapped(painted, 12).split("\n")] == [9, 9, 8]


def test_rows_written_one_at_a_time_stand_below_each_other() -> None:
    """Given the widths that columns have at least."""
    assert [aligned([row], least={0: 8})[0] for row in (("a", "1"), ("longer", "2"))] == ["a         1", "longer    2"]


def test_a_table_that_is_too_wide_breaks_at_the_same_cells_in_every_row() -> None:
    """A continued line stands below its heading; without a width, or in one that is enough, nothing breaks."""
    rows = [("CALL", "RUN", "CELLS", "BY"), ("9f3c21", "a/fill", "1,240", "ana"), ("b2", "partners/fill", "7", "会")]
    assert table(rows, {2}, 24) == [
        "CALL    RUN",
        "    CELLS  BY",
        "9f3c21  a/fill",
        "    1,240  ana",
        "b2      partners/fill",
        "        7  会",
    ]
    assert table(rows, {2}, 33) == table(rows, {2}) == aligned(rows, {2})
    assert max(map(width_of, table(rows, {2}, 20))) <= 20


def test_a_name_without_an_end_is_cut_to_the_terminal() -> None:
    """The figures beside it stay in sight; a pipe, which has no width, gets the name whole."""
    rows = [["NAME", "CELLS"], ["x" * 10_000, "7"], ["\x1b[1m" + "好" * 500 + "\x1b[0m", "8"]]
    shown = table(rows, {1}, 40)
    assert max(map(width_of, shown)) <= 40
    assert [line.split()[-1] for line in shown if line.split()[-1].isdecimal()] == ["7", "8"]
    assert len([line for line in shown if line.endswith("…")]) == 2
    assert "x" * 10_000 in table(rows, {1})[1]
