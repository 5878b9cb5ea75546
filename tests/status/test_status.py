"""`status`: the live tables against the manifests, on one screen."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.manifests import json_schema
from reconciler.simulator.world.clock import ManualClock
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, FILL, NOWHERE, REFRESH, Desk, accounts, agent, row_id

ROOT = Path(__file__).parents[2]


def runs(desk: Desk) -> dict[str, dict[str, int]]:
    """Return what the status says of each run, in numbers, the empty ones left out."""
    said = desk.run("status", "--format", "json").json
    assert json_schema.problems("status", said) == []
    found = {}
    for table in said["tables"]:
        for run in table["runs"]:
            numbers = {**(run["shown"] or {}), **run}
            found[run["address"]] = {
                key: number for key, number in numbers.items() if isinstance(number, int) and number
            }
    return found


def test_each_run_is_counted(desk: Desk) -> None:
    """By what its cells show, and by what the plan makes of them; what it costs stands beside it."""
    shown = {"cells": 12, "done": 4, "failed": 1, "empty": 7}
    assert runs(desk) == {
        "target-accounts/fill": {**shown, "due": 7, "credits": 7},
        "target-accounts/retry": {**shown, "due": 1, "credits": 1},
    }


def test_a_run_counts_the_cells_in_its_scope_alone(desk: Desk) -> None:
    """Of a run that names rows and columns, no other cell; beside one that names none."""
    scope = f"      columns: [news]\n      rows: [{row_id(2)}, {row_id(4)}, {row_id(5)}]\n"
    desk.write(FILL.replace("    - name: retry", f"{scope}    - name: retry"))
    found = runs(desk)
    assert found["target-accounts/fill"] == {"cells": 3, "done": 1, "failed": 1, "empty": 1, "due": 1, "credits": 1}
    assert found["target-accounts/retry"]["cells"] == 12


def test_the_whole_screen(desk: Desk) -> None:
    """As a person sees it."""
    assert desk.run("status").out == (
        "  RUN    MODE    DONE  FAILED  EMPTY  DUE\n"
        "target-accounts   Target Accounts · 6 rows · idle\n"
        "  fill   new        4       1      7    7\n"
        "  retry  failed     4       1      7    1\n"
        "\n"
        "1 table, 2 runs: 8 cells due, 8 credits. `reconciler plan` shows the calls.\n"
    )


def test_cells_under_way_are_running_and_nothing_is_due(desk: Desk) -> None:
    """While the table runs."""
    desk.run("apply", "--yes", "--no-wait")
    desk.simulator.advance(1)
    found = runs(desk)["target-accounts/fill"]
    assert (found["in_progress"], "due" in found) == (8, False)
    said = desk.run("status").out
    assert "RUNNING" in said
    assert "nothing due while 1 table is running" in said


def test_what_is_blocked_and_lacks_input_is_told_apart(make_desk: MakeDesk) -> None:
    """A cell whose upstream failed is blocked; one whose row lacks its input never runs."""
    table = accounts(columns=[{"kind": "input", "key": "site"}, agent("news"), agent("notes", "On {news}.")])
    table["rows"][3]["missing_inputs"] = True
    desk = make_desk(table)
    desk.write(FILL[: FILL.index("    - name: retry")])
    found = runs(desk)["target-accounts/fill"]
    assert (found["blocked"], found["missing_inputs"]) == (1, 2)
    head = desk.run("status").out.splitlines()[0]
    assert ("BLOCKED" in head, "NO INPUT" in head) == (True, True)


def test_cells_out_of_attempts_are_counted(make_desk: MakeDesk) -> None:
    """They are failed and not due."""
    table = accounts()
    table["columns"][1] = agent("news", fails=1.0)
    desk = make_desk(table, clock=None, speed=30)
    desk.write(FILL)
    for _ in range(3):
        desk.run("apply", "--yes", "--wait")
    assert runs(desk)["target-accounts/retry"]["attempts_exhausted"] == 4
    assert "NO ATTEMPT LEFT" in desk.run("status").out


def test_a_call_in_doubt_is_shown_with_the_way_out(desk: Desk) -> None:
    """Its cells count as in doubt, and are not due."""
    desk.write(REFRESH)
    desk.simulator.fault("status", status=502, method="POST", path="/v1/tables/*/run", times=1)
    assert desk.run("apply", "--yes", "--no-wait").code == 7
    found = runs(desk)["target-accounts/refresh"]
    assert (found["in_doubt"], "due" in found) == (6, False)
    said = desk.run("status").out
    assert ("IN DOUBT" in said, "ledger resolve" in said) == (True, True)


def test_nothing_is_sent_but_get_and_nothing_written(desk: Desk, tmp_path: Path) -> None:
    """No ledger appears either."""
    before = sorted(tmp_path.rglob("*"))
    assert desk.run("status").code == 0
    assert {method for method, _, _ in desk.simulator.requests()} == {"GET"}
    assert sorted(tmp_path.rglob("*")) == before


def test_a_table_that_cannot_be_read_is_an_error_beside_the_others(desk: Desk) -> None:
    """Exit 1, the others are shown."""
    other = FILL.replace("target-accounts", "elsewhere").replace(ACCOUNTS, NOWHERE)
    desk.write(other, "manifests/elsewhere.yaml")
    said = desk.run("status")
    assert said.code == 1
    assert "manifests/elsewhere.yaml:7:" in said.out
    assert "  fill   new " in said.out
    document = desk.run("status", "--format", "json").json
    assert (document["errored"], len(document["diagnostics"]), len(document["tables"])) == (True, 1, 1)


def test_watching_repeats_plain_blocks_without_a_terminal(desk: Desk) -> None:
    """Each with its time; `--count` ends it, and Ctrl-C would."""
    said = desk.run("status", "--watch=0", "--count", "3")
    assert said.code == 0
    assert len(re.findall(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", said.out)) == 3
    assert said.out.count("RUN    MODE") == 3
    assert "\x1b" not in said.out


def test_watching_as_json_is_a_line_a_look(desk: Desk) -> None:
    """For other programs to follow."""
    lines = desk.run("status", "--format", "json", "--watch=0", "--count", "2").out.splitlines()
    assert [json_schema.problems("status", json.loads(line)) for line in lines] == [[], []]


@pytest.mark.parametrize("arguments", [["--count", "2"], ["--watch=-1"], ["--watch=soon"], ["--watch", "--count", "0"]])
def test_a_wrong_command_line_exits_64(desk: Desk, arguments: list[str]) -> None:
    """`--count` alone says nothing."""
    assert desk.run("status", *arguments).code == 64


def test_a_terminal_is_redrawn(make_desk: MakeDesk, tmp_path: Path) -> None:
    """The screen is cleared before each look, so that the newest stands alone."""
    desk = make_desk(accounts(), clock=ManualClock())
    desk.write(FILL)
    inside, outside = pty.openpty()
    environment = {**os.environ, **desk.simulator.environment(), "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    for name in ("CI", "NO_COLOR", "RECONCILER_PROJECT", "RECONCILER_LEDGER"):
        environment.pop(name, None)
    command = [sys.executable, "-P", "-m", "reconciler", "status", "--watch=0.05", "--count", "2"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=outside, stderr=outside)
    os.close(outside)
    shown, until = b"", time.monotonic() + 30
    while time.monotonic() < until:
        try:
            shown += os.read(inside, 65536) if select.select([inside], [], [], 0.5)[0] else b""
        except OSError:  # the other end is closed
            break
    os.close(inside)
    assert process.wait(10) == 0
    assert shown.count(b"\x1b[2J") == 2
    assert shown.count(b"RUN ") == 2
