"""Golden scenarios: what a user sees of a plan, whole, as text and as the plan file."""

import json
from pathlib import Path

import pytest

from reconciler.documents import plan_file
from reconciler.manifests import json_schema
from reconciler.model.origin import Origin
from reconciler.render.colour import plain
from reconciler.render.plan_text import plan_text
from tests.planning.golden_cases import CASES, Case, read_case

ORIGIN = Origin("2026-01-01T00:00:00Z", "1.0.0", "https://api.extruct.ai")
SCENARIOS = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())


@pytest.fixture(params=SCENARIOS)
def folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scenario's folder, which is the working directory meanwhile."""
    folder = CASES / str(request.param)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def case(folder: Path) -> Case:
    """The scenario, planned."""
    return read_case(folder)


def compare(expected: Path, text: str, *, rewrite: bool) -> None:
    """Compare a whole output with the file that holds it, or write that file."""
    if rewrite:
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def test_there_are_as_many_scenarios_as_the_issue_asks_for() -> None:
    """At least 25 scenarios are planned."""
    assert len(SCENARIOS) >= 25


def test_the_plan_as_text_is_as_expected(folder: Path, case: Case, pytestconfig: pytest.Config) -> None:
    """A person reads exactly this."""
    text = plan_text(case.plan, case.limits, case.violations, plain) + "\n"
    compare(folder / "plan.txt", text, rewrite=pytestconfig.getoption("--rewrite-golden"))


def test_the_plan_file_is_as_expected(folder: Path, case: Case, pytestconfig: pytest.Config) -> None:
    """CI keeps exactly this, and it is what its schema says."""
    content = plan_file.document(case.plan, ORIGIN, case.violations)
    text = json.dumps(content, indent=2) + "\n"
    assert json_schema.problems("plan", content) == []
    compare(folder / "plan.json", text, rewrite=pytestconfig.getoption("--rewrite-golden"))


def test_no_line_of_the_text_is_wider_than_it_must_be(case: Case) -> None:
    """No line ends in spaces, and none is empty at the end."""
    text = plan_text(case.plan, case.limits, case.violations, plain)
    assert all(line == line.rstrip() for line in text.split("\n"))
    assert text == text.strip("\n")
