"""What the README says is what the program does."""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from reconciler.cli import group as cli
from reconciler.manifests.loader import load_manifests
from reconciler.model.condition import Operator, cell_tests
from reconciler.model.report import ExitCode
from reconciler.simulator.server import serve
from reconciler.simulator.world.workspace_file import load
from tests.journey.desk import environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HELP = (ROOT / "reconciler/cli/help.txt").read_text(encoding="utf-8")


def fenced(text: str) -> list[str]:
    """Return the fenced blocks of a Markdown text."""
    return re.findall(r"^```[a-z]*\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_the_help_file_is_clicks_own() -> None:
    """`--help` is read from a file, which must say what click would."""
    said = CliRunner().invoke(cli.group, ["--help"], prog_name="reconciler", terminal_width=80)
    assert said.output == HELP


def test_the_readme_shows_the_help() -> None:
    """Word for word."""
    assert HELP in fenced(README)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_help(name: str) -> None:
    """And the group's line for it begins like it."""
    said = CliRunner().invoke(cli.group, [name, "--help"], prog_name="reconciler")
    assert said.exit_code == 0
    assert cli.COMMANDS[name].split(",")[0].rstrip(".") in " ".join(said.output.split())


def test_the_readme_lists_every_exit_code() -> None:
    """No code without a line, no line without a code."""
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", README, flags=re.MULTILINE)}
    assert codes == {int(code) for code in ExitCode}


def test_every_option_the_readme_names_exists() -> None:
    """In some command."""
    with click.Context(cli.group) as context:
        commands = [cli.group.get_command(context, name) for name in cli.COMMANDS]
        commands += [
            each for command in commands if isinstance(command, click.Group) for each in command.commands.values()
        ]
    options = {
        name for command in [cli.group, *commands] if command for option in command.params for name in option.opts
    }
    options |= {name for command in commands if command for option in command.params for name in option.secondary_opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", re.sub(r"\.venv/bin/p[^&\n]*|pip install.*", "", README)))
    assert named - options - {"--help", "--version"} == set()


def test_the_rows_by_data_of_the_readme_are_a_manifest(tmp_path: Path) -> None:
    """As they stand there, under a run; and every question of a condition has its line."""
    after = README.partition("<!-- rows by data -->\n```yaml\n")[2]
    table = "00000000-0000-4000-8000-000000000000"
    head = f"apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {{name: a}}\nspec:\n  table: {table}"
    (tmp_path / "a.yaml").write_text(f"{head}\n  runs:\n    - mode: new\n{after.partition('```')[0]}", encoding="utf-8")
    [manifest] = load_manifests([tmp_path])
    selection = manifest.runs[0].selection
    assert selection is not None
    assert selection.where is not None
    assert [test.column for test in cell_tests(selection.where)] == ["country", "employees", "latest_funding"]
    questions = after.partition("| question |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z]+)(?:: true)?`", questions)) >= {operator.value for operator in Operator}


def test_the_python_of_the_readme_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands there, over an example; every call is paid for once, and nothing is left."""
    [program] = re.findall(r"^```python\n(import reconciler\n.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    shutil.copytree(ROOT / "examples" / "python", tmp_path, dirs_exist_ok=True)
    with (
        serve(load(ROOT / "examples" / "workspace.yaml"), speed=5000.0) as simulator,
        chdir(tmp_path),
        environment(simulator.environment()),
    ):
        exec(compile(program, "README.md", "exec"), {})
    assert set(simulator.charges().values()) == {1}
    assert capsys.readouterr().out.splitlines()[1:] == ["0 0", "()"]


def test_the_demo_prints_what_the_readme_shows() -> None:
    """In less than ten seconds, and leaves nothing behind."""
    scratch = Path(tempfile.gettempdir())
    before = set(scratch.glob("reconciler-demo-*"))
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "reconciler", "demo"], capture_output=True, text=True, check=True)
    assert time.monotonic() - began < 30  # ten seconds on a machine with nothing else to do
    assert set(scratch.glob("reconciler-demo-*")) == before
    (shown,) = [block for block in fenced(README) if "ledger report --by manifest" in block]
    assert shown.strip() in done.stdout
