"""Ways around an approval, a rollout or a doubt, and codes that hid what was left: each was found by trying."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from tests.at_most_once.rival_applies import ALL
from tests.at_most_once.small_tables import CELLS, fill, let_pass, settings, small_table
from tests.journey.desk import ACCOUNTS, PARTNERS, Desk, agent, row_id

MakeDesk = Callable[..., Desk]
RUN = f"/v1/tables/{ACCOUNTS}/run"


@pytest.fixture
def make_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[MakeDesk]:
    """Return a function that sets up a desk; time stands still unless a speed is given."""
    with ExitStack() as stack:

        def make(*tables: dict[str, Any], speed: float | None = None, **workspace: Any) -> Desk:
            timing: dict[str, Any] = {"clock": ManualClock()} if speed is None else {"speed": speed}
            simulator = stack.enter_context(serve({"tables": list(tables), **workspace}, **timing))
            desk = Desk(tmp_path / "project", simulator, capsys)
            desk.write(settings(), "reconciler.yaml")
            return desk

        yield make


@pytest.mark.parametrize("empty", ["absent", "null"])
def test_a_doubt_that_landed_and_hangs_on_an_idle_table_is_not_bought_again(make_desk: MakeDesk, empty: str) -> None:
    """The call is paid for, its answer is lost, its cells hang as `pending`: they were touched."""
    table = small_table(ACCOUNTS, 10, columns=1)
    table["columns"][1]["stalls"] = 1.0
    desk = make_desk(table, assumptions={"empty_cells": empty})
    desk.write(fill(ACCOUNTS, "accounts", keys=("news",)))
    desk.simulator.fault("close_after", "POST", RUN, times=1)
    assert desk.run("apply", "--yes", "--no-wait").code == 7
    desk.simulator.advance(60)
    let_pass(desk, 300)
    desk.run("apply", "--yes", "--no-wait")
    assert list(desk.charged().values()) == [1] * CELLS


def test_nothing_is_sent_unasked_because_its_table_was_running(make_desk: MakeDesk) -> None:
    """Without a terminal `--yes` is needed, also where everything that is due waits for its table."""
    desk = make_desk(small_table(ACCOUNTS, 10), speed=1.0, pace={"delay": 0, "fastest": 3, "slowest": 3})
    desk.write(fill(ACCOUNTS, "accounts", keys=("news",)))
    desk.write(fill(ACCOUNTS, "person", keys=("notes",)), "elsewhere/person.yaml")
    arguments = ["--ledger", "elsewhere.db", "apply", "elsewhere/person.yaml", "--yes", "--no-wait"]
    assert desk.run(*arguments).code == 0
    said = desk.run("apply", "--wait")  # no --yes, no terminal
    assert {key for key, _ in desk.charged()} == {"notes"}, said.out
    assert said.code == 1


@pytest.mark.parametrize("mode", ["mode: new", ALL])
def test_the_rest_waits_until_the_first_portion_has_shown(make_desk: MakeDesk, mode: str) -> None:
    """A run that shows late: an idle table moments after the first portion was accepted proves nothing about it."""
    table = small_table(ACCOUNTS, 10, columns=1, state="done" if mode == ALL else "empty")
    table["columns"][1]["fails"] = 1.0
    desk = make_desk(table, pace={"shows_after": 60})
    desk.write(fill(ACCOUNTS, "accounts", f"{mode}, rollout: {{first: 1, max_failed: 0%}}", ("news",)))
    for _ in range(2):
        desk.run("apply", "--yes", "--no-wait")
    assert len(desk.charged()) == 1


@pytest.mark.parametrize("how", ["upstream column", "depends_on"])
def test_a_saved_plan_says_what_waits_for_what_is_upstream(make_desk: MakeDesk, how: str) -> None:
    """Wave 1 still runs when the plan is applied again: what is approved and left is said, or waited for and sent."""
    pace = {"delay": 0, "fastest": 4, "slowest": 4}
    if how == "upstream column":
        table = small_table(ACCOUNTS, 10)
        table["columns"][2] = agent("notes", "On {news}.")
        desk = make_desk(table, speed=1.0, pace=pace)
        desk.write(fill(ACCOUNTS, "accounts"))
    else:
        desk = make_desk(
            small_table(ACCOUNTS, 10, columns=1), small_table(PARTNERS, 20, columns=1), speed=1.0, pace=pace
        )
        desk.write(fill(ACCOUNTS, "accounts", keys=("news",)))
        text = fill(PARTNERS, "partners", keys=("news",)).replace("  runs:", "  depends_on: [accounts]\n  runs:")
        desk.write(text, "manifests/partners.yaml")
    desk.run("plan", "--out", "plan.json")
    assert desk.run("apply", "--plan", "plan.json", "--wait", "--timeout", "0.2").code == 6
    said = desk.run("apply", "--plan", "plan.json", "--wait", "--timeout", "0.2")
    assert (said.code, "nothing was due" in said.out) == (6, False), said.out


CHILD = """\
apiVersion: reconciler/v1
kind: TableRun
metadata: {name: people}
spec:
  table: {child_of: accounts, column: people}
  allow_growth: {max_cells: 50, max_credits: 50}
  runs: [{mode: new, columns: [bio]}]
