"""Every YAML block in every page validates, and every Python block runs."""

import re
import shutil
from contextlib import chdir
from pathlib import Path

import pytest
import yaml

from reconciler.cli.group import run
from reconciler.manifests.loader import load_manifests
from reconciler.model.condition import Operator, cell_tests
from reconciler.simulator.server import serve
from reconciler.simulator.world.workspace_file import load
from tests.documentation.pages import ROOT, Block, block, blocks, page
from tests.journey.desk import NOWHERE, environment

GUIDE = "examples/README.md"
TABLE = "00000000-0000-4000-8000-000000000000"
HEAD = "apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {name: a}\n"
RUNS = "  runs:\n    - mode: new\n"
UPSTREAM = HEAD.replace("name: a", "name: target-accounts") + f"spec:\n  table: {NOWHERE}\n{RUNS}"
"""A manifest that blocks depend on."""
PROJECT = "apiVersion: reconciler/v1\nkind: Project\n"
YAML = blocks("yaml")
SESSIONS = [each for each in blocks("python") if each.kind == "session"]
ELSEWHERE = {"conftest", "tests"}
"""Kinds of Python blocks that `tests/simulator` runs."""


def files(of: Block) -> list[dict[str, str]]:
    """Return the projects that a block stands for: path → text."""
    upstream = {"manifests/upstream.yaml": UPSTREAM}
    if of.kind == "manifest":
        return [{"manifests/a.yaml": of.text}]
    if of.kind == "project":
        return [{"reconciler.yaml": PROJECT + of.text, **upstream}]
    if of.kind == "table":
        lines = [line for line in of.text.splitlines() if line.strip()]
        return [{"manifests/a.yaml": f"{HEAD}spec:\n{line}\n{RUNS}", **upstream} for line in lines]
    whole = {
        "spec": f"{HEAD}spec:\n{of.text}",
        "runs": f"{HEAD}spec:\n  table: {TABLE}\n  runs:\n{of.text}",
        "rows": f"{HEAD}spec:\n  table: {TABLE}\n{RUNS}{of.text}",
    }[of.kind]
    return [{"manifests/a.yaml": whole, **upstream}]


@pytest.mark.parametrize("of", [each for each in YAML if each.kind not in ("workspace", "gitlab")], ids=str)
def test_a_yaml_block_is_valid(of: Block, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the project that its kind stands for."""
    for number, project in enumerate(files(of)):
        folder = tmp_path / str(number)
        for name, text in project.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        with chdir(folder), environment({}):
            assert run(["validate"]) == 0, capsys.readouterr()


def test_the_other_yaml_blocks() -> None:
    """The simulator's workspace is loaded in `tests/simulator`; GitLab gives a file of ours what it asks for."""
    (include,) = [each for each in YAML if each.kind == "gitlab"]
    for each in yaml.safe_load(include.text)["include"]:
        [header, _] = (ROOT / each["file"].removeprefix("/")).read_text(encoding="utf-8").split("\n---\n")
        inputs = yaml.safe_load(header)["spec"]["inputs"]
        assert {name for name, of in inputs.items() if "default" not in of} == set(each["inputs"])
        assert each["ref"] == each["inputs"]["revision"]


def test_the_guide_names_every_test_of_a_condition(tmp_path: Path) -> None:
    """In its table; and its example reads as three tests."""
    (tmp_path / "a.yaml").write_text(files(block(GUIDE, "yaml", "rows"))[0]["manifests/a.yaml"], encoding="utf-8")
    [manifest] = load_manifests([tmp_path])
    selection = manifest.runs[0].selection
    assert selection is not None
    assert selection.where is not None
    assert [test.column for test in cell_tests(selection.where)] == ["country", "employees", "latest_funding"]
    table = page(GUIDE).text.partition("| test | holds for |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z]+)(?:: true)?`", table)) >= {operator.value for operator in Operator}


@pytest.mark.parametrize("of", SESSIONS, ids=str)
def test_the_python_of_a_page_runs(of: Block, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands there, over an example; every call is paid for once, and nothing is left."""
    shutil.copytree(ROOT / "examples" / "python", tmp_path, dirs_exist_ok=True)
    with (
        serve(load(ROOT / "examples" / "workspace.yaml"), speed=5000.0) as simulator,
        chdir(tmp_path),
        environment(simulator.environment()),
    ):
        exec(compile(of.text, str(of), "exec"), {})
    assert set(simulator.charges().values()) == {1}
    assert capsys.readouterr().out.splitlines()[1] == "0 0"


def test_no_python_block_is_left_out() -> None:
    """Each is of a kind that some test runs."""
    assert {each.kind for each in blocks("python")} == {"session"} | ELSEWHERE
