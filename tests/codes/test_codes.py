"""Every problem has a code that never changes, and every code is seen."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path

import pytest

from reconciler.cli.group import run
from reconciler.errors import ManifestError
from reconciler.render.annotations import problems_of
from reconciler.simulator.world.workspace_file import load
from reconciler.text.codes import Code
from tests.journey.desk import ACCOUNTS, FILL, environment

TESTS = Path(__file__).parents[1]
PINNED = Path(__file__).with_name("pinned.txt")
PROJECT = "apiVersion: reconciler/v1\nkind: Project\nspec:\n  "

BROKEN: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "E013": ("validate", {"manifests/a.yaml": "a: 1\n" * 102}),
    "E211": ("validate", {"manifests/a.yaml": FILL, "manifests/b.yaml": PROJECT[:-3] + " {}\n"}),
    "E304": ("validate", {"manifests/a.yaml": FILL, "reconciler.yaml": PROJECT + "ledger: hunter2\n"}),
    "E305": ("validate", {"manifests/a.yaml": FILL, "reconciler.yaml": PROJECT + "ledger: postgresql://h/d?host=e\n"}),
    "E306": ("validate", {"manifests/a.yaml": FILL, "reconciler.yaml": PROJECT + "api: {spend: {call_seconds: 1}}\n"}),
    "E309": (
        "validate",
        {
            "manifests/a.yaml": FILL,
            "reconciler.yaml": PROJECT + f"limits: {{tables: {{{ACCOUNTS}: 1, {ACCOUNTS.upper()}: 2}}}}\n",
        },
    ),
    "E501": ("validate nowhere", {}),
    "E502": ("validate", {"manifests/readme.txt": ""}),
    "E504": ("--project nowhere.yaml validate", {}),
    "E505": ("plan other/manifests", {"other/reconciler.yaml": PROJECT + "{}\n", "other/manifests/a.yaml": FILL}),
    "E506": (
        "--api-url= plan",
        {"manifests/a.yaml": FILL, "reconciler.yaml": PROJECT + "api: {url: https://evil.example}\n"},
    ),
    "E507": ("plan", {"manifests/a.yaml": FILL}),
    "E508": ("--ledger hunter2 ledger list", {}),
    "E509": ("plan --limits-from nowhere", {"manifests/a.yaml": FILL}),
    "E510": ("explain E999", {}),
    "E511": ("show notes.json", {"notes.json": "{}"}),
    "E512": ("--ca-bundle nowhere.pem plan", {"manifests/a.yaml": FILL}),
}
"""Code → a command line that meets it, and the files of the folder."""


def said_in(folder: Path, line: str, files: Mapping[str, str], capture: pytest.CaptureFixture[str], **more: str) -> str:
    """Return what a command line writes to stderr in a folder with these files; it fails."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with chdir(folder), environment(more):
        assert run(line.split()) == 1
    return capture.readouterr().err


@pytest.mark.parametrize("code", BROKEN)
def test_it_is_told(code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the message, as linters do; with the place of a problem, or without."""
    line, files = BROKEN[code]
    token = {} if code == "E507" else {"EXTRUCT_API_TOKEN": "t"}
    said = said_in(tmp_path, line, files, capsys, **token)
    assert re.search(rf"^(reconciler|\S+:\d+:\d+): {code} ", said, re.MULTILINE)


def test_a_wrong_variable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which is not a problem of a file."""
    said = said_in(tmp_path, "validate", {"manifests/a.yaml": FILL}, capsys, RECONCILER_MAX_CREDITS="many")
    assert said.startswith("reconciler: E500 RECONCILER_MAX_CREDITS must be a number")


def test_a_link_out_of_the_work_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not followed."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "manifests/a.yaml").symlink_to("/etc/hostname")
    assert said_in(tmp_path, "validate", {}, capsys).startswith("reconciler: E503 ")


def test_a_workspace_that_cannot_be(tmp_path: Path) -> None:
    """The simulator's file has codes, too."""
    (tmp_path / "w.yaml").write_text("pace: {slowest: 1, fastest: 2}\ntables: []\n")
    with pytest.raises(ManifestError) as caught:
        load(tmp_path / "w.yaml")
    assert [problem.code for problem in caught.value.problems] == ["E310"]


def test_a_file_of_another_version() -> None:
    """One without codes, or with one that this version does not know."""
    problem = {"path": "a.yaml", "line": 1, "column": 1, "message": "m", "hint": ""}
    found = problems_of({"diagnostics": [problem, problem | {"code": "E999"}, problem | {"code": "E101"}]})
    assert [each.code for each in found] == ["E000", "E000", "E101"]


def test_no_code_ever_changes() -> None:
    """A new one is added to the list by hand; one that is no longer given stays there, and is never used again."""
    pinned = dict(line.split() for line in PINNED.read_text().splitlines())
    assert {code.value: code.name for code in Code} == pinned
    assert all(re.fullmatch("E[0-8][0-9]{2}", code) for code in Code)


def test_every_code_is_seen() -> None:
    """In an expected output, or literally in a test of the message."""
    assert {code.value for code in Code} - set(_expected()) == set()


def _expected() -> Iterator[str]:
    golden = [*TESTS.glob("manifests/broken/*.txt"), *TESTS.glob("planning/cases/*/plan.txt")]
    for path in (*golden, *TESTS.rglob("*.py")):
        yield from re.findall(r"\bE[0-9]{3}\b", path.read_text(encoding="utf-8"))


def test_each_says_what_why_and_how_to_mend_it() -> None:
    """In whole sentences; the summaries tell the codes apart."""
    assert len({code.summary for code in Code}) == len(Code)
    for code in Code:
        assert not code.summary.endswith("."), code
        assert code.why.endswith("."), code
        assert code.mend.endswith("."), code


def test_explain_tells_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without project, token or network; as JSON, too."""
    with chdir(tmp_path), environment({}):
        assert run(["explain", "E012"]) == 0
        assert capsys.readouterr().out.startswith("E012 A number is too large\n\nWhy:  ")
        assert run(["explain", "E012", "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["title"] == "A number is too large"
        assert run(["explain", "E012", "--row", "x"]) == 64
        assert run(["--log-format", "json", "explain", "E999"]) == 1
    *_, error = map(json.loads, capsys.readouterr().err.splitlines()[-1:])
    assert error["code"] == "E510"
