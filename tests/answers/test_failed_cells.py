"""Cells that failed are named by column, with their rows if asked for: on a terminal and in the report."""

import json

from jsonschema import Draft7Validator

from reconciler.manifests import json_schema
from tests.journey.conftest import MakeDesk
from tests.journey.desk import FILL, Desk, accounts, agent, row_id

ROWS = [row_id(1), row_id(2)]


def sent(make_desk: MakeDesk) -> Desk:
    """Return a desk at which one call has run two columns of two rows, of which one failed."""
    table = accounts()
    table["columns"][2] = agent("notes", fails=1.0)
    table["rows"] = [{"id": row, "data": {"site": "a"}, "cells": {}} for row in ROWS]
    desk = make_desk(table)
    desk.write(FILL)
    assert desk.run("apply", "--yes", "--no-wait", "--target", "*/fill").code == 0
    desk.simulator.finish()
    return desk


def test_failed_cells_stand_by_column(make_desk: MakeDesk) -> None:
    """Below their call, and the last line names the run to ask about."""
    said = sent(make_desk).run("wait")
    assert said.out.startswith(
        "target-accounts/fill  2 done, 2 failed  news 2 cells, notes 2\n  failed: notes 2 cells\n"
    )
    assert "`reconciler explain target-accounts/fill` says why.\n" in said.out


def test_rows_are_named_if_asked_for(make_desk: MakeDesk) -> None:
    """By `wait` as by `apply`."""
    said = sent(make_desk).run("wait", "--show-rows")
    assert f"  failed: notes 2 cells in rows {', '.join(ROWS)}\n" in said.out


def test_the_report_has_them_and_shows_them_again(make_desk: MakeDesk) -> None:
    """With ids, for programs; without counts of what the file does not hold."""
    desk = sent(make_desk)
    assert desk.run("apply", "--yes", "--out", "report.json", "--target", "*/fill").code == 6
    content = json.loads((desk.folder / "report.json").read_text())
    Draft7Validator(json.loads(json_schema.text("report"))).validate(content)
    (call,) = content["resumed"]
    notes = next(each["id"] for each in call["columns"] if each["key"] == "notes")
    assert [(each["key"], each["cells"]) for each in call["columns"]] == [("news", 2), ("notes", 2)]
    assert call["failed"] == [{"columns": [notes], "rows": ROWS}]
    assert "  failed: notes 2 cells in rows " in desk.run("show", "report.json", "--show-rows").out
