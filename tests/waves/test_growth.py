"""A people finder fills another table while a plan is applied: no more of it is bought than `allow_growth` says."""

import subprocess
import time
from threading import Thread
from typing import Any

import pytest

from reconciler.manifests import json_schema
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


def a_desk(make_desk: MakeDesk, **value: Any) -> Desk:
    """Return a desk over two companies whose people were not looked for yet; `value` is more of the finder's."""
    finder = {"kind": "company_people_finder", "key": "decision_makers", "value": {"roles": ["VP Sales"], **value}}
    rows = [{"id": row_id(number), "data": {"input": "x.example"}} for number in (1, 2)]
    table: dict[str, Any] = {"id": ACCOUNTS, "name": "Accounts", "kind": "company", "columns": [finder], "rows": rows}
    desk = make_desk(table)
    desk.write(PARENT)
    desk.write(allowing("{max_cells: 40, max_credits: 40}"), "manifests/people.yaml")
    return desk


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """Return a desk whose finder does not say how many people it finds at most."""
    return a_desk(make_desk)


@pytest.fixture
def bounded(make_desk: MakeDesk) -> Desk:
    """Return one whose finder finds five at most, over a child table's manifest without `allow_growth`."""
    desk = a_desk(make_desk, max_results=5)
    desk.write(CHILD, "manifests/people.yaml")
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
    """The plan says that it is unknown how many; the apply buys each of them once."""
    said = desk.run("plan").out
    assert "people: cells unknown until accounts/decision_makers has run; at most 40 cells" in said
    assert "cells unknown until" in desk.run("plan", "--format", "markdown").out
    plan = desk.run("plan", "--format", "json").json
    assert json_schema.problems("plan", plan) == []
    assert [(each["manifest"], each["max_cells"], each["max_credits"]) for each in plan["growth"]] == [
        ("people", 40, 40)
    ]
    report = desk.run("apply", "--yes", "--wait", "--format", "json")
    assert (report.code, json_schema.problems("report", report.json)) == (0, [])
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
    assert (report.code, json_schema.problems("report", report.json)) == (6, [])
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
        said = desk.run("apply", "--yes", "--no-wait", *flags)
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
    """The table was not read again, so nothing has grown."""
    assert desk.run("apply", "--yes", "--no-wait").code == 0
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


def grown(desk: Desk, *flags: str) -> tuple[int, list[tuple[Any, ...]], list[str]]:
    """Return a plan's exit code, what may grow by it (rows, cells, credits), and the limits that it passes."""
    said = desk.run("plan", "--format", "json", *flags)
    assert json_schema.problems("plan", said.json) == []
    growth = [(each["max_rows"], each["max_cells"], each["max_credits"]) for each in said.json.get("growth", ())]
    return said.code, growth, [each["rule"] for each in said.json["violations"]]


def test_a_finder_that_says_how_many_needs_no_other_limit(bounded: Desk) -> None:
    """Two companies, five people each, one column: ten cells at most; what came is bought once, with all else."""
    assert grown(bounded) == (0, [(10, 10, 10)], [])
    said = bounded.run("plan").out
    assert "people: 10 rows at most once accounts/decision_makers has run; at most 10 cells, 10 credits" in said
    assert "10 rows at most once `accounts/decision_makers` has run" in bounded.run("plan", "--format", "markdown").out
    assert bounded.run("apply", "--yes", "--wait").code == 0
    assert people(bounded) > 0
    assert bought(bounded) == {"decision_makers": 2, "role": people(bounded)}


def test_limits_hold_for_the_bound(bounded: Desk) -> None:
    """As if everything came: one less than all of it is refused before anything is sent."""
    for flags, rule in ((("--max-cells", "11"), "max_cells"), (("--max-credits", "13"), "max_credits")):
        assert grown(bounded, *flags) == (3, [(10, 10, 10)], [rule])
        assert bounded.run("apply", "--yes", "--no-wait", *flags).code == 3
    assert bought(bounded) == {}
    assert grown(bounded, "--max-cells", "12", "--max-credits", "14") == (0, [(10, 10, 10)], [])


def test_the_lower_of_the_bound_and_what_is_allowed_counts(bounded: Desk) -> None:
    """In cells and in credits; an allowance beyond the bound takes up no limit."""
    for allowed, expected in (
        ("{max_cells: 1000}", (10, 10, 10)),
        ("{max_cells: 7}", (10, 7, 7)),
        ("{max_cells: 1000, max_credits: 3}", (10, 10, 3)),
        ("{max_cells: 0}", (10, 0, 0)),
    ):
        bounded.write(allowing(allowed), "manifests/people.yaml")
        assert grown(bounded) == (0, [expected], [])


