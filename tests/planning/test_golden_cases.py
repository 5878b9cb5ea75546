"""Golden scenarios: what a user sees of a plan, whole, as text and as the plan file.

Digests are blank in the plan files, so that a review sees what a plan says. `digests.json` pins them all: a digest that
changes by accident would make approved plans stale, or a call look like another one.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.manifests import json_schema
from reconciler.render.colour import plain
from reconciler.render.plan_text import plan_text
from tests.planning.golden_cases import CASES, Case, read_case

SCENARIOS = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())
DIGESTS = CASES.parent / "digests.json"
DIGEST = re.compile("sha256:[0-9a-f]{64}")


@pytest.fixture(params=SCENARIOS)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of a scenario."""
    return str(request.param)


@pytest.fixture
def case(name: str) -> Case:
    """Plan the scenario."""
    return read_case(name)


def compare(expected: Path, text: str, config: pytest.Config) -> None:
    """Compare a whole output with the file that holds it, or write that file."""
    if config.getoption("--rewrite-golden"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def without_digests(content: dict[str, Any]) -> str:
    """Return a plan file whose digests, the ids of its calls among them, are blank."""
    text = json.dumps(content, indent=2) + "\n"
    for call in content["calls"]:
        text = text.replace(f'"{call["id"]}"', '"…"')
    return DIGEST.sub("sha256:…", text)


def digests_of(content: dict[str, Any]) -> dict[str, Any]:
    """Return the digests that the program makes for a plan file, shortened."""
    named = {
        "plan": content["plan_id"],
        "project": content["manifest_digest"],
        "manifests": [*content["manifest_digests"].values()],
        "columns": [table["columns_digest"] for table in content["tables"]],
        "calls": [call["id"] for call in content["calls"]],
    }
    return {key: short(value) if isinstance(value, str) else [*map(short, value)] for key, value in named.items()}


def short(digest: str) -> str:
    """Return enough of a digest to see that it changed."""
    return digest.removeprefix("sha256:")[:12]


def test_there_are_as_many_scenarios_as_the_issue_asks_for() -> None:
    """At least 25 scenarios are planned."""
    assert len(SCENARIOS) >= 25


def test_the_plan_as_text_is_as_expected(name: str, case: Case, pytestconfig: pytest.Config) -> None:
    """A person reads exactly this."""
    text = plan_text(case.plan, case.limits, case.violations, plain) + "\n"
    compare(CASES / name / "plan.txt", text, pytestconfig)


def test_the_plan_file_is_as_expected(name: str, case: Case, pytestconfig: pytest.Config) -> None:
    """CI keeps this and its digests, and it is what its schema says."""
    content = case.document
    assert json_schema.problems("plan", content) == []
    compare(CASES / name / "plan.json", without_digests(content), pytestconfig)


def test_the_digests_are_as_they_have_always_been(pytestconfig: pytest.Config) -> None:
    """Of all scenarios, one per line."""
    lines = [f'"{name}": {json.dumps(digests_of(read_case(name).document))}' for name in SCENARIOS]
    compare(DIGESTS, "{\n" + ",\n".join(lines) + "\n}\n", pytestconfig)


def test_no_line_of_the_text_is_wider_than_it_must_be(case: Case) -> None:
    """No line ends in spaces, and none is empty at the end."""
    text = plan_text(case.plan, case.limits, case.violations, plain)
    assert all(line == line.rstrip() for line in text.split("\n"))
    assert text == text.strip("\n")
