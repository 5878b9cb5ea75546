"""The command that needs it names it: a shared ledger, and an extra that nothing else loads."""

import sys

import pytest

from tests.journey.conftest import MakeDesk, make_desk
from tests.journey.desk import FILL, Desk, accounts

__all__ = ["make_desk"]
COMMANDS = (
    ("submit", "--plan", "plan.json"),
    ("worker",),
    ("follow", "0123abcd"),
    ("applies", "list"),
    ("applies", "show", "0123abcd"),
    ("applies", "stop", "0123abcd", "--reason", "x"),
)


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """A desk whose ledger is a file, and a plan."""
    desk = make_desk(accounts())
    desk.write(FILL)
    assert desk.run("plan", "--out", "plan.json").code == 0
    return desk


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_ledger_that_is_a_file_is_refused(desk: Desk, command: tuple[str, ...]) -> None:
    """With the reason, and what to name instead."""
    said = desk.run(*command)
    assert said.code == 1
    assert "several machines need a ledger that they share, and this one is a file" in said.err
    assert "RECONCILER_LEDGER=postgresql://" in said.err
    assert desk.posts() == []


def test_without_the_extra_the_command_says_how_to_install_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked of the server; and `plan` works without it."""
    monkeypatch.setitem(sys.modules, "procrastinate", None)
    monkeypatch.delitem(sys.modules, "reconciler.fleet.engine", raising=False)
    assert desk.run("plan", "--quiet").code == 0
    desk.extra["RECONCILER_LEDGER"] = "postgresql://localhost:1/none"
    said = desk.run("submit", "--plan", "plan.json")
    assert said.code == 1
    assert "pip install 'extruct-reconciler[worker]'" in said.err
