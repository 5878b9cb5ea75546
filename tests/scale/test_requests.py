"""How many requests a plan takes, counted exactly; and that reading less never changes what is planned."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reconciler.client import ApiOptions, Reader, Token
from reconciler.manifests.loader import load_manifests
from reconciler.model.history import TableHistory
from reconciler.model.observed import TableSnapshot
from reconciler.model.read_scope import read_scope_of
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import Planner, make_plan
from reconciler.simulator.server import serve
from reconciler.simulator.world.clock import ManualClock
from reconciler.text.digest import digest
from tests.example_counts import examples
from tests.journey.desk import ACCOUNTS, Desk, accounts, agent, row_id
from tests.planning.tables_and_manifests import QUIET, plan_settings

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
spec: {{api: {{page_rows: {page_rows}}}}}
"""
RUNS = """\
apiVersion: reconciler/v1
kind: TableRun
metadata: {{name: {name}}}
spec: {{table: {table}, runs: [{runs}]}}
"""


def table_id(number: int) -> str:
    """Return the id of a table."""
    return f"0000000{number}-0000-4000-a000-000000000000"


def filled(number: int, rows: int, **cells: str) -> dict[str, Any]:
    """Return a table of two output columns, every cell done but for `cells` of its first row."""
    state = {"news": "done", "notes": "done"}
    return {
        "id": table_id(number),
        "name": f"Table {number}",
        "columns": [{"kind": "input", "key": "site"}, agent("news"), agent("notes")],
        "rows": [
            {
                "id": row_id(number * 1000 + row),
                "data": {"site": "x"},
                "cells": {**state, **(cells if row == 0 else {})},
            }
            for row in range(rows)
        ],
    }


def of_tables(desk: Desk) -> list[str]:
    """Return the paths of the requests for tables; if something is due, the account is asked for once besides."""
    return [path for _, path, _ in desk.simulator.requests() if path != "/v1/user"]


def manifest(desk: Desk, table: str, *runs: str, name: str = "t") -> None:
    """Write a manifest."""
    desk.write(RUNS.format(name=name, table=table, runs=", ".join(runs)), name=f"manifests/{name}.yaml")


@pytest.fixture
def desk(make_desk: Any) -> Desk:
    """Return a desk with a full table, one with a failed and one with an empty cell, 30 rows each, in pages of 10."""
    tables = [filled(1, 30), filled(2, 30, news="failed"), filled(3, 30, news="empty")]
    desk: Desk = make_desk(*tables)
    desk.write(PROJECT.format(page_rows=10), name="reconciler.yaml")
    return desk


THREE = ", ".join(row_id(3000 + row) for row in range(3))
PAGES = 4  # of 30 rows, 10 at once, each but the first with one row of the one before


@pytest.mark.parametrize(
    ("table", "run", "requests", "calls"),
    [
        (1, "{mode: new}", 1, 0),
        (2, "{mode: new}", 1, 0),  # the simulator counts failed cells as completed
        (3, "{mode: new}", 1 + PAGES, 1),
        (1, "{mode: new, columns: [notes]}", 1, 0),
        (3, "{mode: new, columns: [notes]}", 1 + PAGES, 0),
        (1, "{mode: failed}", 1 + PAGES, 0),
        (2, "{mode: failed}", 1 + PAGES, 1),
        (1, "{mode: all, revision: r1}", 1 + PAGES, 1),
        (1, f"{{mode: all, revision: r1, rows: [{row_id(1005)}]}}", 3, 1),
        (3, f"{{mode: new, rows: [{row_id(3000)}]}}", 3, 1),
        (3, f"{{mode: new, rows: [{row_id(3000)}, {row_id(3001)}]}}", 4, 1),
        (3, f"{{mode: new, rows: [{THREE}]}}", 1 + PAGES, 1),
    ],
)  # fmt: skip
def test_a_plan_takes_no_more_requests_than_it_needs(
    desk: Desk, table: int, run: str, requests: int, calls: int
) -> None:
    """The header alone, single rows, or every page once."""
    manifest(desk, table_id(table), run)
    plan = desk.run("plan", "--format", "json")
    assert plan.json["totals"]["calls"] == calls
    assert len(of_tables(desk)) == requests
    assert {method for method, _, _ in desk.simulator.requests()} == {"GET"}


def test_two_manifests_over_one_table_read_it_once(desk: Desk) -> None:
    """Also an apply that sends nothing, and one that finds the tables unchanged since."""
    manifest(desk, table_id(3), "{mode: new, columns: [news]}", name="one")
    manifest(desk, table_id(3), "{mode: new, columns: [notes]}", name="two")
    desk.run("plan")
    assert len(of_tables(desk)) == 1 + PAGES
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert len(of_tables(desk)) == 2 * (1 + PAGES) + 1  # the table again, and one POST


def test_each_of_many_tables_takes_one_request_where_nothing_is_due(make_desk: Any) -> None:
    """Twenty tables of which the header says all."""
    desk: Desk = make_desk(
        *({**filled(number, 9), "id": f"{number:08}-0000-4000-a000-000000000000"} for number in range(20))
    )
    for number in range(20):
        manifest(desk, f"{number:08}-0000-4000-a000-000000000000", "{mode: new}", name=f"t{number}")
    said = desk.run("plan")
    assert "no cell in scope is due" in said.out
    assert len(of_tables(desk)) == 20


def test_a_plan_without_counts_is_a_plan_file(desk: Desk) -> None:
    """It says that nothing was counted, fits its schema, and applying it sends nothing."""
    manifest(desk, table_id(2), "{mode: new}")
    plan = desk.run("plan", "--out", "plan.json", "--format", "json").json
    assert plan["tables"][0]["cells"] is None
    assert plan["skipped"] == [{"address": "t/new", "reason": "not_due", "cells": 60}]
    assert desk.run("apply", "--no-wait", "--plan", "plan.json").code == 0
    assert desk.posts() == []


