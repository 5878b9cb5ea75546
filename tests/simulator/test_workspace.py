"""Workspaces: what they describe, what is wrong with them and where, and that schema and types say the same."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reconciler.errors import ManifestError
from reconciler.manifests import json_schema
from reconciler.simulator.world.sample import sample
from reconciler.simulator.world.workspace import Workspace
from reconciler.simulator.world.workspace_file import load
from tests.simulator.workspaces import GENERIC, World, agent, row_id

CIRCLE = """tables:
- name: T
  columns:
  - {key: a, value: {prompt: '{b}'}}
  - {key: b, value: {prompt: '{a}'}}
"""
CROWD = """tables:
- name: T
  kind: company
  columns:
  - {key: a, kind: company_people_finder, value: {max_results: 1000000000000}}
"""
BROKEN: list[tuple[str, str, str]] = [
    ("unknown key", "tables: [{name: T, colums: []}]", "1:20: unknown key `colums` in tables[0]"),
    ("wrong type", "tables:\n  - name: T\n    rows: many\n", "3:11: "),
    ("not a uuid", "tables:\n  - name: T\n    id: nope\n", "3:9: tables[0].id must be a lower-case UUID"),
    ("id twice", f"tables:\n- {{name: A, id: {GENERIC}}}\n- {{name: B, id: {GENERIC}}}\n", "3:17: the id"),
    ("key twice", "tables:\n- name: T\n  columns:\n  - {key: a}\n  - {key: a}\n", "5:11: the key `a` is given twice"),
    ("circle", CIRCLE, "4:3: columns wait for each other: a → b → a"),
    ("crowd", CROWD, "5:64: Input should be less than or equal to 1000000"),
    ("no such input", "tables:\n- name: T\n  rows:\n  - data: {topic: x}\n", "4:19: no input column `topic`"),
    ("no such column", "tables:\n- name: T\n  rows:\n  - cells: {fact: done}\n", "4:19: no column `fact`"),
    ("shares", "tables:\n- name: T\n  shares: {done: 0.7, failed: 0.7}\n", "3:11: the shares add up to more than 1"),
    ("pace", "pace: {fastest: 20}\n", "1:7: less than `fastest`"),
    ("fault", "faults: [{kind: explode}]\n", "1:17: faults[0].kind is `explode`"),
    ("two documents", "tables: []\n---\ntables: []\n", "3:1: a workspace file must hold exactly one document"),
    ("empty", "", "1:1: the file is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_file_says_where(tmp_path: Path, text: str, expected: str) -> None:
    """Every problem has the file, line and column of the value it is about."""
    path = tmp_path / "workspace.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        load(path)
    assert f"workspace.yaml:{expected}" in str(caught.value)


def test_a_broken_dictionary_is_a_value_error() -> None:
    """The same checks without a file, with the path of the value."""
    with pytest.raises(ValueError, match=r"tables.0.columns.1.key: the key `a` is given twice"):
        Workspace.parse({"tables": [{"name": "T", "columns": [{"key": "a"}, {"key": "a"}]}]})
    with pytest.raises(ValueError, match="colums"):
        Workspace.parse({"tables": [{"name": "T", "colums": []}]})


def test_a_file_gives_what_its_dictionary_gives(tmp_path: Path) -> None:
    """A workspace file with everything in it is read into the same description as its data."""
    text = f"""
