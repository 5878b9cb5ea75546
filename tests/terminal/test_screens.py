"""Whole screens, on terminals of 40, 80 and 200 places: a day that goes well, and one that does not."""

import re
from contextlib import chdir
from pathlib import Path

import pytest

from reconciler.cli.console import ERASED
from reconciler.cli.group import run
from reconciler.render.alignment import width_of
from tests.at_most_once.small_tables import let_pass
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, FILL, PARTNERS, REFRESH, Desk, Said, accounts, agent, environment, row_id
from tests.terminal.terminal import terminal

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (40, 80, 200)
QUICK = {"delay": 0, "fastest": 0.01, "slowest": 0.05}
"""Seconds, so that waiting takes none."""
NEWS = (
    REFRESH.replace("target-accounts", "partners")
    .replace("0a1a669a-9a40-497c-bb00-d49dd8ee5b74", PARTNERS)
    .replace("revision: r1", "revision: 2026-q4")
)
PROJECT = "apiVersion: reconciler/v1\nkind: Project\nspec: {api: {run_concurrency: 1}}\n"
"""One call after the other, so that they end in their order."""


def partners() -> dict[str, object]:
    """Return a table of three rows without news."""
    rows = [{"id": row_id(number), "data": {"site": f"{number}.example"}, "cells": {}} for number in (21, 22, 23)]
    columns = [{"kind": "input", "key": "site"}, agent("news")]
    return {"id": PARTNERS, "name": "Partners", "columns": columns, "rows": rows}


def screen(desk: Desk, columns: int, *command: str) -> str:
    """Run a command on a terminal; return the command, what stands there at the end, and the exit code.

    Without the first lines, which name folders.
    """
    named = {"TERM": "xterm-256color", "GITLAB_CI": "true", "GITLAB_USER_LOGIN": "ana"}
    with (
        chdir(desk.folder),
        environment({**desk.simulator.environment(), **named}),
        terminal(columns) as shown,
    ):
        code = run(list(command))
    lines = [
        width_of(line.rpartition("\r")[2])
        for line in shown.raw.replace(ERASED, "\r").split("\r\n")
        if " " in line.strip()
    ]
    assert max(lines) <= columns
    where = re.match(rb"(Project\b[^\n]*\n(  (?!\x1b)[^\n]*\n)*)?", bytes(shown.written))
    del shown.written[: where.end() if where else 0]
    return f"$ reconciler {' '.join(command)}\n{shown.shown}[exit code {code}]\n"


def compare(name: str, text: str, config: pytest.Config) -> None:
    """Compare screens with the file that holds them, or write that file."""
    if config.getoption("--rewrite-golden"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_day_that_goes_well(make_desk: MakeDesk, columns: int, pytestconfig: pytest.Config) -> None:
    """A plan, its apply with the waiting, the plan of what is at rest, and the status."""
    desk = make_desk(accounts(), partners(), clock=None, pace=QUICK)
    desk.write(PROJECT, "reconciler.yaml")
    desk.write(FILL)
    desk.write(NEWS, "manifests/partners.yaml")
    commands = [["plan"], ["apply", "--yes"], ["plan"], ["status"], ["wait"]]
    compare(f"well-{columns}.txt", "\n".join(screen(desk, columns, *each) for each in commands), pytestconfig)


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_day_that_does_not(make_desk: MakeDesk, columns: int, pytestconfig: pytest.Config) -> None:
    """A limit, a failed cell, a refused call and one in doubt; each last line says what to do."""
    table = accounts()
    table["columns"][2] = agent("notes", fails=1.0)
    desk = make_desk(table, partners(), clock=None, pace=QUICK)
    desk.write(PROJECT, "reconciler.yaml")
    desk.write(FILL)
    desk.write(NEWS, "manifests/partners.yaml")
    screens = [screen(desk, columns, "plan", "--max-cells", "3", "--max-credits", "2")]
    desk.simulator.fault("status", status=422, method="POST", path=f"/v1/tables/{PARTNERS}/run", times=1)
    screens += [screen(desk, columns, "apply", "--yes", "--target", "target-accounts/fill", "--target", "partners")]
    desk.simulator.fault("status", status=502, method="POST", path=f"/v1/tables/{PARTNERS}/run", times=1)
    screens.append(screen(desk, columns, "apply", "--yes", "--no-wait", "--target", "partners"))
    let_pass(desk, 10_800.0)
    screens += [screen(desk, columns, *each) for each in (["plan", "--show-rows"], ["status"], ["wait"])]
    desk.write(FILL.replace("mode: new", "mode: new\n      columns: [nwes]"))
    screens.append(screen(desk, columns, "plan"))
    compare(f"trouble-{columns}.txt", "\n".join(screens), pytestconfig)


@pytest.mark.parametrize(
    "command",
    ["explain E012", "explain E999", "plan --since 7d", "ledger report --since 7x", "plam", "show", "drift"],
)
def test_a_few_words_fit_too(desk: Desk, command: str) -> None:
    """Also what is wrong with a command line."""
    desk.write(FILL)
    for columns in (20, 40):
        screen(desk, columns, *command.split())


def test_an_empty_drift_is_said_to_a_person_alone(desk: Desk) -> None:
    """A mail from cron stays empty."""
    desk.write(
        FILL.replace("mode: new", "mode: new\n      rows: [" + row_id(1) + "]").partition("    - name: retry")[0]
    )
    assert desk.run("drift") == Said(0, "", "")
    assert "Nothing has drifted: 1 table." in screen(desk, 80, "drift")


def test_what_is_at_rest_is_listed_with_v(desk: Desk) -> None:
    """Beside a run that is due it is one line without."""
    desk.write(NEWS.replace(PARTNERS, ACCOUNTS).replace("[news]", "[notes]"), "manifests/partners.yaml")
    desk.write(REFRESH)
    desk.run("ledger", "adopt", "--as", "2026-q4", "manifests/partners.yaml")
    desk.run("apply", "--yes", "--no-wait", "--target", "partners")
    desk.simulator.finish()
    desk.run("wait")
    assert "· partners: nothing due\n" in desk.run("plan").out
    assert "  · refresh  all     nothing due\n" in desk.run("-v", "plan").out
