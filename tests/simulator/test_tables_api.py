"""Tables beside their cells, by the reference: names, order, copies, rows a change adds, who may change."""

from typing import Any

import pytest

from reconciler.simulator.http.api import NOT_SIMULATED
from tests.simulator.workspaces import COMPANY, GENERIC, WORKSPACE, World, agent, row_id

MISSING = "00000000-0000-4000-a000-0000000000ff"
FACT = {"kind": "agent", "name": "New", "value": {"agent_type": "llm", "prompt": "x"}}


@pytest.fixture
def world() -> World:
    """Return a world with two tables."""
    return World(WORKSPACE)


def _keys(columns: list[dict[str, Any]]) -> list[str]:
    return [column["config"]["key"] for column in columns]


def test_a_table_needs_no_name(world: World) -> None:
    """A table without a name is called as the reference says, and takes null for what it leaves empty."""
    table = world.ask("POST", "/v1/tables", json={"tags": None, "settings": None})
    assert [table[name] for name in ("name", "tags", "settings", "notify")] == ["Untitled Table", [], {}, False]


def test_a_table_says_whether_it_notifies(world: World) -> None:
    """`notify` is kept by create, change and copy, and shown by the header alone."""
    table = world.ask("POST", "/v1/tables", json={"notify": True})
    path = f"/v1/tables/{table['id']}"
    assert world.ask("POST", f"{path}/clone")["notify"] is True
    assert world.ask("PATCH", path, json={"notify": False})["notify"] is False
    assert all("notify" not in each for each in world.get("/v1/tables"))


def test_columns_can_be_put_in_order(world: World) -> None:
    """Those that are named come first, the others follow, and every answer shows the same order."""
    path = f"/v1/tables/{GENERIC}"
    order = [world.column(GENERIC, key) for key in ("joke", "topic")]
    assert _keys(world.ask("PATCH", path, json={"columns_order": order})["columns"]) == ["joke", "topic", "fact"]
    assert list(world.get(f"{path}/rows/{row_id(1)}")["data"]) == ["joke", "topic", "fact"]
    answer = world.ask("PATCH", path, 422, json={"columns_order": [*order, MISSING], "name": "No"})
    assert answer["detail"][0]["loc"] == ["body", "columns_order", 2]
    assert world.get(path)["name"] == "Facts"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({}, ["topic", "fact", "joke", "a", "b"]),
        ({"insert_after": True}, ["topic", "fact", "joke", "a", "b"]),
        ({"insert_after": False}, ["a", "b", "topic", "fact", "joke"]),
        ({"insert_after": "topic"}, ["topic", "a", "b", "fact", "joke"]),
    ],
)
def test_new_columns_come_where_they_are_wanted(world: World, after: dict[str, Any], expected: list[str]) -> None:
    """After all others, before them, or after a column."""
    if isinstance(after.get("insert_after"), str):
        after = {"insert_after": world.column(GENERIC, after["insert_after"])}
    body = {"column_configs": [{**FACT, "key": "a"}, {**FACT, "key": "b"}], **after}
    assert _keys(world.ask("POST", f"/v1/tables/{GENERIC}/columns", json=body)) == ["a", "b"]
    assert _keys(world.get(f"/v1/tables/{GENERIC}")["columns"]) == expected


def test_new_columns_after_one_that_is_not_there_are_422(world: World) -> None:
    """Nothing is added then."""
    body = {"column_configs": [{**FACT, "key": "a"}], "insert_after": MISSING}
    answer = world.ask("POST", f"/v1/tables/{GENERIC}/columns", 422, json=body)
    assert answer["detail"][0]["loc"] == ["body", "insert_after"]
    assert world.status()["num_columns"] == 3