"""


def growing(make_desk: MakeDesk, speed: float) -> tuple[Desk, str]:
    """Return a desk whose saved plan fills a child table, and that table's id."""
    finder = {"key": "people", "kind": "company_people_finder", "value": {"roles": ["VP"], "max_results": 2}}
    table = {
        "id": ACCOUNTS,
        "name": "Accounts",
        "columns": [{"kind": "input", "key": "site"}, finder],
        "rows": [{"id": row_id(number), "data": {"site": "x"}} for number in (1, 2)],
    }
    desk = make_desk(table, speed=speed, pace={"delay": 0, "fastest": 2, "slowest": 2})
    (child,) = (each for each in desk.simulator.state.tables if each != ACCOUNTS)
    config = {"kind": "agent", "name": "Bio", "key": "bio", "value": agent("bio")["value"]}
    headers = {"Authorization": f"Bearer {desk.simulator.token}"}
    url = f"{desk.simulator.url}/v1/tables/{child}/columns"
    assert httpx.post(url, json={"column_configs": [config]}, headers=headers, trust_env=False).is_success
    desk.write(fill(ACCOUNTS, "accounts", keys=("people",)))
    desk.write(CHILD, "manifests/people.yaml")
    assert desk.run("plan", "--out", "plan.json").code == 0
    return desk, child


def test_growth_that_was_approved_and_not_sent_is_said(make_desk: MakeDesk) -> None:
    """Waiting ended before the child table was filled: the saved plan applied again buys what grew, or says so."""
    desk, _ = growing(make_desk, speed=1.0)
    desk.run("apply", "--plan", "plan.json", "--wait", "--timeout", "0.2")
    desk.simulator.advance(10)
    said = desk.run("apply", "--plan", "plan.json", "--wait")
    assert said.code == 6 or {"bio"} <= {key for key, _ in desk.charged()}, said.out


def test_growth_whose_doubt_ended_as_not_landed_is_said(make_desk: MakeDesk) -> None:
    """Its cells are due, were approved by `allow_growth`, and are not sent: exit 6, not `no cell in scope is due`."""
    desk, child = growing(make_desk, speed=10.0)
    desk.simulator.fault("close_before", "POST", f"/v1/tables/{child}/run", times=1)
    assert desk.run("apply", "--plan", "plan.json", "--wait").code == 7
    let_pass(desk, 300)
    said = desk.run("apply", "--plan", "plan.json", "--wait")
    assert said.code == 6 or {"bio"} <= {key for key, _ in desk.charged()}, said.out


def test_a_saved_plan_is_used_up_in_a_second_checkout_too(make_desk: MakeDesk) -> None:
    """Each checkout has a ledger beside its project file; the approval was given with the first one's."""
    desk = make_desk(small_table(ACCOUNTS, 10, columns=1, state="done"))
    desk.write(fill(ACCOUNTS, "accounts", ALL, ("news",)))
    assert desk.run("ledger", "init").code == 0
    desk.run("plan", "--out", "plan.json")
    other = Desk(desk.folder.parent / "second", desk.simulator, desk.capture)
    for name in ("reconciler.yaml", "manifests/accounts.yaml", "plan.json"):
        other.write((desk.folder / name).read_text(), name)
    for machine in (desk, other):
        machine.run("apply", "--plan", "plan.json", "--no-wait")
        desk.simulator.finish()
    assert list(desk.charged().values()) == [1] * CELLS


def test_prices_that_changed_places_are_a_change(make_desk: MakeDesk) -> None:
    """The call costs the same and no column of it costs what was approved."""
    desk = make_desk(small_table(ACCOUNTS, 10))
    text = fill(ACCOUNTS, "accounts").split("  runs:")[0] + "  runs: [{mode: new}]\n"
    desk.write(text)
    prices = '"prices": {"columns": {"news": %d, "notes": %d}}'
    plain = settings()
    old = plain.replace('"prices": {"kinds": {"agent": 1}}', prices % (9, 1))
    desk.write(old, "reconciler.yaml")
    desk.run("plan", "--out", "plan.json")
    desk.write(plain.replace('"prices": {"kinds": {"agent": 1}}', prices % (1, 9)), "reconciler.yaml")
    assert desk.run("apply", "--plan", "plan.json", "--no-wait").code == 4
    assert desk.charged() == {}
