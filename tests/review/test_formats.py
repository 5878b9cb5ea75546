"""Problems and plans in the forms that CIs read: annotations, code quality, SARIF, JUnit, the job's summary."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from reconciler.render.annotations import Annotation, Level, of_plan, workflow_commands
from reconciler.render.check_reports import code_quality, junit, sarif
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from tests.journey.desk import FILL, Desk
from tests.review.plans_and_reports import call, plan

BROKEN = FILL.replace("mode: new", "mode: nwe").replace("max_attempts: 2", "max_attempts: 0")
PROBLEMS = [
    Diagnostic(Location("a b.yaml", 3, 4), Code.UNKNOWN_KEY, "unknown key `x`; did you mean `y`?", "Add `y`."),
    Diagnostic(Location("a b.yaml", 3, 4), Code.UNKNOWN_KEY, "unknown key `x`; did you mean `y`?"),
    Diagnostic(Location("c.yaml", 1, 1), Code.INVALID_YAML, "see [x](https://evil.example) <&>\ufffe"),
]


def test_validate_annotates_the_lines(desk: Desk, tmp_path: Path) -> None:
    """On stdout, a command a line, and nothing for people on stderr."""
    desk.write(BROKEN)
    said = desk.run("validate", "--format", "github")
    assert said.code == 1
    assert said.err == ""
    where = "::error file=manifests/accounts.yaml,line={},col={},title={}::"
    assert said.out.splitlines() == [
        where.format(10, 13, "E104 A value that is not one of the choices")
        + "spec.runs[0].mode is `nwe`; did you mean `new`?",
        where.format(13, 21, "E107 A number out of range")
        + "spec.runs[1].max_attempts must be at least 1, but it is `0`",
    ]


def test_validate_says_that_all_is_well(desk: Desk) -> None:
    """In each form, with exit code 0."""
    assert (
        desk.run("validate", "--format", "github").out
        == "::notice title=Validate%3A 1 file::Valid: 1 manifest, 2 runs.\n"
    )
    assert desk.run("validate", "--format", "gitlab").json == []
    assert desk.run("validate", "--format", "sarif").json["runs"][0]["results"] == []
    (suite,) = ElementTree.fromstring(desk.run("validate", "--format", "junit").out)
    assert [case.get("name") for case in suite] == ["manifests/accounts.yaml"]


def test_paths_begin_at_the_repositorys_root(desk: Desk) -> None:
    """Annotations are found by such paths, wherever the project is."""
    desk.write(BROKEN)
    desk.extra["GITHUB_WORKSPACE"] = str(desk.folder.parent)
    where = f"{desk.folder.name}/manifests/accounts.yaml"
    assert f"file={where},line=10" in desk.run("validate", "--format", "github").out
    found = desk.run("validate", "--format", "gitlab").json
    assert {each["location"]["path"] for each in found} == {where}


def test_the_project_files_problems_are_annotated(desk: Desk) -> None:
    """Like a manifest's."""
    desk.write("apiVersion: reconciler/v1\nkind: Project\nspec: {x: 1}\n", "reconciler.yaml")
    said = desk.run("validate", "--format", "github")
    assert (said.code, said.out.startswith("::error file=reconciler.yaml,line=3,col=8")) == (1, True)


def test_a_plan_of_broken_manifests_is_annotated(desk: Desk) -> None:
    """As `validate` would."""
    desk.write(BROKEN)
    said = desk.run("plan", "--format", "github")
    assert (said.code, said.out.count("::error file=")) == (1, 2)
    assert [each["location"]["lines"]["begin"] for each in desk.run("plan", "--format", "gitlab").json] == [10, 13]
    assert desk.run("plan", "--format", "markdown").err.endswith("2 problems in 1 file.\n")


def test_a_plan_says_its_sums_and_limits(desk: Desk) -> None:
    """A limit that is passed is an error beside the line that set it."""
    desk.write("apiVersion: reconciler/v1\nkind: Project\nspec:\n  limits:\n    max_cells: 1\n", "reconciler.yaml")
    said = desk.run("plan", "--format", "github")
    assert said.code == 3
    error, notice = said.out.splitlines()
    assert error.startswith("::error file=reconciler.yaml,line=5,col=1,title=Limit max_cells::")
    assert notice.startswith("::notice title=Plan::Plan: 1 table, 3 calls, 8 cells, 8 credits")