def test_a_row_that_does_not_exist_is_an_error_at_its_line(desk: Desk) -> None:
    """As ever, although only single rows were asked for at first."""
    manifest(desk, table_id(3), f"{{mode: new, rows: [{row_id(3000)}, {row_id(77)}]}}")
    said = desk.run("plan")
    assert said.code == 1
    assert f"manifests/t.yaml:4:117: E404 the table has no row `{row_id(77)}`" in said.out + said.err


def test_an_unsettled_doubt_has_the_table_read(make_desk: Any) -> None:
    """Full counters do not end a doubt; cells do."""
    desk: Desk = make_desk(filled(1, 3, news="empty"))
    manifest(desk, table_id(1), "{mode: new}")
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    before = len(of_tables(desk))
    desk.run("plan")
    # Accepted a moment ago and not settled: whether it shows is looked for in the cells.
    assert len(of_tables(desk)) - before == 2


def random_table(chance: random.Random, number: int) -> dict[str, Any]:
    """Return a table most of whose cells are done, so that counters are often full."""
    states = chance.choice([["done"], ["done"] * 9 + ["failed"], ["done"] * 8 + ["failed", "empty"]])
    keys = [f"c{index}" for index in range(chance.randint(1, 3))]
    columns: list[dict[str, Any]] = [{"kind": "input", "key": "site"}]
    for index, key in enumerate(keys):
        upstream = chance.choice(keys[:index]) if index and chance.random() < 0.5 else None
        columns.append(agent(key, f"Use {{{upstream}}}." if upstream else "Find it."))
    ids = [row_id(number * 1000 + row) for row in range(chance.randint(0, 14))]
    chance.shuffle(ids)
    rows = [{"id": each, "data": {"site": "x"}, "cells": {key: chance.choice(states) for key in keys}} for each in ids]
    return {"id": table_id(number), "name": f"T{number}", "columns": columns, "rows": rows}


def random_run(chance: random.Random, of: dict[str, Any], *, named: bool) -> str:
    """Return a run, over named rows or all."""
    mode = chance.choice(["new", "new", "failed", "all"] if named else ["new", "new", "new", "failed"])
    fields = [f"mode: {mode}", f"name: r{chance.randrange(10**6)}"]
    if mode == "all":
        fields.append("revision: r1")
    rows = [row["id"] for row in of["rows"]]
    if named and rows:
        fields.append(f"rows: [{', '.join(chance.sample(rows, chance.randint(1, min(3, len(rows)))))}]")
    return "{" + ", ".join(fields) + "}"


def _planned(planner: Planner, table: str, snapshot: TableSnapshot) -> None:
    planner.add(table, snapshot, TableHistory(table))


@pytest.mark.parametrize("completed_includes_failed", [False, True])
@pytest.mark.parametrize("empty_cells", ["absent", "null", "pending"])
def test_reading_less_never_changes_the_calls(
    tmp_path: Path, completed_includes_failed: bool, empty_cells: str
) -> None:
    """Over the wire, under every reading of what the documentation leaves open, on random tables and runs.

    Nor does planning each table while others are read.
    """
    chance = random.Random(digest([completed_includes_failed, empty_cells]))
    tables = [random_table(chance, number) for number in range(8)]
    assumptions = {"completed_includes_failed": completed_includes_failed, "empty_cells": empty_cells}
    saved = unread = 0
    with serve({"tables": tables, "assumptions": assumptions}, clock=ManualClock()) as live:
        for attempt in range(examples(48)):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            for number, table in enumerate(tables):
                runs = [random_run(chance, table, named=chance.random() < 0.5)]
                text = RUNS.format(name=f"t{number}", table=table["id"], runs=", ".join(runs))
                (folder / f"{number}.yaml").write_text(text, encoding="utf-8")
            manifests = load_manifests([folder])
            by_table = {one.table_id: [one] for one in manifests}
            allowed = {table: read_scope_of(of, TableHistory(table), QUIET) for table, of in by_table.items()}
            plans, counted = [], []
            for shortcuts in (None, allowed):
                options = ApiOptions(live.url, Token(live.token), page_rows=3)
                before = len(live.requests())
                wanted = plan_settings(max_cells_per_call=2 if attempt % 2 else 1000)
                planner = Planner(manifests, wanted)
                with Reader(options) as reader:
                    found = reader.read_tables(
                        dict.fromkeys(by_table, frozenset[str]()), shortcuts, on_table=partial(_planned, planner)
                    )
                snapshots = {table: one for table, one in found.items() if isinstance(one, TableSnapshot)}
                assert len(snapshots) == len(found)
                counted.append(len(live.requests()) - before)
                plans.append(make_plan(PlanInputs(manifests, snapshots, {}, wanted)))
                assert planner.plan() == plans[-1]
                unread += sum(one.unread_rows > 0 for one in snapshots.values())
            assert plans[1].calls == plans[0].calls
            assert plans[0].diagnostics == plans[1].diagnostics
            assert counted[1] <= counted[0]
            saved += counted[0] - counted[1]
    assert unread > 5
    assert saved > 20


def test_the_accounts_of_the_journey_take_two_requests(make_desk: Any) -> None:
    """A header and a page; status and settlement are counted elsewhere."""
    desk: Desk = make_desk(accounts())
    manifest(desk, ACCOUNTS, "{mode: new}", "{mode: failed}")
    desk.run("plan")
    assert len(of_tables(desk)) == 2
