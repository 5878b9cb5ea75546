"""Every command in every page is run."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from reconciler.cli import group as cli
from tests.documentation.commands import expected_codes, matches, one_by_one, outcomes, session
from tests.documentation.pages import ROOT, Block, Page, blocks, page, pages
from tests.documentation.scenes import SCENES, scene
from tests.fork_server import fork_server
from tests.postgres import fresh_database, postgres_server

__all__ = ["postgres_server"]

NEEDED = ("bash", "curl", "git", "jq")
ELSEWHERE = {
    "install": "test_front_page.py", "simulator": "test_simulator.py", "locks": "packaging/test_lock.py",
    "spelled out": "gitops/act.py", "enterprise": "gitops/act.py", "machine": "operations/test_on_one_machine.py",
}  # fmt: skip
"""Kinds of blocks that tests of their own run."""
COMMANDS = [each for each in blocks("sh") if each.kind not in ELSEWHERE]
SESSIONS = [each for each in blocks("console") if each.kind not in ELSEWHERE]

pytestmark = pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"the pages use {', '.join(NEEDED)}")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The program that a page's `reconciler` is; a process that imports everything takes longer than most commands."""
    with fork_server(tmp_path_factory.mktemp("fork")) as client:
        yield client


def test_every_block_says_what_it_is() -> None:
    """No block without a language, and no command outside a block that is run."""
    languages = {block.language for each in pages() for block in each.blocks}
    assert languages <= {"sh", "console", "text", "yaml", "python"}
    assert {each.kind for each in COMMANDS + SESSIONS} <= SCENES.keys()
    assert not [str(each) for each in blocks("text") if "$ " in each.text and each.kind != "demo"]


@pytest.mark.parametrize(
    "block",
    # Those of the tests' pages start tests.
    [pytest.param(each, marks=[pytest.mark.long] * each.page.startswith("tests/"), id=str(each)) for each in COMMANDS],
)
def test_the_commands_of_a_block_do_what_it_says(
    block: Block, tmp_path: Path, client: Path, request: pytest.FixtureRequest
) -> None:
    """Each ends well, or with the exit code that the page names."""
    on_a_server = fresh_database(request.getfixturevalue("postgres_server")) if block.kind == "postgres" else None
    with scene(block.kind, tmp_path, client, on_a_server) as here:
        done = here.run(f"set -uo pipefail\ntrap 'echo $? >> ../failed' ERR\n{block.text}")
    failed = tmp_path / "failed"
    codes = [int(code) for code in failed.read_text().split()] if failed.exists() else []
    assert codes == expected_codes(block), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("block", SESSIONS, ids=str)
def test_a_session_prints_what_is_shown(
    block: Block, tmp_path: Path, client: Path, pytestconfig: pytest.Config
) -> None:
    """Word for word; `…` stands for anything. `--rewrite-golden` shows what is printed now."""
    commands = session(block)
    with scene(block.kind, tmp_path, client) as here:
        done = here.run(one_by_one(commands))
    found = outcomes(done.stdout)
    assert [code for _, code in found] == [command.code for command in commands], done.stderr
    wrong = [
        (command, printed)
        for command, (printed, _) in zip(commands, found, strict=True)
        if not matches(command.output, printed)
    ]
    if wrong and pytestconfig.getoption("--rewrite-golden"):
        _rewrite(block, wrong_to_right={command.text: printed for command, printed in wrong})
    else:
        for command, printed in wrong:
            assert printed.strip() == command.output.strip(), command.text


def _rewrite(block: Block, wrong_to_right: dict[str, str]) -> None:
    shown = ""
    for command in session(block):
        printed = wrong_to_right.get(command.text, command.output).strip("\n")
        prompted = command.text.rstrip("\n").replace("\n", "\n> ")
        shown += f"$ {prompted}\n" + (f"{printed}\n" if printed else "")
    lines = page(block.page).text.splitlines(keepends=True)
    lines[block.line : block.line + len(block.text.splitlines())] = [shown]
    (ROOT / block.page).write_text("".join(lines), encoding="utf-8")


def options_of(words: list[str]) -> tuple[list[str], set[str]]:
    """Return the words of a command line's (sub)command and every option that it takes, the global ones included."""
    with click.Context(cli.group) as context:
        found: list[click.Command] = [cli.group]
        named: list[str] = []
        rest = words
        if rest[:1] == ["-C"] or rest[:1] == ["--ledger"]:
            rest = rest[2:]
        while rest and isinstance(found[-1], click.Group):
            below = found[-1].get_command(context, rest[0])
            if below is None:
                break
            found, named, rest = [*found, below], [*named, rest[0]], rest[1:]
    options = {
        name
        for command in found
        for option in command.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    return named, options | {"--help", "-h"}


def every_option() -> set[str]:
    """Return every option of every command."""

    def below(command: click.Command) -> Iterator[click.Command]:
        yield command
        if isinstance(command, click.Group):
            with click.Context(command) as context:
                for name in command.list_commands(context):
                    inner = command.get_command(context, name)
                    assert inner is not None
                    yield from below(inner)

    options = [option for command in below(cli.group) for option in command.params]
    return {name for option in options for name in (*option.opts, *option.secondary_opts)}


@pytest.mark.parametrize("each", pages(), ids=lambda each: each.name)
def test_every_option_in_a_text_exists(each: Page) -> None:
    """In some command; and in a command that is written out, in that one."""
    for span in each.spans:
        if span.startswith("reconciler ") and "NAME" not in span:
            words = shlex.split(span.replace("[", "").replace("]", ""))[1:]
            named, options = options_of(words)
            assert named or words[0].startswith("-") or words[0].isupper(), span
            assert {word for word in words if word.startswith("-")} - options == set(), span
        elif not span.startswith(("pip ", "pytest ", "kubectl ", "python -m tests.")):
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", span)) - every_option() <= {"--help", "--version"}, span
