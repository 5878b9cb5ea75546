"""The rules for every command: its help, the global options in any place, its examples."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from reconciler.cli import group as cli
from reconciler.cli.help_pages import CODES, PAGES, VARIABLES
from reconciler.model.report import ExitCode

GLOBAL = {
    "-C": ".", "--project": "p.yaml", "--api-url": "http://127.0.0.1:1", "--ledger": "l.db", "--ca-bundle": "c.pem",
    "--verbose": None, "-v": None, "--quiet": None, "-q": None, "--no-color": None, "--log-format": "json",
}  # fmt: skip
"""Each global option and a value for it."""


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command and subcommand with its path."""
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield f"{path}{name}", command
            if isinstance(command, click.Group):
                yield from commands(command, f"{path}{name} ")


EVERY = dict(commands(cli.group))


def test_every_command_has_its_page_and_no_page_lacks_its_command() -> None:
    """`PAGES` in `reconciler/cli/help_pages.py` is where a new command gets its examples, variables and exit codes."""
    assert sorted(PAGES) == sorted(["", *EVERY])
    assert set(CODES) == {int(code) for code in ExitCode}
    for path, page in PAGES.items():
        assert page.examples, path
        assert set(page.variables) <= set(VARIABLES), path
        assert set(page.codes) <= set(CODES), path


@pytest.mark.parametrize("path", PAGES)
def test_the_help_ends_with_examples_variables_and_exit_codes(path: str) -> None:
    """In at most 80 columns."""
    said = CliRunner().invoke(cli.group, [*path.split(), "--help"], prog_name="reconciler", terminal_width=80)
    assert said.exit_code == 0
    assert [part for part in ("Examples:", "Environment:", "Exit codes:") if f"\n  {part}\n" not in said.output] == []
    assert [line for line in said.output.splitlines() if len(line) > 80] == []


def test_the_help_of_everything_says_of_each_variable_what_it_is() -> None:
    """Each is one that the program reads."""
    for name in VARIABLES:
        assert name.split(",")[0] in "\n".join(PAGES[""].text().splitlines())


EXAMPLES = [example for page in PAGES.values() for example in page.examples]


@pytest.mark.parametrize("example", dict.fromkeys(EXAMPLES))
def test_an_example_can_be_typed(example: str) -> None:
    """Its command, its options and their values exist."""
    words = shlex.split(re.split(r" (?:>>?|<) ", example)[0])
    command: click.Command = cli.group
    # As the program makes it: a command remembers the names of its help option from the first context it sees.
    context = click.Context(cli.group, info_name="reconciler", obj={}, **cli.group.context_settings)
    while isinstance(command, click.Group) and words:
        with click.Context(command, parent=context) as inner:
            _, found, words = command.resolve_command(inner, words)
        assert found is not None
        command = found
    with command.make_context(command.name, words, parent=context):
        pass


def parsed(words: list[str]) -> dict[str, object]:
    """Return the global options as a command line sets them, if it has no others."""
    seen: dict[str, object] = {}

    def keep(context: click.Context) -> None:
        seen.update(context.obj)

    group, rest = cli.group, list(words)
    with group.make_context("reconciler", rest, obj={}, resilient_parsing=True) as context:
        given = {name: value for name, value in context.params.items() if value}
        seen.update(given)
        command: click.Command = group
        left = [*context._protected_args, *context.args]
        inner = context
        while isinstance(command, click.Group) and left:
            name, found, left = command.resolve_command(inner, left)
            assert found is not None
            inner = found.make_context(name, left, parent=inner, resilient_parsing=True)
            left = [*inner._protected_args, *inner.args]
            command = found
        seen.update(inner.obj or {})
    return seen


@pytest.mark.parametrize("path", EVERY)
def test_global_options_stand_before_or_after_the_command(path: str) -> None:
    """With the same meaning, for every command, and between a group and its command."""
    for option, value in GLOBAL.items():
        words = [option] if value is None else [option, value]
        places = [[*words, *path.split()], [*path.split(), *words]]
        if " " in path:
            first, second = path.split()
            places.append([first, *words, second])
        results = [parsed(place) for place in places]
        assert results[0], (path, option)
        assert all(result == results[0] for result in results), (path, option, results)


@pytest.mark.parametrize("path", ["", "ledger", "comment", "approved-plan"])
def test_a_word_that_is_no_command_is_answered(path: str) -> None:
    """On stderr, with exit code 64, and nothing is run."""
    said = CliRunner().invoke(cli.group, [*path.split(), "xyzzy"], prog_name="reconciler")
    assert f"`{f'reconciler {path}'.strip()} --help` lists those there are" in said.stderr
