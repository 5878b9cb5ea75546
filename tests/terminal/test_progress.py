"""Progress on a terminal: drawn over itself, never wider than a line, and gone when anything else is written."""

import sys
from typing import Any

import pytest

from reconciler.cli.console import Console
from reconciler.cli.progress import Reading, Waiting
from reconciler.model.observed import TableStatus
from reconciler.model.reading import ReadProgress
from tests.journey.desk import environment
from tests.terminal.terminal import terminal

FLAGS: dict[str, Any] = {"quiet": False, "verbose": False, "log_format": "text", "no_color": True}
LONG = [(moment / 2, ReadProgress(moment // 4, 20, moment * 100, moment * 10, 8000, 20)) for moment in range(80)]


@pytest.mark.parametrize("columns", [20, 40, 200])
def test_nothing_is_left_of_a_bar(columns: int) -> None:
    """Whatever is said while it stands there, on either stream."""
    now = 0.0
    with environment({"TERM": "xterm"}), terminal(columns) as shown:
        console = Console(FLAGS)
        with Reading(console, lambda: now) as reading:
            for moment, progress in LONG:
                now = moment
                reading.take(progress)
                if moment == 20.0:
                    console.info("a note")
        with Waiting(console, 1_000, lambda: now) as waiting:
            for left in range(1000, 0, -100):
                waiting.poll({"t": TableStatus("running", left, 0)})
            console.answer("an answer")
            waiting.poll({"t": TableStatus("running", 1, 0)})
            console.error("an error")
            waiting.poll({"t": TableStatus("running", 0, 0)})
        console.answer("the end")
    assert shown.shown == "a note\nan answer\nreconciler: an error\nthe end\n"
    assert "Reading [#" in shown.raw
    assert "Waiting [#" in shown.raw


@pytest.mark.parametrize("columns", [20, 40])
def test_nothing_is_left_of_a_bar_at_ctrl_c(columns: int) -> None:
    """Which the terminal shows as `^C` where the bar ends."""
    with environment({"TERM": "xterm"}), terminal(columns) as shown:
        console = Console(FLAGS)
        with Waiting(console, 1_000, lambda: 0.0) as waiting:
            waiting.poll({"t": TableStatus("running", 900, 0)})
            sys.stderr.write("^C")
            sys.stderr.flush()
            console.info("Stopping.")
    assert shown.shown == "Stopping.\n"


def test_a_bar_says_how_far_it_is() -> None:
    """Cells, tables, and for how long."""
    with environment({"TERM": "xterm"}), terminal(100) as shown, Waiting(Console(FLAGS), 40, lambda: 7.0) as waiting:
        waiting.poll({"a": TableStatus("running", 10, 0), "b": TableStatus("idle", 0, 0)})
    assert "Waiting [##################------] 30 of 40 cells, 1 table running, 0 s" in shown.raw


def test_a_terminal_that_cannot_draw_gets_lines() -> None:
    """One every ten seconds, as a log does."""
    now = 0.0
    with environment({"TERM": "dumb"}), terminal(60) as shown, Waiting(Console(FLAGS), 40, lambda: now) as waiting:
        for moment in (1.0, 11.0, 12.0):
            now = moment
            waiting.poll({"a": TableStatus("running", 10, 0)})
    assert shown.raw == "Waiting: 10 cells in progress in 1 table.\r\n"