token: secret
billing: {{credits: 500, plan_tier: free}}
pace: {{delay: 0, fastest: 1, slowest: 3, parallel: 10}}
assumptions: {{empty_cells: absent}}
faults:
  - {{kind: status, path: /v1/tables/*/run, status: 503, headers: {{Retry-After: "3"}}, times: 2}}
tables:
  - id: {GENERIC}
    name: Facts
    columns:
      - {{kind: input, key: topic}}
      - {{key: fact, value: {{prompt: "On {{topic}}."}}, fails: 0.1, price: 3, shares: {{done: 1}}}}
    rows:
      - {{id: {row_id(1)}, data: {{topic: sea}}, cells: {{fact: {{status: failed, value: null}}}}}}
      - {{data: {{topic: sky}}, cells: {{fact: strange}}, missing_inputs: true}}
"""
    path = tmp_path / "workspace.yaml"
    path.write_text(text, encoding="utf-8")
    workspace = load(path)
    assert workspace == Workspace.parse(msgspec.to_builtins(workspace))
    world = World(msgspec.to_builtins(workspace))
    row = world.get(f"/v1/tables/{GENERIC}/data")["rows"][1]
    assert row["is_missing_inputs"] is True
    assert row["data"]["fact"]["status"] == "strange"
    world.ask("POST", f"/v1/tables/{GENERIC}/run", 503)


def test_generated_rows_have_their_shares() -> None:
    """About the given shares of many cells are done, failed and pending, and of rows without inputs."""
    columns = [{"kind": "input", "key": "topic"}, agent("a", "{topic}"), agent("b", "x", shares={"done": 1.0})]
    table = {"id": GENERIC, "name": "T", "columns": columns, "rows": 2000, "missing_inputs": 0.1}
    world = World({"tables": [{**table, "shares": {"done": 0.6, "failed": 0.2, "pending": 0.1}}]})
    cells = world.cells("a")
    assert 1100 < cells.count("d") < 1300
    assert 330 < cells.count("f") < 470
    assert world.cells("b").count("d") == 2000
    rows = world.get(f"/v1/tables/{GENERIC}/data")["rows"]
    assert 150 < sum(row["is_missing_inputs"] for row in rows) < 250
    assert len({row["id"] for row in rows}) == 2000


def test_cells_that_are_in_progress_at_the_beginning_end() -> None:
    """A world can begin in the middle of a run that was not paid for here."""
    rows = [{"cells": {"a": "in_progress"}}, {"cells": {"a": "pending"}}, {}]
    world = World({"tables": [{"id": GENERIC, "name": "T", "columns": [agent("a", "x")], "rows": rows}]})
    assert (world.status()["run_status"], world.status()["num_cells_in_progress"]) == ("running", 2)
    world.live.finish()
    assert world.cells("a") == ["d", "d", "p"]
    assert world.live.charges() == {}


def test_a_pending_cell_on_an_idle_table_is_stuck() -> None:
    """`pending` alone keeps nothing running, and `new` takes the cell."""
    rows = [{"cells": {"a": "pending"}}]
    world = World({"tables": [{"id": GENERIC, "name": "T", "columns": [agent("a", "x")], "rows": rows}]})
    assert world.status()["run_status"] == "idle"
    assert world.run()["num_requested_cells"] == 1


def test_a_column_with_the_key_of_a_brought_one_replaces_it() -> None:
    """A workspace can say how `company_name` is configured, or leave all such columns out."""
    own = {"key": "company_name", "value": {"prompt": "Say {input}."}}
    table = {"id": GENERIC, "name": "T", "kind": "company", "columns": [own], "rows": 1}
    columns = World({"tables": [table]}).get(f"/v1/tables/{GENERIC}")["columns"]
    assert [column["config"]["key"] for column in columns].count("company_name") == 1
    assert columns[2]["config"]["value"] == {"prompt": "Say {input}."}
    bare = World({"tables": [{**table, "built_in": False}]}).get(f"/v1/tables/{GENERIC}")
    assert [column["config"]["key"] for column in bare["columns"]] == ["company_name"]


def test_the_sample_has_something_for_every_mode() -> None:
    """The world without a file has done, failed and empty cells, and rows without inputs."""
    world = World(msgspec.to_builtins(sample()))
    table = world.live.state.find("Target Accounts").id
    cells = world.cells("latest_funding", table)
    assert {"d", "f", "p"} <= set(cells)
    assert any(row["is_missing_inputs"] for row in world.get(f"/v1/tables/{table}/data")["rows"])


def _keys(node: Any, at: str = "") -> dict[str, Any]:
    """Return every described place of a JSON Schema by its path."""
    found = {}
    for name, child in node.get("properties", {}).items():
        found[f"{at}.{name}"] = child
        found.update(_keys(child, f"{at}.{name}"))
    for inside in ("items", "additionalProperties"):
        if isinstance(node.get(inside), dict):
            found.update(_keys(node[inside], f"{at}[]"))
    return found


def _resolved(node: Any, parts: Any) -> Any:
    """Return a schema that msgspec made with its references filled in, and one of several choices as one."""
    if isinstance(node, list):
        return [_resolved(each, parts) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _resolved(parts[node["$ref"].rsplit("/", 1)[1]], parts)
    node = {name: _resolved(value, parts) for name, value in node.items()}
    for choice in node.pop("anyOf", []):
        node = {**choice, **node}
    return node


def test_the_schema_knows_exactly_the_keys_of_the_types() -> None:
    """Neither the schema nor the types that a workspace is read into has a key that the other lacks."""
    (made,), parts = msgspec.json.schema_components([Workspace])
    written = json.loads(json_schema.text("workspace"))
    assert set(_keys(_resolved(made, parts))) == set(_keys(written))


def test_every_key_of_the_schema_is_described() -> None:
    """Editors show a description for every key."""
    written = json.loads(json_schema.text("workspace"))
    assert written["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert [at for at, child in _keys(written).items() if not child.get("description")] == []
