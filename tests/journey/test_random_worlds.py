"""Random tables and manifests against a server that counts charges: each due cell is paid for once, nothing else is."""

import random
from typing import Any

import pytest

from tests.example_counts import examples
from tests.journey.conftest import MakeDesk
from tests.journey.desk import agent, row_id

STATES = ("done", "failed", "empty")


def table(chance: random.Random, number: int) -> dict[str, Any]:
    """Return a table of random size and state; one column may depend on another."""
    keys = [f"c{index}" for index in range(chance.randint(1, 4))]
    columns: list[dict[str, Any]] = [{"kind": "input", "key": "site"}]
    for index, key in enumerate(keys):
        upstream = chance.choice(keys[:index]) if index and chance.random() < 0.4 else None
        columns.append(agent(key, f"Use {{{upstream}}}." if upstream else "Find it."))
    rows = [
        {
            "id": row_id(number * 100 + row),
            "data": {"site": "x.example"},
            "cells": {key: chance.choice(STATES) for key in keys},
        }
        for row in range(chance.randint(1, 9))
    ]
    return {
        "id": f"0000000{number}-0000-4000-a000-000000000000",
        "name": f"T{number}",
        "columns": columns,
        "rows": rows,
    }


def manifest(chance: random.Random, of: dict[str, Any]) -> str:
    """Return a manifest with one to three random runs over a table."""
    keys = [column["key"] for column in of["columns"] if column.get("kind") != "input"]
    lines = [
        "apiVersion: reconciler/v1",
        "kind: TableRun",
        f"metadata: {{name: {of['name'].lower()}}}",
        "spec:",
        f"  table: {of['id']}",
        "  runs:",
    ]
    for mode in chance.sample(["new", "failed", "all"], chance.randint(1, 3)):
        lines.append(f"  - mode: {mode}")
        if mode == "all":
            lines.append("    revision: r1")
        if chance.random() < 0.5:
            lines.append(f"    columns: [{', '.join(chance.sample(keys, chance.randint(1, len(keys))))}]")
        if chance.random() < 0.3:
            rows = [row["id"] for row in of["rows"]]
            lines.append(f"    rows: [{', '.join(chance.sample(rows, chance.randint(1, len(rows))))}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(examples(40)))
def test_each_due_cell_is_charged_once(make_desk: MakeDesk, seed: int) -> None:
    """Apply charges exactly the cells of the plan, once each; applying again, running or idle, charges nothing."""
    chance = random.Random(seed)
    tables = [table(chance, number) for number in range(1, 4)]
    desk = make_desk(*tables)
    for each in tables:
        desk.write(manifest(chance, each), name=f"manifests/{each['name']}.yaml")
    desk.write(
        "apiVersion: reconciler/v1\nkind: Project\nspec:\n"
        f"  api: {{max_cells_per_call: {chance.choice([1, 3, 1000])}, page_rows: {chance.choice([1, 4, 500])}}}\n",
        name="reconciler.yaml",
    )
    plan = desk.run("plan", "--format", "json").json
    waves = {call["wave"] for call in plan["calls"]}
    accepted = 0
    for _ in waves:  # without waiting, each apply sends a wave
        report = desk.run("apply", "--yes", "--no-wait", "--format", "json")
        assert report.code == 0
        accepted += report.json["totals"]["cells_accepted"]
        meanwhile = desk.run("apply", "--yes", "--no-wait", "--format", "json")
        assert meanwhile.code == (6 if meanwhile.json.get("unsent") else 0)  # the tables are running
        assert meanwhile.json["calls"] == []
        desk.simulator.finish()
    charges = desk.simulator.charges()
    assert set(charges.values()) <= {1}
    assert len(charges) == plan["totals"]["cells"] == accepted
    again = desk.run("apply", "--yes", "--no-wait", "--format", "json")
    assert again.json["calls"] == []
    assert desk.simulator.charges() == charges
