"""`ledger list` and `ledger report`: what was spent, since when, done and failed, for people, programs and sheets."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.cli.group import run
from reconciler.documents.ledger_csv import calls_csv
from reconciler.documents.ledger_file import spend_document
from reconciler.ledger import Ledger, open_ledger
from reconciler.model.ledger_entries import CallFilter, Grouping
from reconciler.render.page.shell import Assets
from reconciler.render.page.spend_page import spend_page
from tests.journey.desk import ACCOUNTS, Desk
from tests.ledger.calls_and_actors import a_call, accepted, begin

HOSTILE = "=cmd|' /C calc'!A0"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in a file."""
    with open_ledger(f"{tmp_path}/ledger.db") as opened:
        yield opened


@pytest.fixture
def spent(desk: Desk) -> Desk:
    """Return the desk after an apply that waited: three calls, eight cells."""
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    assert desk.run("wait").code == 0
    return desk


def test_the_list_has_results_and_sums(spent: Desk) -> None:
    """The states are those that the filter takes."""
    said = spent.run("ledger", "list").out.splitlines()
    assert said[0].split() == ["CALL", "BEGUN", "(UTC)", "STATE", "ADDRESS", "CELLS", "DONE", "FAILED", "CREDITS", "BY"]
    assert {line.split()[3] for line in said[1:-1]} == {"settled"}
    assert said[-1] == "3 calls, 8 cells, 8 credits; 8 done, 0 failed."
    assert spent.run("ledger", "list", "--limit", "2").out.endswith(" The newest only; `--limit` lists more.\n")
    for state, calls in (("settled", 3), ("accepted", 3), ("in_doubt", 0), ("adopted", 0)):
        assert len(spent.run("ledger", "list", "--state", state, "--format", "json").json) == calls


def test_since_takes_days_and_ages(spent: Desk) -> None:
    """An age counts back from now, a day begins at midnight UTC; `--until` is written likewise."""
    for command, nothing in (("list", "No calls.\n"), ("report", "Nothing was spent.\n")):
        for when, is_there in (("1d", True), ("2000-01-31", True), ("2w", True), ("999999999w", True), ("0s", False)):
            assert (spent.run("ledger", command, "--since", when).out != nothing) is is_there
            assert spent.run("ledger", command, "--since", when, "--format", "json").code == 0
            assert (spent.run("ledger", command, "--until", when).out != nothing) is not is_there


def test_another_time_is_refused_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """A bare number might be a year."""
    for since in ("7", "7y", "2026-02-30", "yesterday", "-7d", ""):
        assert run(["ledger", "report", f"--since={since}"]) == 64
        assert "e.g. 2026-01-31, 7d or 24h" in capsys.readouterr().err


def test_the_report_names_what_it_counts(spent: Desk) -> None:
    """A table's manifest beside its id, a column's key; the total once."""
    _, table = spent.run("ledger", "report", "--by", "table").out.splitlines()
    assert table.split() == [ACCOUNTS, "target-accounts", "3", "8", "8", "0", "8", "-"]
    head, *columns, total = [line.split() for line in spent.run("ledger", "report", "--by", "column").out.splitlines()]
    assert head == ["COLUMN", "NAME", "CALLS", "CELLS", "DONE", "FAILED", "CREDITS", "IN", "DOUBT"]
    assert {line[1] for line in columns} == {"news", "notes"}
    assert sum(int(line[3]) for line in columns) == 8
    assert total == ["total", "3", "8", "8", "0", "8", "-"]


def test_the_report_as_json(spent: Desk) -> None:
    """With the period that was asked for."""
    found = spent.run("ledger", "report", "--by", "month", "--since", "2000-01-01", "--format", "json").json
    assert (found["format_version"], found["by"], found["from"], found["to"]) == (
        "1.0",
        "month",
        "2000-01-01T00:00:00.000Z",
        None,
    )
    (line,) = found["lines"]
    assert {key: line[key] for key in found["totals"]} == found["totals"]
    assert (line["cells"], line["done"], line["failed"], line["credits"]) == (8, 8, 0, 8)


def test_the_report_as_csv(spent: Desk) -> None:
    """A line per group and no total, which would be counted twice."""
    (row,) = csv.DictReader(io.StringIO(spent.run("ledger", "report", "--format", "csv").out))
    assert (row["manifest"], row["cells"], row["done"], row["credits"]) == ("target-accounts", "8", "8", "8")
    rows = list(csv.DictReader(io.StringIO(spent.run("ledger", "list", "--format", "csv").out)))
    assert [row["state"] for row in rows] == ["settled"] * 3


def test_a_sheet_takes_no_text_for_a_formula(ledger: Ledger) -> None:
    """Whatever a name begins with; numbers stay numbers."""
    texts = [HOSTILE, "+1", "-1", "@SUM(A1)", "\t=1", " =1", "a\n=1"]
    for number, text in enumerate(texts):
        ledger.end(begin(ledger, a_call(number, address=f"a/{number}"), labels={}, plan_id=text), accepted(run_id=text))
    rows = list(csv.DictReader(io.StringIO(calls_csv(ledger.calls(CallFilter())))))
    assert len(rows) == len(texts)
    for row in rows:
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@")), cell
            assert "\n" not in cell
        assert row["cells"] == "3"


def test_the_report_as_a_page(spent: Desk) -> None:
    """One file under a policy that lets it load nothing; sums first."""
    page = spent.run("ledger", "report", "--by", "label", "--format", "html").out
    assert page.startswith('<!doctype html>\n<html lang="en"><head><meta http-equiv="Content-Security-Policy"')
    assert "default-src &#x27;none&#x27;" in page
    assert "<h1>Spent: 8 credits, by label</h1>" in page
    assert "team=gtm: 8 credits, 8 cells, 8 done, 0 failed" in page
    assert "<script" not in page
    assert "Nothing was spent." in spent.run("ledger", "report", "--until", "2000-01-01", "--format", "html").out


def test_a_page_of_hostile_names(ledger: Ledger) -> None:
    """They stay text; by column there are no results, and so no bars."""
    evil = "<script>alert(1)</script>"
    ledger.end(begin(ledger, a_call(1, columns=(evil,), address=f"{evil}/x"), labels={evil: evil}), accepted())
    now = datetime(2026, 1, 31, tzinfo=UTC).timestamp()
    groupings: tuple[Grouping, ...] = ("manifest", "label", "column")
    for by in groupings:
        content = spend_document(ledger.report(by), by, None, now)
        page = spend_page(json.loads(json.dumps(content)), Assets("", ""))
        assert "<script" not in page
        assert ("<svg" in page) is (by != "column")
        assert "Calls begun before 2026-01-31T00:00:00.000Z." in page
