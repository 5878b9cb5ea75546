"""`-` where a command takes a path: standard input, as every other program reads it."""

import io
import sys
from types import SimpleNamespace

import pytest

from tests.journey.desk import FILL, Desk


def pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Give the next command standard input."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode()), isatty=lambda: False))


@pytest.mark.parametrize("command", [("validate",), ("plan",), ("status",), ("drift",), ("wait", "--timeout", "0")])
def test_manifests_are_read_from_stdin(desk: Desk, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    """By every command that takes PATH, and none of the project's own besides."""
    desk.write("nonsense: [", "manifests/broken.yaml")
    pipe(monkeypatch, FILL.replace("name: target-accounts", "name: piped"))
    said = desk.run(*command, "-")
    assert said.code in (0, 2), said.err
    assert "broken" not in said.err
    if command in [("plan",), ("status",), ("drift",)]:
        assert "piped" in said.out


def test_apply_sends_what_stdin_asks_for_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger is the project's, so a second time nothing is due."""
    for _ in range(2):
        pipe(monkeypatch, FILL)
        said = desk.run("apply", "-", "--yes", "--no-wait")
        assert said.code == 0, said.err
    assert set(desk.charged().values()) == {1}


def test_a_problem_in_stdin_has_its_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a name without a file; without a manifest there is nothing to check."""
    pipe(monkeypatch, FILL.replace("mode: new", "mode: old"))
    said = desk.run("validate", "-")
    assert (said.code, said.err.startswith("<stdin>:10:")) == (1, True), said.err
    pipe(monkeypatch, "")
    assert "there is no manifest in `<stdin>`" in desk.run("plan", "-").err


def test_a_closed_stdin_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has none then."""
    monkeypatch.setattr(sys, "stdin", None)
    assert "<stdin>:1:1: E001 the file cannot be read: standard input is closed" in desk.run("plan", "-").err


def test_a_saved_plan_is_read_from_stdin(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """To show it, and to apply it."""
    plan = desk.run("plan", "--format", "json").out
    pipe(monkeypatch, plan)
    assert "target-accounts" in desk.run("show", "-").out
    pipe(monkeypatch, plan)
    said = desk.run("apply", "--plan", "-", "--yes", "--no-wait")
    assert said.code == 0, said.err
    assert desk.posts()
    pipe(monkeypatch, "{}")
    assert "<stdin> is neither a plan" in desk.run("show", "-").err


def test_stdin_has_no_place_at_a_base(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be compared, but the limits of a base hold for it."""
    desk.write(FILL, "base/manifests/accounts.yaml")
    limit = "apiVersion: reconciler/v1\nkind: Project\nspec: {limits: {max_cells: 1}}\n"
    desk.write(limit, "base/reconciler.yaml")
    pipe(monkeypatch, FILL)
    assert "cannot be compared" in desk.run("plan", "-", "--against", "base").err
    pipe(monkeypatch, FILL)
    assert desk.run("plan", "-", "--limits-from", "base").code == 3


def test_a_project_file_cannot_name_stdin(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of it would make every pipeline read what nothing writes."""
    desk.write("apiVersion: reconciler/v1\nkind: Project\nspec: {manifests: ['-']}\n", "reconciler.yaml")
    pipe(monkeypatch, FILL)
    said = desk.run("plan")
    assert (said.code, "there is no file or folder" in said.err) == (1, True), said.err
