"""A shell completes what a project's files name, without a network, and nothing that it could take for a command."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from reconciler.cli.completion import SHELLS
from reconciler.cli.group import COMMANDS, group
from tests.journey.desk import FILL, Desk, environment

NAMED = FILL.replace("mode: new", "mode: new\n      columns: [news, notes]")
Complete = Callable[..., list[str]]


def values(folder: Path, *words: str, **variables: str) -> list[str]:
    """Return the values that complete the last of the words, in a folder."""
    with chdir(folder), environment(variables):
        items = ShellComplete(group, {}, "reconciler", "X").get_completions(list(words[:-1]), words[-1])
    return [item.value for item in items]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a manifest."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/a.yaml").write_text(NAMED)
    return tmp_path


NAMES = ["target-accounts", "target-accounts/fill", "target-accounts/retry", "team=gtm"]


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["plan", "--target", ""], NAMES),
        (["plan", "--target", "team"], ["team=gtm"]),
        (["apply", "--exclude", "x/y,te"], ["x/y,team=gtm"]),
        (["explain", "target-accounts/"], NAMES[1:3]),
        (["explain", "target-accounts", "--column", "n"], ["news", "notes"]),
        (["ledger", "list", "--address", ""], NAMES[:3]),
        (["ledger", "list", "--label", ""], ["team=gtm"]),
        (["ledger", "release", "0"], ["0a1a669a-9a40-497c-bb00-d49dd8ee5b74"]),
        (["ledger", "re"], ["reconcile", "release", "report", "resolve"]),
        (["plan", "--fo"], ["--format"]),
        (["plan", "--format", "m"], ["markdown"]),
        (["completion", ""], list(SHELLS)),
    ],
)
def test_names_are_completed(project: Path, words: list[str], completed: list[str]) -> None:
    """Of commands, options and their choices, manifests, runs, labels, columns, tables."""
    assert values(project, *words) == completed


def test_every_command_is_completed(tmp_path: Path) -> None:
    """In the order of the help."""
    assert values(tmp_path, "") == list(COMMANDS)


def test_the_place_of_the_project_counts(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """`-C`, `--project` and PATH, before or after the command."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (project / "reconciler.yaml").write_text("apiVersion: reconciler/v1\nkind: Project\n")
    here = str(project)
    assert values(elsewhere, "plan", "--target", "") == []
    assert values(elsewhere, "-C", here, "plan", "--target", "") == NAMES
    assert values(elsewhere, "plan", "-C", here, "--target", "") == NAMES
    assert values(elsewhere, "plan", "--project", f"{here}/reconciler.yaml", "--target", "") == NAMES
    assert values(elsewhere, "plan", f"{here}/manifests", "--target", "") == NAMES


def test_calls_are_completed_from_a_ledger_that_is_a_file(desk: Desk) -> None:
    """By the start of their ids; a server is not asked."""
    assert values(desk.folder, "ledger", "show", "") == []
    assert not (desk.folder / ".reconciler").exists()
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    listed = [call["id"] for call in desk.run("ledger", "list", "--format", "json").json]
    assert values(desk.folder, "ledger", "show", "") == [call[:8] for call in listed]
    assert values(desk.folder, "ledger", "resolve", listed[0][:12]) == [listed[0][:12]]
    began = time.monotonic()
    assert values(desk.folder, "ledger", "show", "", RECONCILER_LEDGER="postgresql://192.0.2.1/db") == []
    assert time.monotonic() - began < 5


def test_columns_come_from_the_newest_snapshot_too(desk: Desk) -> None:
    """Which need not be signed for that."""
    assert values(desk.folder, "explain", "target-accounts", "--column", "") == []
    assert desk.run("snapshot", "--out", "live.snapshot", "--unsigned").code == 0
    assert values(desk.folder, "explain", "target-accounts", "--column", "") == ["news", "notes"]
    (desk.folder / "newer.snapshot").write_bytes(b"rubbish")
    os.utime(desk.folder / "newer.snapshot", (2e9, 2e9))
    assert values(desk.folder, "explain", "target-accounts", "--column", "") == []


@pytest.mark.parametrize("text", ["a: [", "kind: Project", FILL.replace("gtm", '"$(touch x)"')])
def test_a_file_of_another_completes_nothing_that_acts(project: Path, text: str) -> None:
    """Nor does a broken one say anything."""
    (project / "manifests/a.yaml").write_text(text)
    found = values(project, "plan", "--target", "")
    assert [value for value in found if "$" in value or " " in value] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_of_the_shell(desk: Desk, shell: str) -> None:
    """Which reads it without an error, if it is installed here."""
    said = desk.run("completion", shell)
    assert said.code == 0
    assert f"_RECONCILER_COMPLETE={shell}_complete" in said.out
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=said.out, text=True, check=True)