@pytest.mark.parametrize(
    ("runs", "cells"),
    [
        ("{mode: new, columns: [role, full_name]}, {mode: failed, columns: [role]}", 20),
        ("{mode: new, columns: [role], rows: {limit: 3}}", 3),
        ("{mode: new, columns: [role], rows: {limit: 3}}, {mode: failed, columns: [role]}", 10),
        ("{mode: new}", 0),
    ],
)
def test_the_bound_counts_the_cells_that_the_runs_mean(bounded: Desk, runs: str, cells: int) -> None:
    """Each column once for each row that may come; those that the service fills by itself only if they are named."""
    bounded.write(CHILD.replace("{mode: all, revision: r1, columns: [role]}", runs), "manifests/people.yaml")
    assert grown(bounded) == (0, [(10, cells, cells)], [])


def test_a_bound_without_a_price_passes_no_limit_on_credits(bounded: Desk) -> None:
    """And the refusal names the columns of the child table."""
    (child,) = [table for table in bounded.simulator.state.tables.values() if table.parent_table]
    child.add_column("5f0c8f52-0000-4000-8000-000000000001", {"kind": "email_finder", "key": "email", "name": "E"}, 0.0,
                     child.columns[0].outcome)  # fmt: skip
    child.connect()
    bounded.write(CHILD.replace("[role]}", "[email]}"), "manifests/people.yaml")
    assert grown(bounded) == (0, [(10, 10, None)], [])
    said = bounded.run("apply", "--yes", "--no-wait", "--max-credits", "1000")
    assert (said.code, bought(bounded)) == (3, {})
    assert "10 cells have no known price" in said.err
    assert "`email` of kind `email_finder`" in said.err


def test_a_change_cannot_lower_the_price_of_what_may_grow(bounded: Desk) -> None:
    """At the base's limits a cell that may come costs the higher of both prices."""
    priced = "apiVersion: reconciler/v1\nkind: Project\nspec:\n  prices: {kinds: {agent: %s}}\n"
    priced += "  limits: {max_credits: 20}\n"
    bounded.write(priced % "2", "reconciler.yaml")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "base"]):
        subprocess.run([*git, *arguments], cwd=bounded.folder, check=True)
    assert grown(bounded, "--limits-from", "HEAD")[2] == ["max_credits"]
    bounded.write(priced % "0.1", "reconciler.yaml")
    assert grown(bounded)[2] == []
    code, _, rules = grown(bounded, "--limits-from", "HEAD")
    assert (code, rules) == (3, ["max_credits"])


def test_an_approval_holds_what_may_grow_to_what_it_said(bounded: Desk) -> None:
    """A column that came after the plan was approved would double the bound: no more is bought than the file says."""
    bounded.write(CHILD.replace(", columns: [role]", ""), "manifests/people.yaml")
    (child,) = [table for table in bounded.simulator.state.tables.values() if table.parent_table]

    def add(number: int) -> None:
        config = {"kind": "agent", "key": f"note_{number}", "name": "Note", "value": {"prompt": "Note {input}."}}
        identity = f"5f0c8f52-0000-4000-8000-00000000000{number}"
        child.add_column(identity, config, 0.0, child.columns[0].outcome)
        child.connect()

    add(1)
    assert grown(bounded, "--out", "plan.json") == (0, [(10, 10, 10)], [])
    for number in range(2, 9):
        add(number)
    report = bounded.run("apply", "--plan", "plan.json", "--wait", "--format", "json")
    assert 8 * people(bounded) > 10
    assert (report.code, [each["max_cells"] for each in report.json["outgrown"]]) == (6, [10])
    assert bought(bounded) == {"decision_makers": 2}
    said = bounded.run("apply", "--yes", "--wait")
    assert said.code == 0
    assert bought(bounded) == {"decision_makers": 2, **{f"note_{n}": people(bounded) for n in range(1, 9)}}


def test_more_people_than_the_finder_may_find_are_not_bought(bounded: Desk) -> None:
    """Should the API bring more than it said, none of them are: the report gives figures, the next plan the cells."""
    state = bounded.simulator.state
    (finder,) = [column for column in state.tables[ACCOUNTS].columns if column.key == "decision_makers"]

    def bring_more() -> None:
        until = time.monotonic() + 30
        while not bounded.posts() and time.monotonic() < until:
            time.sleep(0.005)
        with state.lock:
            finder.config["value"]["max_results"] = 500

    changing = Thread(target=bring_more)
    changing.start()
    said = bounded.run("apply", "--yes", "--wait")
    changing.join()
    assert people(bounded) > 10
    assert (said.code, bought(bounded)) == (6, {"decision_makers": 2})
    assert "the plan foresaw at most 10 cells and 10 credits" in " ".join(said.out.split())
