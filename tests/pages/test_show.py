"""`show`: a file says what the command that wrote it said, in each format, and no file makes it say anything else."""

import json
import re
from dataclasses import replace

import pytest

from reconciler.documents import plan_file, plan_reader
from reconciler.documents.report_reader import report_of
from reconciler.manifests import json_schema
from reconciler.model.report import ExitCode
from reconciler.render.colour import plain
from reconciler.render.plan_text import PlanView, plan_text
from tests.journey.conftest import desk, make_desk
from tests.journey.desk import Desk
from tests.pages.worlds import hostile
from tests.planning.golden_cases import CASES, ORIGIN, read_case

__all__ = ["desk", "make_desk"]

SCENARIOS = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())
SENT = re.compile(r"sent (earlier|[0-9]+ (s|min|h|days) ago( by .*)?)$", re.MULTILINE)
PROVEN = re.compile(r", or did not: that is proven .*$", re.MULTILINE)
SHOWN = PlanView(is_preview=False)
COLUMNS = re.compile(r"^ {6}.*$", re.MULTILINE)
CELLS = re.compile(r" [0-9,]+( cells?)?(?=,|$)")
FORMATS = ("text", "markdown", "html")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_plan_file_reads_as_the_plan_did(name: str) -> None:
    """But for what the file does not hold: how long ago a call was sent, and calls that wait for a table.

    Nor does it hold how many cells of a rectangle are due in each column.
    """
    case = read_case(name)
    content = plan_file.document(case.plan, ORIGIN, case.violations, limits=case.limits)
    assert json_schema.problems("plan", content) == []
    again = plan_reader.plan_of(json.loads(json.dumps(content)))
    limits, violations = plan_reader.limits_of(content), plan_reader.violations_of(content)
    told = plan_text(again, limits, violations, plain, view=SHOWN)
    was = plan_text(replace(case.plan, waiting=()), case.limits, case.violations, plain, view=SHOWN)
    told, was = (PROVEN.sub(".", SENT.sub("sent", text)) for text in (told, was))
    told, was = (COLUMNS.sub(lambda line: CELLS.sub("", line.group()), text) for text in (told, was))
    if not case.plan.waiting or case.plan.calls:
        assert told == was
    assert [each.message for each in violations] == [each.message for each in case.violations]


def test_each_kind_of_file_is_shown_in_each_format(desk: Desk) -> None:
    """A plan, a report and a snapshot, told apart by what they hold and not by their names."""
    assert desk.run("plan", "--out", "a").code == 0
    assert desk.run("snapshot", "--out", "b", "--unsigned").code == 0
    text = desk.run("apply", "--plan", "a", "--no-wait", "--out", "c")
    assert text.code == 0
    shown = {(file, form): desk.run("show", file, "--format", form) for file in "abc" for form in FORMATS}
    assert {said.code for said in shown.values()} == {0}
    assert "Plan: 1 table, 3 calls, 8 cells, 8 credits" in shown["a", "text"].out
    assert shown["a", "markdown"].out.startswith("### Plan: 1 table, 3 calls")
    assert shown["b", "text"].out.startswith("Snapshot: 1 table, 12 cells. Taken ")
    assert shown["b", "markdown"].out.startswith("### Snapshot: 1 table, 12 cells")
    assert "Applied: 3 calls accepted" in shown["c", "text"].out
    assert shown["c", "text"].out.splitlines()[-1] in text.out
    assert shown["c", "markdown"].out.startswith("### Applied: 3 calls accepted")
    for file in "abc":
        assert shown[file, "html"].out.startswith('<!doctype html>\n<html lang="en"><head><meta http-equiv=')


def test_a_page_goes_to_stdout_or_to_its_file(desk: Desk) -> None:
    """A name that ends with `.html` is the page, any other the plan file; a page that is saved is not written twice."""
    on_stdout = desk.run("plan", "--format", "html").out
    assert on_stdout.startswith("<!doctype html>")
    assert "The account has unlimited credits." in on_stdout
    saved = desk.run("plan", "--format", "html", "--out", "plan.html", "--out", "plan.json")
    assert (saved.code, saved.out) == (0, "")
    assert (desk.folder / "plan.html").read_text().startswith("<!doctype html>")
    assert json.loads((desk.folder / "plan.json").read_text())["calls"]
    beside = desk.run("plan", "--out", "other.HTML")
    assert "Plan: 1 table" in beside.out
    assert (desk.folder / "other.HTML").read_text().startswith("<!doctype html>")


def test_a_receipt_is_saved_as_page_and_as_file(desk: Desk) -> None:
    """By their names; with `--out -` the document is the answer."""
    said = desk.run("apply", "--yes", "--no-wait", "--out", "r.json", "--out", "r.html")
    assert (said.code, "Applied: 3 calls accepted" in said.out) == (0, True)
    assert json.loads((desk.folder / "r.json").read_text())["totals"]["calls"] == 3
    assert "<title>Applied: 3 calls accepted, " in (desk.folder / "r.html").read_text()


def test_status_and_receipt_are_pages_too(desk: Desk) -> None:
    """`status --format html` and `apply --format html`; a page of a status is one look."""
    status = desk.run("status", "--format", "html")
    assert status.code == 0
    assert "<title>Status: 1 table, " in status.out
    receipt = desk.run("apply", "--yes", "--no-wait", "--format", "html")
    assert receipt.code == 0
    assert "<title>Applied: 3 calls accepted, " in receipt.out
    assert "<script" not in status.out + receipt.out
    assert desk.run("status", "--format", "html", "--watch").code == ExitCode.USAGE


def test_a_file_of_another_kind_is_refused(desk: Desk) -> None:
    """With what it should be; an edited plan is stale, as everywhere."""
    for content in ("", "[]", "{}", "no", "{" * 10_000):
        desk.write(content, "file")
        said = desk.run("show", "file")
        assert said.code == ExitCode.ERROR
        assert "is neither a plan, a report nor a snapshot" in said.err
    desk.run("plan", "--out", "plan.json")
    desk.write(
        (desk.folder / "plan.json").read_text().replace('"cells"', '"cells" ', 1).replace("1.0", "1.1", 1), "plan.json"
    )
    assert desk.run("show", "plan.json").code == ExitCode.STALE
    assert desk.run("show", "missing").code == ExitCode.ERROR


def test_no_name_in_a_file_reaches_a_terminal_as_it_is(desk: Desk) -> None:
    """Escape sequences and directions of writing are spelled out, in text and Markdown."""
    _, content = hostile()
    content["plan_id"] = plan_file.plan_id(content)
    desk.write(json.dumps(content), "plan.json")
    for form in ("text", "markdown"):
        said = desk.run("show", "plan.json", "--format", form)
        assert said.code == 0, said.err
        assert "<img" in said.out
        assert not {"\u202e", "\u200b", "\x1b"} & set(said.out)


def test_a_report_reads_as_it_was(desk: Desk) -> None:
    """Totals, outcomes and exit code are those of the apply."""
    desk.run("apply", "--yes", "--no-wait", "--out", "report.json")
    content = json.loads((desk.folder / "report.json").read_text())
    report = report_of(content)
    assert report.exit_code() == content["exit_code"]
    assert len(report.results) == content["totals"]["calls"]
