"""`validate` for programs: JSON, the problems of every file in one run, and the line of a problem on a terminal."""

import io
import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from reconciler.cli.group import run
from reconciler.manifests import json_schema
from reconciler.manifests.yaml_reader import read_documents
from reconciler.render.source_lines import source_line
from reconciler.text.location import Location
from tests.journey.desk import FILL, environment

KEYS = json.loads(json_schema.text("manifest"))["definitions"]["run"]["properties"]
BAD_PROJECT = "apiVersion: reconciler/v1\nkind: Project\nspec:\n  manifests: [runs]\n  limit: {max_credits: 5}\n"


def checked(folder: Path, capture: pytest.CaptureFixture[str], *arguments: str, **files: str) -> tuple[int, Any]:
    """Write files, `__` in their names for `/`; return the exit code and the JSON of `validate`."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with chdir(folder), environment({}):
        code = run(["validate", "--format", "json", *arguments])
    said = capture.readouterr()
    assert said.err == ""
    content = json.loads(said.out)
    Draft7Validator(json.loads(json_schema.text("validation"))).validate(content)
    return code, content


def test_valid_manifests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No problem, exit code 0."""
    code, content = checked(tmp_path, capsys, manifests__a_yaml=FILL)
    assert (code, content) == (0, {"format_version": "1.0", "valid": True, "problems": []})


def test_a_problem_has_its_code_place_and_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the keys that are allowed, in its hint."""
    code, content = checked(
        tmp_path, capsys, manifests__a_yaml=FILL.replace("mode: failed", "mode: failed\n      x: 1")
    )
    (problem,) = content["problems"]
    assert code == 1
    assert problem == {
        "code": "E101",
        "severity": "error",
        "path": "manifests/a.yaml",
        "line": 13,
        "column": 7,
        "field": "spec.runs[1].x",
        "message": "unknown key `x` in spec.runs[1]",
        "hint": f"Allowed here: {', '.join(f'`{key}`' for key in KEYS)}.",
    }


def test_project_file_and_manifests_in_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The manifests are those that the faulty project file names."""
    code, content = checked(
        tmp_path, capsys, reconciler_yaml=BAD_PROJECT, runs__a_yaml=FILL.replace("mode: new", "mode: nwe")
    )
    found = [(each["path"], each["code"], each["field"]) for each in content["problems"]]
    assert (code, content["valid"]) == (1, False)
    assert found == [("reconciler.yaml", "E101", "spec.limit"), ("runs/a.yaml", "E104", "spec.runs[0].mode")]


def test_a_faulty_project_file_without_manifests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only what can be mended first is told."""
    _, content = checked(tmp_path, capsys, reconciler_yaml="spec: [\n")
    assert [(each["code"], each["field"]) for each in content["problems"]] == [("E005", "")]


def test_a_wrong_setting_has_no_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a problem like the others all the same."""
    code, content = checked(tmp_path, capsys, "nowhere")
    (problem,) = content["problems"]
    assert (code, problem["code"]) == (1, "E501")
    assert (problem["path"], problem["line"], problem["column"], problem["field"]) == ("", None, None, "")


def test_standard_input_has_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As linters give it."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(FILL.replace("mode: new", "mode: nwe").encode())))
    _, content = checked(tmp_path, capsys, "-")
    assert [(each["path"], each["line"]) for each in content["problems"]] == [("<stdin>", 10)]


def place(text: str, line: int, column: int, at: tuple[str | int, ...] = ()) -> Location:
    """Return a place in a file with this text."""
    return Location("a.yaml", line, column, at, text)


@pytest.mark.parametrize(
    ("line", "column", "shown"),
    [
        ("  - mode: nwe", 11, ["    1 |   - mode: nwe", "      |           ^"]),
        ("名前: x", 5, ["    1 | 名前: x", "      |       ^"]),
        ("e\u0301: x", 4, ["    1 | e\u0301: x", "      |   ^"]),
        ("\x1b[2J\u202e: x", 5, ["    1 | \\x1b[2J\\u202e: x", "      |        ^"]),
        ("\tkey: x", 1, ["    1 | \\x09key: x", "      | ^"]),
    ],
    ids=["plain", "wide", "combining", "hostile", "tab"],
)
def test_the_caret_is_below_the_place(line: str, column: int, shown: list[str]) -> None:
    """Whatever the characters before it take, and nothing of the line moves the cursor."""
    assert source_line(place(line, 1, column), 80).splitlines() == shown


@pytest.mark.parametrize("width", [10, 40, 80])
@pytest.mark.parametrize("column", [1, 50, 100_000, 200_000])
def test_a_long_line_is_cut_around_the_place(column: int, width: int) -> None:
    """To the terminal's width, or the least that can be read."""
    shown, caret = source_line(place("界x" * 100_000, 1, column), width).splitlines()
    assert sum(2 if each == "界" else 1 for each in shown) <= max(width, 28)
    before = shown[8:][: len(caret) - 9]
    assert len(caret) <= max(width, 28), before


def test_a_line_that_may_hold_a_password_is_not_shown() -> None:
    """Nor the place of the ledger, whose text may go on in the next line."""
    text = "spec:\n  ledger: postgresql://me:hunter2@host/db\n  x: 'https://u:p@h'\n  y: z\n"
    assert [source_line(place(text, line, 3), 80) for line in (2, 3, 9)] == ["", "", ""]
    assert source_line(place(text, 4, 3, ("spec", "ledger")), 80) == ""
    assert source_line(place(text, 4, 3), 80) != ""
    assert source_line(Location("a.yaml", 1, 1), 80) == ""


def test_a_problem_of_a_document_knows_its_line(tmp_path: Path) -> None:
    """Also once the file has gone."""
    (tmp_path / "a.yaml").write_text("a:\n  b: 1\n")
    (document,) = read_documents(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").unlink()
    assert source_line(document.location(("a", "b")), 80).splitlines() == ["    2 |   b: 1", "      |      ^"]


def test_the_line_is_for_terminals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log has the problem alone."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/a.yaml").write_text(FILL.replace("mode: new", "mode: nwe"))
    shown = []
    for is_terminal in (False, True):
        monkeypatch.setattr("sys.stderr.isatty", lambda found=is_terminal: found)
        with chdir(tmp_path), environment({"COLUMNS": "80", "NO_COLOR": "1"}):
            assert run(["validate"]) == 1
        shown.append(capsys.readouterr().err.splitlines())
    where = "manifests/a.yaml:10:13: E104 spec.runs[0].mode is `nwe`; did you mean `new`?"
    assert shown[0] == [where, "1 problem in 1 file."]
    assert shown[1] == [where, "   10 |       mode: nwe", "      |             ^", "1 problem in 1 file."]
