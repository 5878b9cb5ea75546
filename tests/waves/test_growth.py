"""A people finder fills another table while a plan is applied: no more of it is bought than `allow_growth` says."""

import time
from threading import Thread
from typing import Any

import pytest

from reconciler import schema
from tests.journey.desk import ACCOUNTS, Desk, row_id
from tests.waves.conftest import MakeDesk

PARENT = f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata: {{name: accounts}}
spec:
  table: {ACCOUNTS}
  runs: [{{mode: new, columns: [decision_makers]}}]
"""
CHILD = """\
apiVersion: reconciler/v1
kind: TableRun
metadata: {name: people}
spec:
  table: {child_of: accounts, column: decision_makers}
  runs: [{mode: all, revision: r1, columns: [role]}]
"""


def allowing(growth: str) -> str:
    """Return the child's manifest with a limit."""
    return CHILD.replace("  runs:", f"  allow_growth: {growth}\n  runs:")


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """Return a desk over two companies whose people nobody has looked for yet."""
    finder = {"kind": "company_people_finder", "key": "decision_makers", "value": {"roles": ["VP Sales"]}}
    rows = [{"id": row_id(number), "data": {"input": "x.example"}} for number in (1, 2)]
    table: dict[str, Any] = {"id": ACCOUNTS, "name": "Accounts", "kind": "company", "columns": [finder], "rows": rows}
    desk = make_desk(table)
    desk.write(PARENT)
    desk.write(allowing("{max_cells: 40, max_credits: 40}"), "manifests/people.yaml")
    return desk


def bought(desk: Desk) -> dict[str, int]:
    """Return how many cells of each column were paid for; none of them twice."""
    charges = desk.charged()
    assert set(charges.values()) <= {1}
    return {column: sum(key == column for key, _ in charges) for column in {key for key, _ in charges}}


def people(desk: Desk) -> int:
    """Return how many rows the child table has."""
    (child,) = [table for table in desk.simulator.state.tables.values() if table.parent_table]
    return len(child.order)


def settled(desk: Desk) -> None:
    """Another apply sends nothing."""
    before = bought(desk)
    assert desk.run("apply", "--yes", "--wait", "--detailed-exitcode").code == 0
    assert bought(desk) == before


def test_what_grows_is_bought_within_its_limit(desk: Desk) -> None:
    """The plan says that nobody knows how many; the apply buys each of them once."""
    said = desk.run("plan").out
    assert "people: cells unknown until accounts/decision_makers has run; at most 40 cells" in said
    assert "cells unknown until" in desk.run("plan", "--format", "markdown").out
    plan = desk.run("plan", "--format", "json").json
    assert schema.problems("plan", plan) == []
    assert [(each["manifest"], each["max_cells"], each["max_credits"]) for each in plan["growth"]] == [
        ("people", 40, 40)
    ]
    report = desk.run("apply", "--yes", "--wait", "--format", "json")
    assert (report.code, schema.problems("report", report.json)) == (0, [])
    assert people(desk) > 0
    assert bought(desk) == {"decision_makers": 2, "role": people(desk)}
    settled(desk)


def test_a_saved_plan_buys_what_grows_once(desk: Desk) -> None:
    """The file holds the limit; applied again, it sends nothing."""
    desk.run("plan", "--out", "plan.json")
    assert desk.run("apply", "--plan", "plan.json", "--wait").code == 0
    assert bought(desk) == {"decision_makers": 2, "role": people(desk)}
    before = bought(desk)
    assert desk.run("apply", "--plan", "plan.json", "--wait", "--detailed-exitcode").code == 0
    assert bought(desk) == before


@pytest.mark.parametrize("growth", ["{max_cells: 1}", "{max_cells: 40, max_credits: 0.5}"])
def test_more_than_that_is_not_bought_at_all(desk: Desk, growth: str) -> None:
    """The report gives the figures, the exit code is 6, and a plan made now lists the cells for approval."""
    desk.write(allowing(growth), "manifests/people.yaml")
    report = desk.run("apply", "--yes", "--wait", "--format", "json")
    assert (report.code, schema.problems("report", report.json)) == (6, [])
    assert [(each["manifest"], each["cells"]) for each in report.json["outgrown"]] == [("people", people(desk))]
    assert bought(desk) == {"decision_makers": 2}
    plan = desk.run("plan", "--format", "json").json
    assert [(call["address"], call["cells"]) for call in plan["calls"]] == [("people/all", people(desk))]
    assert "growth" not in plan
    assert desk.run("apply", "--yes", "--wait").code == 0
    assert bought(desk) == {"decision_makers": 2, "role": people(desk)}
    settled(desk)


