"""The pages about the command line: its help, and every exit code with what to do after it."""

import re

import click
import pytest
from click.testing import CliRunner

from reconciler.cli import group as cli
from reconciler.model.report import ExitCode
from tests.documentation.pages import ROOT, block, page

GUIDE = "reconciler/cli/README.md"
HELP = ROOT / "reconciler/cli/help.txt"


def test_the_help_file_is_clicks_own(pytestconfig: pytest.Config) -> None:
    """`--help` is read from a file, which must say what click would; `--rewrite-golden` writes it."""
    said = CliRunner().invoke(cli.group, ["--help"], prog_name="reconciler", terminal_width=80)
    if pytestconfig.getoption("--rewrite-golden"):
        HELP.write_text(said.output, encoding="utf-8")
    assert said.output == HELP.read_text(encoding="utf-8")


def test_the_guide_shows_the_help(pytestconfig: pytest.Config) -> None:
    """Word for word; `--rewrite-golden` puts it there."""
    shown, expected = block(GUIDE, "text", "help").text, HELP.read_text(encoding="utf-8")
    if pytestconfig.getoption("--rewrite-golden"):
        (ROOT / GUIDE).write_text(page(GUIDE).text.replace(shown, expected), encoding="utf-8")
        return
    assert shown == expected


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_help(name: str) -> None:
    """And the group's line for it begins like it."""
    said = CliRunner().invoke(cli.group, [name, "--help"], prog_name="reconciler")
    assert said.exit_code == 0
    assert cli.COMMANDS[name].split(",")[0].rstrip(".") in " ".join(said.output.split())


def test_the_front_page_lists_every_exit_code_and_links_what_to_do() -> None:
    """No code without a line and a section, no line and no section without a code."""
    codes = {int(code) for code in ExitCode}
    lines = re.findall(rf"^\| \[(\d+)\]\({GUIDE}#exit-code-(\d+)\) \|", page("README.md").text, flags=re.MULTILINE)
    assert [code for code, _ in lines] == [anchor for _, anchor in lines] == [str(code) for code in sorted(codes)]
    sections = re.findall(r"^### Exit code (\d+)$", page(GUIDE).text, flags=re.MULTILINE)
    assert [int(code) for code in sections] == sorted(codes)


def test_every_command_is_in_the_help_of_its_group() -> None:
    """Click lists what the loader knows."""
    with click.Context(cli.group) as context:
        assert set(cli.group.list_commands(context)) == set(cli.COMMANDS)
