"""Colours: which streams show them, and that they can be read on any background and told apart."""

import math
import re
from itertools import combinations
from pathlib import Path

import pytest

from reconciler.render.colour import Colour, coloured, shows_colour
from reconciler.render.plan_parts import problems_text
from reconciler.render.plan_text import plan_text
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from tests.journey.desk import Desk
from tests.planning.golden_cases import read_case
from tests.terminal.test_screens import compare

LEVELS = (0, 95, 135, 175, 215, 255)
"""Of red, green and blue in the 216 colours that follow the first 16; greys follow them."""
TERMINAL, PIPE, FILE = "terminal", "pipe", "file"

CASES: list[tuple[dict[str, str], str, bool]] = [
    ({}, TERMINAL, True),
    ({}, PIPE, False),
    ({}, FILE, False),
    ({"NO_COLOR": "1"}, TERMINAL, False),
    ({"NO_COLOR": ""}, TERMINAL, True),
    ({"NO_COLOR": "1", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}, TERMINAL, False),
    ({"FORCE_COLOR": "1"}, PIPE, True),
    ({"FORCE_COLOR": "3"}, FILE, True),
    ({"FORCE_COLOR": "0"}, TERMINAL, False),
    ({"FORCE_COLOR": ""}, PIPE, False),
    ({"CLICOLOR_FORCE": "1"}, PIPE, True),
    ({"CLICOLOR_FORCE": "0"}, PIPE, False),
    ({"CLICOLOR_FORCE": "0"}, TERMINAL, True),
    ({"CLICOLOR": "0"}, TERMINAL, False),
    ({"CLICOLOR": "0", "CLICOLOR_FORCE": "1"}, TERMINAL, True),
    ({"TERM": "dumb"}, TERMINAL, False),
    ({"TERM": "dumb", "FORCE_COLOR": "1"}, TERMINAL, True),
    ({"GITHUB_ACTIONS": "true", "CI": "true"}, PIPE, True),
    ({"GITHUB_ACTIONS": "true", "CI": "true"}, FILE, False),
    ({"GITHUB_ACTIONS": "true", "NO_COLOR": "1"}, PIPE, False),
    ({"GITLAB_CI": "true", "CI": "true"}, PIPE, True),
    ({"CI": "true"}, PIPE, False),
]


@pytest.mark.parametrize(("variables", "stream", "shown"), CASES)
def test_which_stream_shows_colour(variables: dict[str, str], stream: str, shown: bool) -> None:
    """The strongest variable decides; a log of a CI that shows colour counts as a terminal, a file does not."""
    assert shows_colour(variables, is_terminal=stream == TERMINAL, is_file=stream == FILE) is shown


def luminance(colour: Colour) -> float:
    """Return how bright a colour of the 256 is, 0 to 1, as WCAG reckons."""
    number = int(colour.value.split(";")[2])
    if number >= 232:
        parts = [8 + 10 * (number - 232)] * 3
    else:
        parts = [LEVELS[(number - 16) // step % 6] for step in (36, 6, 1)]
    red, green, blue = (math.pow((part / 255 + 0.055) / 1.055, 2.4) for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", [colour for colour in Colour if colour is not Colour.STRONG])
def test_every_colour_stands_out_from_black_and_from_white(colour: Colour) -> None:
    """Which of the two a terminal has is unknown. No colour is 4.6 to 1 from both."""
    bright = luminance(colour) + 0.05
    assert min(bright / 0.05, 1.05 / bright) >= 3.8


def test_each_meaning_has_a_colour_of_its_own() -> None:
    """And each is more than a shade of another."""
    values = {colour.value for colour in Colour}
    assert len(values) == len(Colour)
    assert all(one != other for one, other in combinations(values, 2))


def test_colour_ends_with_each_line_and_begins_after_its_indentation() -> None:
    """So that a log that shows one line alone shows it right."""
    assert coloured("  a\n\n b", Colour.BAD) == "  \x1b[38;5;160ma\x1b[0m\n\n \x1b[38;5;160mb\x1b[0m"


def test_a_plan_in_colour(pytestconfig: pytest.Config) -> None:
    """Colour repeats the glyph: without it the text is the same."""
    case = read_case("in-doubt-cells-are-skipped")
    text = plan_text(case.plan, case.limits, case.violations, coloured) + "\n"
    whole = (Path(__file__).parents[1] / "planning/cases/in-doubt-cells-are-skipped/plan.txt").read_text("utf-8")
    assert re.sub("\x1b\\[[0-9;]*m", "", text) == whole
    compare("coloured.txt", re.sub("\x1b\\[([0-9;]+)m(.*?)\x1b\\[0m", r"{\1:\2}", text), pytestconfig)


def test_colour_reaches_a_pipe_if_it_is_asked_for(desk: Desk) -> None:
    """In what people read, and never in a document."""
    desk.extra["FORCE_COLOR"] = "1"
    assert "\x1b[38;5;28m+ fill" in desk.run("plan").out
    assert "\x1b[38;5;160mreconciler:\x1b[0m" in desk.run("--ledger", "x://y", "plan").err
    for quiet in (["--no-color", "plan"], ["plan", "--format", "json"], ["plan", "--format", "markdown"]):
        assert "\x1b" not in desk.run(*quiet).out


def test_problems_have_the_colours_of_a_compiler() -> None:
    """Bold where it is, red which one it is and the caret; the words are the same without."""
    problem = Diagnostic(Location("a.yaml", 1, 5, text="abc: def"), Code.UNKNOWN_KEY, "`abc` is unknown")
    text = problems_text([problem], 80, coloured)
    assert text.startswith("\x1b[1ma.yaml:1:5\x1b[0m: \x1b[38;5;160mE101\x1b[0m `abc` is unknown\n")
    assert text.endswith("\x1b[38;5;160m^\x1b[0m")
    assert re.sub("\x1b\\[[0-9;]*m", "", text) == problems_text([problem], 80)