def test_a_plan_for_the_jobs_summary(desk: Desk, tmp_path: Path) -> None:
    """Appended, whether stdout is annotations or Markdown; nothing without the variable or in another form."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    desk.extra["GITHUB_STEP_SUMMARY"] = str(summary)
    desk.run("plan", "--format", "github")
    markdown = desk.run("plan", "--format", "markdown").out
    assert markdown.startswith("### Plan: 1 table, 3 calls, 8 cells, 8 credits")
    written = summary.read_text()
    assert written.startswith("before\n### Plan: 1 table, 3 calls")
    assert written.count("### Plan: 1 table") == 2
    desk.run("plan")
    desk.run("plan", "--format", "json")
    assert summary.read_text() == written
    desk.write(BROKEN)
    desk.run("validate", "--format", "github")
    assert "### Validate: 2 problems in 1 file\n\n- `manifests/accounts.yaml:10:13` `E104` " in summary.read_text()


def test_errors_first_and_ten_of_a_kind() -> None:
    """GitHub shows no more of a step, so the rest is counted."""
    levels = [Level.NOTICE, Level.WARNING, Level.ERROR]
    lines = workflow_commands([Annotation(level, "t", f"{n}") for n in range(13) for level in levels]).splitlines()
    kinds = [line[2:].split(" ")[0] for line in lines]
    assert kinds == ["error"] * 10 + ["warning"] * 10 + ["notice"] * 10
    assert lines[-2:] == [
        "::notice title=Not everything is shown::3 more errors not shown here",
        "::notice title=Not everything is shown::3 more warnings not shown here",
    ]


def test_what_github_would_take_apart_is_escaped() -> None:
    """Percent signs, line ends, and in a field colons and commas."""
    location = Location("a,b:c%.yaml", 1, 2)
    assert workflow_commands([Annotation(Level.ERROR, "t: a,b", "100%\r\n::error::x, y: z", location)]) == (
        "::error file=a%2Cb%3Ac%25.yaml,line=1,col=2,title=t%3A a%2Cb::100%25\\x0d\\x0a::error::x, y: z"
    )


def test_calls_in_doubt_are_warnings() -> None:
    """Nothing is wrong with the change, but a person must look."""
    doubt = {"id": "9f3c21aa" + "0" * 24, "address": "a/x", "table_id": "", "cells": 1, "credits": 1}
    (warning,) = [each for each in of_plan(plan(in_doubt=[doubt]), "") if each.level is Level.WARNING]
    assert warning.message == "a/x: call 9f3c21aa may have been paid for; end it with `ledger resolve`"


def test_code_quality() -> None:
    """A fingerprint each, also for the same message twice; equal input, equal bytes."""
    found: list[dict[str, Any]] = json.loads(code_quality(PROBLEMS))
    assert len({each["fingerprint"] for each in found}) == 3
    assert found[0] | {"fingerprint": ""} == {
        "description": "unknown key `x`; did you mean `y`? Add `y`.",
        "check_name": "E101",
        "fingerprint": "",
        "severity": "major",
        "location": {"path": "a b.yaml", "lines": {"begin": 3}},
    }
    moved = [Diagnostic(Location(each.location.path, 9, 9), each.code, each.message, each.hint) for each in PROBLEMS]
    again = json.loads(code_quality(moved))
    assert [each["fingerprint"] for each in again] == [each["fingerprint"] for each in found]


def test_sarif() -> None:
    """Version 2.1.0, a result for each problem at its place; no link in a message."""
    log = json.loads(sarif(PROBLEMS))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert [each["id"] for each in run["tool"]["driver"]["rules"]] == ["E005", "E101"]
    assert [each["ruleId"] for each in run["results"]] == ["E101", "E101", "E005"]
    assert run["results"][0]["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "a%20b.yaml"},
                "region": {"startLine": 3, "startColumn": 4},
            }
        }
    ]
    assert run["results"][2]["message"]["text"].startswith("see [x] (https://evil.example)")


def test_junit() -> None:
    """Well-formed whatever is in a message; a case for each file, also those that are well."""
    root = ElementTree.fromstring(junit(PROBLEMS, ["ok.yaml", "a b.yaml"]))
    assert (root.get("tests"), root.get("failures")) == ("3", "2")
    (suite,) = root
    failures = {case.get("name"): [failure.text for failure in case] for case in suite}
    assert failures["ok.yaml"] == []
    assert failures["a b.yaml"] == [
        "a b.yaml:3:4: E101 unknown key `x`; did you mean `y`? Add `y`.\na b.yaml:3:4: E101 " + PROBLEMS[1].message
    ]
    assert failures["c.yaml"] == ["c.yaml:1:1: E005 see [x](https://evil.example) <&>\ufffd"]


@pytest.mark.parametrize("form", ["github", "gitlab", "sarif", "junit", "text"])
def test_every_form_of_validate_keeps_the_exit_code(desk: Desk, form: str) -> None:
    """0 for sound manifests, 1 for broken ones."""
    assert desk.run("validate", "--format", form).code == 0
    desk.write(BROKEN)
    assert desk.run("validate", "--format", form).code == 1


def test_an_unknown_price_is_not_nothing() -> None:
    """In the notice as in the plan."""
    content = plan(calls=[call("a/x", ["n"], price=None), call("a/y", ["n"])])
    (notice,) = of_plan(content, "Plan: 3 credits and 3 cells of unknown price")
    assert "unknown price" in workflow_commands([notice])
