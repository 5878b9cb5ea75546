"""An apply over workers buys what one process buys, and says the same."""

import difflib
import json
from typing import Any

from reconciler.manifests import json_schema
from tests.fleet.conftest import Floor, MakeFloor
from tests.journey.desk import agent, row_id
from tests.limits.test_outside import another_client

HEAD = "apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {name: %s}\nspec:\n  table: %s\n"
PROJECT = {
    "api": {"max_cells_per_call": 4, "run_concurrency": 2},
    "prices": {"default": 1},
    "limits": {"per_month": {"max_credits": 500}, "per_table": {"per_day": {"max_cells": 300}}},
}


def table_id(number: int) -> str:
    """Return the id of a table."""
    return f"10000000-0000-4000-a000-{number:012d}"


def table(number: int, *columns: dict[str, Any], rows: int = 6, **cells: str) -> dict[str, Any]:
    """Return a table whose cells are as `cells` says by column, or empty."""
    return {
        "id": table_id(number),
        "name": f"Table {number}",
        "columns": [{"kind": "input", "key": "site"}, *columns],
        "rows": [
            {"id": row_id(100 * number + row), "data": {"site": "x.example"}, "cells": dict(cells)}
            for row in range(rows)
        ],
    }


def manifest(name: str, number: int, runs: str, *more: str) -> str:
    """Return a manifest."""
    return HEAD % (name, table_id(number)) + "".join(f"  {line}\n" for line in more) + f"  runs: [{runs}]\n"


def select(key: str, *labels: str) -> dict[str, Any]:
    """Return a column whose answers are one of these labels."""
    value = {"agent_type": "llm", "prompt": "Choose.", "output_format": "select", "labels": list(labels)}
    return {"key": key, "value": value}


GATE = "{mode: new, rollout: {first: 2, expect: {max_match: {'(?i)^n/a$': 20%}}}}"
CHILD = """\
apiVersion: reconciler/v1
kind: TableRun
metadata: {name: people}
spec:
  table: {child_of: companies, column: decision_makers}
  allow_growth: {max_cells: 60, max_credits: 60}
  runs: [{mode: all, revision: r1, columns: [role]}]
"""
TABLES = (
    table(1, agent("news"), agent("notes"), notes="failed"),
    table(2, agent("news", fails=0.5), agent("pitch", "On {news}.")),
    table(3, agent("pitch")),
    table(4, select("news", "N/A")),
    table(5, select("news", "yes")),
    table(6, agent("news"), news="done"),
    table(7, agent("news"), agent("pitch", "On {news}.")),
    table(8, select("news", "N/A")),
    {
        "id": table_id(9),
        "name": "Companies",
        "kind": "company",
        "columns": [{"kind": "company_people_finder", "key": "decision_makers", "value": {"roles": ["VP Sales"]}}],
        "rows": [{"id": row_id(900 + number), "data": {"input": "x.example"}} for number in (1, 2)],
    },
)
MANIFESTS = (
    manifest("fill", 1, "{mode: new, columns: [news]}, {mode: failed, columns: [notes]}"),
    manifest("chain", 2, "{mode: new}"),
    manifest("after", 3, "{mode: new}", "depends_on: [chain]"),
    manifest("held", 4, GATE),
    manifest("rolled", 5, GATE),
    manifest("again", 6, "{mode: all, columns: [news], revision: r1}"),
    manifest("refused", 7, "{mode: new}"),
    manifest("expected", 8, "{mode: new, expect: {max_match: {'(?i)^n/a$': 20%}}}"),
    manifest("companies", 9, "{mode: new, columns: [decision_makers]}"),
    CHILD,
)


def prepared(make_floor: MakeFloor) -> Floor:
    """Return a desk over a world with every way a call can go, and its plan."""
    floor = make_floor(*TABLES)
    floor.write(json.dumps({"apiVersion": "reconciler/v1", "kind": "Project", "spec": PROJECT}), "reconciler.yaml")
    floor.write("---\n".join(MANIFESTS))
    floor.simulator.fault("status", "POST", f"/v1/tables/{table_id(7)}/run", status=400, times=1)
    floor.plan()
    return floor


def told(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report without names that differ from run to run, in an order that does not."""

    def order(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(entries, key=lambda each: json.dumps(each, sort_keys=True))

    found = {name: order(each) if isinstance(each, list) else each for name, each in report.items()}
    found["calls"] = order(
        [{name: each for name, each in call.items() if name != "run_id"} for call in report["calls"]]
    )
    return {**found, "plan_id": ""}


def test_an_apply_over_workers_ends_with_the_report_of_one_process(make_floor: MakeFloor) -> None:
    """In every mode, with waves, rollouts, growth, gates and a refusal: each cell once, one receipt, one code."""
    floor = prepared(make_floor)
    alone = floor.run("apply", "--plan", "plan.json", "--format", "json")
    bought = floor.charged()
    floor = prepared(make_floor)
    apply_id = floor.submit()
    with floor.workers(2):
        code, report = floor.follow(apply_id)
        again = floor.follow(apply_id)
    assert again == (code, report)
    assert json_schema.problems("report", report) == []
    assert floor.charged() == bought
    assert set(bought.values()) == {1}
    theirs, ours = (json.dumps(told(each), indent=1).splitlines() for each in (alone.json, report))
    assert len(alone.json["budgets"]) > 1
    assert "\n".join(difflib.unified_diff(theirs, ours, n=8, lineterm="")) == ""
    assert code == alone.code


def test_cells_that_were_run_outside_since_are_told_after_an_apply_over_workers(make_floor: MakeFloor) -> None:
    """Those that the workers bought are not among them."""
    floor = make_floor(table(1, agent("news"), rows=3))
    floor.write(json.dumps({"apiVersion": "reconciler/v1", "kind": "Project", "spec": {}}), "reconciler.yaml")
    floor.write(manifest("fill", 1, "{mode: new}"))
    floor.plan()
    apply_id = floor.submit()
    with floor.workers():
        assert floor.follow(apply_id)[0] == 0
    assert floor.run("ledger", "reconcile", "--format", "json").json["tables"] == []
    with another_client(floor) as client:
        rows = {"rows": [{"data": {"site": "y.example"}}], "run": True}
        assert client.post(f"/v1/tables/{table_id(1)}/rows", json=rows).status_code < 300
    floor.simulator.finish()
    (found,) = floor.run("ledger", "reconcile", "--format", "json").json["tables"]
    assert [each["cells"] for each in found["moved"]] == [found["cells"]] == [1]
