"""A restored or older ledger: what is done is taken over before the next apply, and bought by none."""

import shutil
from pathlib import Path

import pytest

from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, PARTNERS, REFRESH, Desk, accounts, agent

LEDGER = Path(".reconciler/ledger.db")
RETRY = "    - {name: retry, mode: failed, columns: [notes], max_attempts: 1}\n"


@pytest.fixture
def restored(desk: Desk) -> Desk:
    """Return a desk whose `all` run was bought and is done, and whose ledger was then set back to before it."""
    desk.write(REFRESH)
    assert desk.run("ledger", "init").code == 0
    shutil.copy(desk.folder / LEDGER, desk.folder / "copy.db")
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    assert sorted(desk.charged().values()) == [1] * 6
    for path in (desk.folder / LEDGER).parent.glob("ledger.db*"):
        path.unlink()
    shutil.copy(desk.folder / "copy.db", desk.folder / LEDGER)
    return desk


def test_without_adopting_it_buys_again(restored: Desk) -> None:
    """The purpose of the adoption."""
    assert restored.run("plan", "--format", "json").json["totals"]["cells"] == 6


@pytest.mark.parametrize("path", [[], ["manifests/accounts.yaml"], ["manifests"]])
def test_adopted_at_its_revision_nothing_is_bought_again(restored: Desk, path: list[str]) -> None:
    """By the manifests, not by ids; sends nothing but GET, costs nothing, and the ledger says what it is."""
    before = restored.simulator.charges()
    posts = len(restored.posts())
    said = restored.run("ledger", "adopt", *path, "--as", "r1")
    assert said.code == 0
    assert said.out.startswith("target-accounts (Target Accounts): ")
    assert "adopted at r1" in said.out
    assert len(restored.posts()) == posts
    assert restored.run("apply", "--yes", "--no-wait", "--detailed-exitcode").code == 0
    assert restored.simulator.charges() == before
    (call,) = restored.run("ledger", "list", "--format", "json").json
    assert (call["state"], call["address"], call["credits"]) == ("adopted", "target-accounts/refresh", 0)
    assert "nothing new to adopt" in restored.run("ledger", "adopt", "--as", "r1").out


def test_the_next_revision_is_bought_as_ever(restored: Desk) -> None:
    """An adoption counts at its revision alone."""
    restored.run("ledger", "adopt", "--as", "r1")
    restored.write(REFRESH.replace("r1", "r2"))
    assert restored.run("plan", "--format", "json").json["totals"]["cells"] == 6


def test_a_revision_that_no_run_asks_for_is_said(restored: Desk) -> None:
    """A slip in NAME would let the next apply buy everything."""
    said = restored.run("ledger", "adopt", "--as", "r11")
    assert said.code == 0
    assert "target-accounts/refresh asks for revision r1, for which nothing was adopted" in said.err
    assert "--as r1" in said.err


def test_tries_start_again_from_zero_and_that_is_said(desk: Desk) -> None:
    """The ledger that counted them is gone; a failed cell may be bought as often again as its run allows."""
    desk.write(REFRESH + RETRY)
    said = desk.run("ledger", "adopt", "--as", "r1")
    assert "Attempts of `failed` are counted from zero" in said.err
    desk.write(REFRESH)
    assert "Tries" not in desk.run("ledger", "adopt", "--as", "r1").err


def test_a_running_table_is_refused_and_the_others_are_taken_over(make_desk: MakeDesk) -> None:
    """Cells in progress would be bought a second time; exit 1 names it."""
    other = {"id": PARTNERS, "name": "Partners", "columns": [agent("news")], "rows": [{"cells": {"news": "done"}}]}
    desk = make_desk(accounts(), other)
    desk.write(REFRESH)
    desk.write(REFRESH.replace(ACCOUNTS, PARTNERS).replace("target-accounts", "partners"), "manifests/partners.yaml")
    with desk.simulator.state.lock:
        desk.simulator.state.run(desk.simulator.state.find(ACCOUNTS), "new", None, None)
    said = desk.run("ledger", "adopt", "--as", "r1")
    assert (said.code, ACCOUNTS in said.err, "is running" in said.err) == (1, True, True)
    assert said.out == "partners (Partners): 1 cell adopted at r1, 0 cells not done\n"


def test_no_time_can_be_named(desk: Desk) -> None:
    """Cells carry none, so `--since` could not keep its promise; NAME is needed."""
    assert desk.run("ledger", "adopt", "--as", "r1", "--since", "2026-01-01").code == 64
    assert desk.run("ledger", "adopt").code == 64