def test_a_change_of_rows_adds_those_without_an_id(world: World) -> None:
    """The answer has changed and new rows in the order asked for; `run` is off unless it is asked for."""
    rows = [{"data": {"topic": "fire"}}, {"id": row_id(4), "data": {"topic": "tide"}}, {}]
    first, second, third = world.ask("PATCH", f"/v1/tables/{GENERIC}/rows", json={"rows": rows})
    assert second["id"] == row_id(4)
    assert [row["is_missing_inputs"] for row in (first, second, third)] == [False, False, True]
    assert (world.status()["num_rows"], world.live.charges()) == (7, {})
    assert world.get(f"/v1/tables/{GENERIC}/rows/{first['id']}") == first
    rows = [{"data": {"topic": "ice"}}, {"id": MISSING, "data": {"topic": "tide"}}]
    answer = world.ask("PATCH", f"/v1/tables/{GENERIC}/rows", 422, json={"rows": rows})
    assert answer["detail"][0]["loc"] == ["body", "rows", 1, "id"]
    assert world.status()["num_rows"] == 7


def test_added_rows_that_cannot_be_paid_for_are_gone_again() -> None:
    """As with new rows, 402 leaves no row behind."""
    world = World({**WORKSPACE, "billing": {"credits": 1}})
    world.ask("PATCH", f"/v1/tables/{GENERIC}/rows", 402, json={"rows": [{"data": {"topic": "x"}}], "run": True})
    assert world.status()["num_rows"] == 5


def test_rows_keep_metadata(world: World) -> None:
    """Given with a new row or a change, kept by a change that does not speak of it, and shown wherever the row is."""
    path = f"/v1/tables/{GENERIC}/rows"
    (row,) = world.ask("POST", path, json={"rows": [{"data": {"topic": "fire"}, "metadata": {"crm": 7}}]})
    world.ask("PATCH", path, json={"rows": [{"id": row["id"], "data": {"topic": "ice"}}]})
    assert world.get(f"{path}/{row['id']}")["metadata"] == {"crm": 7}
    (row,) = world.ask("PATCH", path, json={"rows": [{"id": row["id"], "metadata": {}}]})
    assert (row["metadata"], row["data"]["topic"]["value"]["answer"]) == ({}, "ice")
    table = {"id": GENERIC, "name": "T", "rows": [{"metadata": {"crm": 8}}, {}]}
    rows = World({"tables": [table]}).get(f"/v1/tables/{GENERIC}/data")["rows"]
    assert [row["metadata"] for row in rows] == [{"crm": 8}, {}]


def test_data_shows_the_searches_that_filled_the_table() -> None:
    """As the workspace describes them, with every other documented field; the header does not."""
    tasks = [{"query": "EU startups", "status": "in_progress"}]
    world = World({"tables": [{"id": GENERIC, "name": "T", "rows": 1, "discovery_tasks": tasks}]})
    (task,) = world.get(f"/v1/tables/{GENERIC}/data", limit=1)["discovery_tasks"]
    assert (task["query"], task["status"], task["table_id"]) == ("EU startups", "in_progress", GENERIC)
    assert {"num_results", "is_exhausted", "criteria", "desired_num_results"} <= task.keys()
    assert "discovery_tasks" not in world.get(f"/v1/tables/{GENERIC}")


@pytest.mark.parametrize("schema_only", [False, True])
def test_a_copy_has_the_whole_hierarchy(world: World, schema_only: bool) -> None:
    """People tables are copied with their own columns, order and rows, and rows are the children of copied rows."""
    (child,) = world.live.state.find(COMPANY).children
    config = {"kind": "email_finder", "name": "E-mail", "key": "email"}
    world.ask("POST", f"/v1/tables/{child}/columns", json={"column_configs": [config], "insert_after": False})
    world.run(COMPANY, columns=["people"])
    world.live.finish()
    people = world.get(f"/v1/tables/{child}/data")
    copy = world.ask("POST", f"/v1/tables/{COMPANY}/clone", params={"schema_only": schema_only})
    (link,) = copy["child_relationships"]
    copied = world.get(f"/v1/tables/{link['table_id']}/data")
    assert copied["parent_relationships"] == [{"table_id": copy["id"], "relationship_type": "company_people"}]
    assert [each["config"] for each in copied["columns"]] == [each["config"] for each in people["columns"]]
    assert not {each["id"] for each in copied["columns"]} & {each["id"] for each in people["columns"]}
    rows = [] if schema_only else people["rows"]
    assert [row["data"] for row in copied["rows"]] == [row["data"] for row in rows]
    parents = {row["id"] for row in world.get(f"/v1/tables/{copy['id']}/data")["rows"]}
    assert {row["parent_row_id"] for row in copied["rows"]} <= parents - {row_id(11), row_id(12)}
    world.run(copy["id"], mode="all", columns=["people"])
    world.live.finish()
    assert world.status(link["table_id"])["num_rows"] == (0 if schema_only else len(rows))
    assert world.status(child)["num_rows"] == len(people["rows"])
    world.ask("DELETE", f"/v1/tables/{copy['id']}")
    world.ask("GET", f"/v1/tables/{link['table_id']}", 404)


CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/tables", {}),
    ("PATCH", f"/v1/tables/{GENERIC}", {"name": "No"}),
    ("DELETE", f"/v1/tables/{GENERIC}", None),
    ("POST", f"/v1/tables/{GENERIC}/clone", None),
    ("POST", f"/v1/tables/{GENERIC}/run", {"mode": "new"}),
    ("POST", f"/v1/tables/{GENERIC}/rows", {"rows": []}),
    ("PATCH", f"/v1/tables/{GENERIC}/rows", {"rows": []}),
    ("DELETE", f"/v1/tables/{GENERIC}/rows", {"rows": []}),
    ("POST", f"/v1/tables/{GENERIC}/columns", {"column_configs": [{**FACT, "key": "a"}]}),
    ("PATCH", f"/v1/tables/{GENERIC}/columns/{MISSING}", {}),
    ("DELETE", f"/v1/tables/{GENERIC}/columns/{MISSING}", None),
]
NO_PLAN = {"requires_subscription": True, "plan_tier": "free", "organization_is_active": False}


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_without_a_plan_nothing_is_changed_or_run(method: str, path: str, body: Any) -> None:
    """Every change is 402 `plan_required`, a run included; reading goes on."""
    world = World({**WORKSPACE, "billing": NO_PLAN})
    before = world.get(f"/v1/tables/{GENERIC}")
    answer = world.ask(method, path, 402, json=body)
    assert answer["detail"]["error"] == "plan_required"
    assert (world.get(f"/v1/tables/{GENERIC}"), world.live.charges()) == (before, {})


@pytest.mark.parametrize(
    "enough",
    [{"requires_subscription": False}, {"plan_tier": "pro"}, {"plan_tier": "legacy"}, {"organization_is_active": True}],
)
def test_one_of_four_things_is_plan_enough(enough: dict[str, Any]) -> None:
    """No subscription needed, the tier pro or legacy, or an active organization."""
    world = World({**WORKSPACE, "billing": {**NO_PLAN, **enough}})
    assert world.run()["num_requested_cells"] == 3


@pytest.mark.parametrize("part", NOT_SIMULATED)
@pytest.mark.parametrize("rest", ["", f"/{MISSING}", "/a/b"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_simulated_says_so(world: World, part: str, rest: str, method: str) -> None:
    """Other endpoints of the API are 501 with a sentence, not 404; they need the token all the same."""
    path = f"/v1/{part}{rest}"
    assert world.ask(method, path, 501)["detail"].startswith(f"{method} {path} is not simulated: ")
    world.ask(method, path, 401, headers={"Authorization": ""})


def test_columns_added_in_front_do_not_change_what_waits_for_what(world: World) -> None:
    """A run starts upstream cells first, wherever their columns stand."""
    body = {"column_configs": [{"kind": "agent", "name": "P", **agent("pun", "On {joke}.")}], "insert_after": False}
    world.ask("POST", f"/v1/tables/{GENERIC}/columns", json=body)
    world.run(rows=[row_id(4)])
    world.live.finish()
    assert [world.cells(key)[3] for key in ("fact", "joke", "pun")] == ["d", "d", "d"]