def test_what_grew_too_much_is_told(desk: Desk) -> None:
    """In words, with what to do."""
    desk.write(allowing("{max_cells: 1}"), "manifests/people.yaml")
    said = " ".join(desk.run("apply", "--yes", "--wait").out.split())
    fell = f"people: {people(desk)} cells ({people(desk)} credits) fell due once accounts/decision_makers had run"
    assert f"{fell}, and `allow_growth` lets one apply buy 1 cell. None were sent." in said
    assert "Plan again: they are in the next plan." in said


def test_without_a_limit_nothing_is_sent(desk: Desk) -> None:
    """Neither plan nor apply let an unknown number pass, whether anybody waits for it or not."""
    desk.write(CHILD, "manifests/people.yaml")
    plan = desk.run("plan", "--format", "json")
    assert (plan.code, [each["rule"] for each in plan.json["violations"]]) == (3, ["allow_growth"])
    for flags in ((), ("--wait",)):
        said = desk.run("apply", "--yes", *flags)
        assert said.code == 3
        assert "`allow_growth: {max_cells: …}`" in said.err
    assert bought(desk) == {}
    assert desk.run("plan", "--target", "accounts").code == 0


def test_no_growth_leaves_it_to_the_next_plan(desk: Desk) -> None:
    """Zero is a limit too: the first apply ends well without them, the second one buys them."""
    desk.write(allowing("{max_cells: 0}"), "manifests/people.yaml")
    assert desk.run("apply", "--yes", "--wait").code == 0
    assert bought(desk) == {"decision_makers": 2}
    assert desk.run("apply", "--yes", "--wait").code == 0
    assert bought(desk) == {"decision_makers": 2, "role": people(desk)}
    settled(desk)


def test_without_waiting_the_next_apply_buys_it(desk: Desk) -> None:
    """Nobody looked again, so nothing has grown."""
    assert desk.run("apply", "--yes").code == 0
    assert bought(desk) == {"decision_makers": 2}
    desk.simulator.finish()
    assert desk.run("apply", "--yes", "--wait").code == 0
    assert bought(desk) == {"decision_makers": 2, "role": people(desk)}


def test_limits_count_what_may_grow_as_if_it_did(desk: Desk) -> None:
    """Two cells are due and forty may be: the limit must leave room for all of them."""
    for command in ("plan", "apply"):
        assert desk.run(command, "--max-cells", "41", *["--yes"] * (command == "apply")).code == 3
    assert bought(desk) == {}
    assert desk.run("plan", "--max-cells", "42").code == 0
    desk.write(allowing("{max_cells: 40}"), "manifests/people.yaml")
    said = desk.run("plan", "--max-credits", "1000")
    assert (said.code, "no known price" in said.out) == (3, True)


def test_a_table_that_is_not_there_when_the_plan_is_made_is_found_once_it_is(desk: Desk) -> None:
    """The plan says what waits for it; the apply looks its name up again after the wave that brings it."""
    state = desk.simulator.state
    (child,) = [table for table in state.tables.values() if table.parent_table]
    parent = state.tables[ACCOUNTS]
    with state.lock:
        parent.children.remove(child.id)
        del state.tables[child.id]
    plan = desk.run("plan", "--format", "json").json
    assert ([each["manifest"] for each in plan["pending"]], plan["growth"][0]["table_id"]) == (["people"], None)

    def come() -> None:
        until = time.monotonic() + 30
        while not desk.posts() and time.monotonic() < until:
            time.sleep(0.005)
        with state.lock:
            state.tables[child.id] = child
            parent.children.append(child.id)

    coming = Thread(target=come)
    coming.start()
    said = desk.run("apply", "--yes", "--wait")
    coming.join()
    assert said.code == 0
    assert people(desk) > 0
    assert bought(desk) == {"decision_makers": 2, "role": people(desk)}
    settled(desk)
