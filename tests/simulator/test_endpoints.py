"""Every endpoint: what it gives, and what it says to requests that make no sense."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.workspaces import COMPANY, GENERIC, WORKSPACE, World, agent, row_id

MISSING = "00000000-0000-4000-a000-0000000000ff"


@pytest.fixture
def world() -> World:
    """Return a world with two tables."""
    return World(WORKSPACE)


def test_healthcheck_needs_no_token(world: World) -> None:
    """Liveness is for everybody."""
    del world.client.headers["Authorization"]
    assert world.get("/v1/healthcheck") == {"status": "ok"}


@pytest.mark.parametrize("header", ["", "Bearer wrong", "simulator-token", "bearer simulator-token "])
def test_any_other_token_is_401(world: World, header: str) -> None:
    """Every endpoint but the healthcheck wants the one token."""
    for path in ("/v1/tables", "/v1/billing", f"/v1/tables/{GENERIC}", "/v1/nowhere"):
        assert "detail" in world.ask("GET", path, 401, headers={"Authorization": header})


def test_billing_says_who_and_how_much(world: World) -> None:
    """Billing has the documented fields, and credits where the workspace puts them."""
    billing = world.get("/v1/billing")
    assert {"organization_id", "organization_is_active"} <= billing["user"].keys()
    assert {"requires_subscription", "plan_tier", "available_credits"} <= billing["subscription"].keys()
    assert "available_credits" in World({"assumptions": {"credits_in": "body"}}).get("/v1/billing")


def test_the_user_has_an_organization_and_a_balance() -> None:
    """The user has the documented fields with or without those of an older reference, and what the workspace says."""
    billing = {"credits": 70, "organization_slug": "acme", "credit_cap": 100}
    user = World({"billing": billing}).get("/v1/user")
    told = ("available_credits", "organization_slug", "has_unlimited_credits", "credit_cap")
    assert [user[name] for name in told] == [70, "acme", False, 100]
    assert {"user_id", "email", "organization_id", "organization_name", "organization_is_active"} <= user.keys()
    unlimited = World({"assumptions": {"user_fields": "current"}}).get("/v1/user")
    assert (unlimited["available_credits"], "has_unlimited_credits" in unlimited) == (1_000_000, False)
    assert World().get("/v1/user")["has_unlimited_credits"] is True


def test_a_table_header_has_every_documented_field(world: World) -> None:
    """The header and its status carry exactly what the documentation shows."""
    table = world.get(f"/v1/tables/{GENERIC}")
    documented = {"id", "created_at", "name", "description", "tags", "kind", "columns", "owner", "status"}
    assert documented | {"child_relationships", "parent_relationships"} <= table.keys()
    assert table["status"] == {
        "num_rows": 5,
        "num_columns": 3,
        "num_output_columns": 2,
        "num_input_columns": 1,
        "num_cells_completed": 5,
        "num_cells_in_progress": 0,
        "run_status": "idle",
    }
    assert table["columns"][1]["config"]["key"] == "fact"


def test_ids_are_found_in_any_case(world: World) -> None:
    """An id in capitals is the same id."""
    assert world.get(f"/v1/tables/{GENERIC.upper()}")["id"] == GENERIC


def _workspace_to_list() -> Iterator[dict[str, Any]]:
    for number in range(120):
        yield {
            "name": f"Table {number:03d}",
            "kind": ("generic", "people", "company")[number % 3],
            "scope": ("personal", "organization")[number % 2],
            "tags": [f"tag-{number % 5}"],
            "description": "Zebra crossing" if number == 7 else None,
            "rows": number % 4,
        }


LISTINGS: list[tuple[dict[str, Any], int, str]] = [
    ({}, 50, "Table 000"),
    ({"limit": 100}, 100, "Table 000"),
    ({"offset": 100, "limit": 100}, 20, "Table 100"),
    ({"offset": 500}, 0, ""),
    ({"kind": "people", "limit": 100}, 40, "Table 001"),
    ({"scope": "personal", "limit": 100}, 60, "Table 000"),
    ({"scope": "organization", "limit": 100}, 100, "Table 000"),
    ({"search": "zebra"}, 1, "Table 007"),
    ({"search": "table 11"}, 10, "Table 110"),
    ({"tags": ["tag-1", "tag-2"], "limit": 100}, 48, "Table 001"),
    ({"sort": "name"}, 50, "Table 000"),
    ({"sort": "-name"}, 50, "Table 119"),
    ({"sort": "num_rows"}, 50, "Table 000"),
    ({"sort": "-num_rows"}, 50, "Table 003"),
]


@pytest.mark.parametrize(("query", "count", "first"), LISTINGS)
def test_the_list_filters_sorts_and_pages(query: dict[str, Any], count: int, first: str) -> None:
    """Each parameter of the list does what it says."""
    found = World({"tables": list(_workspace_to_list())}).get("/v1/tables", **query)
    assert len(found) == count
    assert (found[0]["name"] if found else "") == first


def test_the_list_sorts_by_time_of_creation(world: World) -> None:
    """The newest table comes first, unless the order is turned round."""
    world.live.advance(60)
    world.ask("POST", "/v1/tables", json={"name": "Newer"})
    assert world.get("/v1/tables")[0]["name"] == "Newer"
    assert world.get("/v1/tables", sort="created_at")[-1]["name"] == "Newer"


def test_the_list_shows_root_tables_only(world: World) -> None:
    """The people tables of finders are not listed, but can be got."""
    assert {table["id"] for table in world.get("/v1/tables")} == {GENERIC, COMPANY}
    (child,) = world.live.state.find(COMPANY).children
    assert world.get(f"/v1/tables/{child}")["kind"] == "people"


BAD_QUERIES = ["limit=101", "limit=0", "limit=x", "offset=-1", "offset=", "kind=banana", "scope=x", "sort=size"]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_bad_list_parameter_is_422(world: World, query: str) -> None:
    """A parameter out of its bounds is refused with where it stands."""
    (problem,) = world.ask("GET", f"/v1/tables?{query}", 422)["detail"]
    assert problem["loc"] == ["query", query.split("=")[0]]


def test_a_table_is_created_changed_cloned_and_deleted(world: World) -> None:
    """A table's whole life, by the calls that the vendor's client makes."""
    payload = {"name": "Target Contacts", "kind": "people"}
    configs = [{"kind": "input", "name": "Company Website", "key": "company_website"}]
    table = world.ask("POST", "/v1/tables", json={**payload, "column_configs": configs})
    path = f"/v1/tables/{table['id']}"
    keys = [column["config"]["key"] for column in table["columns"]]
    assert keys == ["input", "full_name", "role", "profile_url", "company_website"]
    changed = world.ask("PATCH", path, json={"name": "People", "description": "d", "tags": ["t"]})
    assert (changed["name"], changed["description"], changed["tags"], changed["kind"]) == (
        "People",
        "d",
        ["t"],
        "people",
    )
    data = {"input": "Jane Doe", "company_website": "x.com"}
    world.ask("POST", f"{path}/rows", json={"rows": [{"data": data}], "run": False})
    whole = world.ask("POST", f"{path}/clone")
    bare = world.ask("POST", f"{path}/clone?schema_only=true")
    assert (whole["status"]["num_rows"], bare["status"]["num_rows"]) == (1, 0)
    assert whole["status"]["num_cells_completed"] == 3
    assert [c["config"] for c in whole["columns"]] == [c["config"] for c in bare["columns"]]
    cloned = world.get(f"/v1/tables/{whole['id']}/data")["rows"][0]
    assert cloned["data"]["company_website"]["value"]["answer"] == "x.com"
    before = world.get(path)
    assert world.ask("DELETE", path) == before
    world.ask("GET", path, 404)


def test_deleting_a_company_table_takes_its_people_along(world: World) -> None:
    """A child table does not outlive its parent, and a parent forgets a deleted child."""
    (child,) = world.live.state.find(COMPANY).children
    world.ask("DELETE", f"/v1/tables/{child}")
    assert world.get(f"/v1/tables/{COMPANY}")["child_relationships"] == []
    world.run(COMPANY, columns=["people"])
    world.live.finish()
    world.ask("DELETE", f"/v1/tables/{COMPANY}")
    world.ask("GET", f"/v1/tables/{COMPANY}", 404)


def test_rows_are_created_read_changed_and_deleted(world: World) -> None:
    """A row's whole life."""
    path = f"/v1/tables/{GENERIC}/rows"
    rows = world.ask("POST", path, json={"rows": [{"data": {"topic": "fire"}}, {"data": {}}], "run": False})
    assert [row["is_missing_inputs"] for row in rows] == [False, True]
    assert world.get(f"{path}/{rows[0]['id']}") == rows[0]
    assert set(rows[0]) == {
        "id", "created_at", "parent_row_id", "is_missing_inputs", "data", "metadata", "parent_data",
    }  # fmt: skip
    (changed,) = world.ask("PATCH", path, json={"rows": [{"id": rows[1]["id"], "data": {"topic": "ice"}}]})
    assert changed["data"]["topic"] == {"status": "done", "value": {"answer": "ice"}}
    assert changed["is_missing_inputs"] is False
    ids = [row["id"] for row in rows]
    assert world.ask("DELETE", path, json={"rows": ids}) == [{"id": each} for each in ids]
    world.ask("GET", f"{path}/{ids[0]}", 404)


def test_rows_can_be_run_as_they_come(world: World) -> None:
    """`run: true` buys the empty cells of the rows of the call, and of no others."""
    path = f"/v1/tables/{GENERIC}/rows"
    (row,) = world.ask("POST", path, json={"rows": [{"data": {"topic": "fire"}}], "run": True})
    world.ask("PATCH", path, json={"rows": [{"id": row_id(4), "data": {"topic": "wind"}}], "run": True})
    assert {cell[2] for cell in world.live.charges()} == {row["id"], row_id(4)}


def test_rows_that_cannot_be_paid_for_are_not_created() -> None:
    """Without credits `run: true` is 402 and adds no row."""
    world = World({**WORKSPACE, "billing": {"credits": 1}})
    body = {"rows": [{"data": {"topic": "fire"}}], "run": True}
    world.ask("POST", f"/v1/tables/{GENERIC}/rows", 402, json=body)
    assert world.status()["num_rows"] == 5


def test_columns_are_added_changed_and_deleted(world: World) -> None:
    """A column's whole life."""
    path = f"/v1/tables/{GENERIC}/columns"
    config = {"kind": "agent", "name": "Poem", "key": "poem", "value": {"prompt": "On {fact}.", "agent_type": "llm"}}
    (column,) = world.ask("POST", path, json={"column_configs": [config]})
    assert column["config"] == config
    changed = world.ask(
        "PATCH", f"{path}/{column['id']}", json={"value": {"prompt": "On {topic}.", "agent_type": "llm"}}
    )
    assert (changed["id"], changed["config"]["name"]) == (column["id"], "Poem")
    assert changed["config"]["value"]["prompt"] == "On {topic}."
    assert world.ask("DELETE", f"{path}/{column['id']}")["id"] == column["id"]
    world.ask("DELETE", f"{path}/{column['id']}", 404)
    assert "poem" not in world.get(f"/v1/tables/{GENERIC}/data")["rows"][0]["data"]


BAD_COLUMNS: list[tuple[str, dict[str, Any], str]] = [
    (GENERIC, {"kind": "agent", "name": "A", "key": "a", "value": {"prompt": "{nowhere}"}}, "unresolved"),
    (GENERIC, {"kind": "agent", "name": "A", "key": "a", "value": {"prompt": "{a}"}}, "unresolved"),
    (GENERIC, {"kind": "agent", "name": "A", "key": "a"}, "required"),
    (GENERIC, {"kind": "agent", "name": "A", "key": "fact", "value": {"prompt": "x"}}, "taken"),
    (GENERIC, {"kind": "agent", "name": "A", "key": "a", "value": {"prompt": "x", "agent_type": "genius"}}, "one of"),
    (
        GENERIC,
        {"kind": "agent", "name": "A", "key": "a", "value": {"prompt": "x", "output_format": "json"}},
        "required",
    ),
    (GENERIC, {"kind": "agent", "name": "A", "key": "a", "value": {"prompt": "x", "output_format": "song"}}, "one of"),
    (GENERIC, {"kind": "company_people_finder", "name": "A", "key": "a"}, "not compatible"),
    (COMPANY, {"kind": "email_finder", "name": "A", "key": "a"}, "not compatible"),
    (GENERIC, {"kind": "reverse_email_lookup", "name": "A", "key": "a"}, "required"),
    (GENERIC, {"kind": "magic", "name": "A", "key": "a"}, "Invalid enum value"),
    (GENERIC, {"kind": "input", "name": "A", "key": "not a key"}, "regex"),
    (GENERIC, {"kind": "input", "name": "A"}, "missing required field"),
]


@pytest.mark.parametrize(("table", "config", "text"), BAD_COLUMNS)
def test_a_column_that_makes_no_sense_is_422(world: World, table: str, config: dict[str, Any], text: str) -> None:
    """Columns are refused with a reason, and none is added."""
    before = world.status(table)["num_columns"]
    answer = world.ask("POST", f"/v1/tables/{table}/columns", 422, json={"column_configs": [config]})
    assert text in answer["detail"][0]["msg"]
    assert world.status(table)["num_columns"] == before


def test_columns_that_wait_for_each_other_are_422(world: World) -> None:
    """A circle of references would never run, so it is refused."""
    configs = [{"name": key, "kind": "agent", **agent(key, prompt)} for key, prompt in (("a", "{b}"), ("b", "{a}"))]
    answer = world.ask("POST", f"/v1/tables/{GENERIC}/columns", 422, json={"column_configs": configs})
    assert "wait for each other" in answer["detail"][0]["msg"]


BAD_RUNS: list[tuple[dict[str, Any], list[Any]]] = [
    ({"content": b"{"}, ["body"]),
    ({"content": b"[]"}, ["body"]),
    ({"content": b'{"mode": "\xff"}'}, ["body"]),
    ({"json": {"mode": "everything"}}, ["body", "mode"]),
    ({"json": {"mode": "new", "rows": ["x"]}}, ["body", "rows"]),
    ({"json": {"mode": "new", "rows": [row_id(1), MISSING]}}, ["body", "rows", 1]),
    ({"json": {"mode": "new", "columns": [MISSING]}}, ["body", "columns", 0]),
    ({"json": {"mode": "new", "columns": "fact"}}, ["body", "columns"]),
]


@pytest.mark.parametrize(("body", "place"), BAD_RUNS)
def test_a_run_that_makes_no_sense_is_422(world: World, body: dict[str, Any], place: list[Any]) -> None:
    """A bad mode, malformed JSON, a bad row or column id is refused with its place, and costs nothing."""
    answer = world.ask("POST", f"/v1/tables/{GENERIC}/run", 422, **body)
    assert answer["detail"][0]["loc"][: len(place)] == place
    assert world.live.charges() == {}


def test_what_is_not_there_is_404_and_what_is_not_an_id_is_422(world: World) -> None:
    """Unknown tables and rows are told from paths that hold no id."""
    for path in (f"/v1/tables/{MISSING}", f"/v1/tables/{MISSING}/data", f"/v1/tables/{GENERIC}/rows/{MISSING}"):
        world.ask("GET", path, 404)
    world.ask("POST", f"/v1/tables/{MISSING}/run", 404)
    world.ask("GET", "/v1/tables/none", 422)
    world.ask("GET", f"/v1/tables/{GENERIC}/rows/none", 422)
    world.ask("GET", "/v1/nowhere", 404)


def test_another_method_is_405_with_those_that_are_allowed(world: World) -> None:
    """A path that is known says which methods it takes."""
    response = world.client.put(f"/v1/tables/{GENERIC}")
    assert (response.status_code, response.headers["allow"]) == (405, "DELETE, GET, PATCH")


def test_data_comes_whole_or_in_pages(world: World) -> None:
    """Pages put together are the whole table, each with the header."""
    path = f"/v1/tables/{GENERIC}/data"
    whole = world.get(path)
    pages = [world.get(path, offset=offset, limit=2) for offset in (0, 2, 4, 6)]
    assert [len(page["rows"]) for page in pages] == [2, 2, 1, 0]
    assert [row for page in pages for row in page["rows"]] == whole["rows"]
    shown = {key: value for key, value in whole.items() if key not in ("rows", "discovery_tasks")}
    assert shown == world.get(f"/v1/tables/{GENERIC}")
    assert world.get(path, offset=3)["rows"] == whole["rows"][3:]
    world.ask("GET", f"{path}?limit=0", 422)


@pytest.mark.parametrize(("how", "expected"), [("absent", "absent"), ("null", None), ("pending", "pending")])
def test_an_empty_cell_looks_as_the_workspace_says(how: str, expected: str | None) -> None:
    """A cell that never ran is absent, null or pending."""
    world = World({**WORKSPACE, "assumptions": {"empty_cells": how}})
    cell = world.get(f"/v1/tables/{GENERIC}/rows/{row_id(4)}")["data"].get("fact", {"status": "absent"})
    assert (cell if cell is None else cell["status"]) == expected


def test_an_input_cell_can_be_the_bare_value() -> None:
    """With `input_cells: bare` an input is not an object."""
    world = World({**WORKSPACE, "assumptions": {"input_cells": "bare"}})
    assert world.get(f"/v1/tables/{GENERIC}/rows/{row_id(1)}")["data"]["topic"] == "sea"


def test_texts_can_hold_raw_control_characters() -> None:
    """With `control_characters` a strict JSON parser refuses the body, as it can the vendor's."""
    world = World({**WORKSPACE, "assumptions": {"control_characters": True}})
    response = world.client.get(f"/v1/tables/{GENERIC}/rows/{row_id(1)}")
    assert b"\x0b" in response.content
    with pytest.raises(ValueError, match="control character"):
        response.json()


FORMATS: list[tuple[str, type]] = [
    ("text", str), ("number", int), ("money", dict), ("select", str), ("multiselect", list), ("json", dict),
    ("grade", int), ("date", str), ("url", str), ("email", str), ("phone", str),
]  # fmt: skip


@pytest.mark.parametrize(("output_format", "kind"), FORMATS)
def test_an_answer_has_the_shape_of_its_output_format(output_format: str, kind: type) -> None:
    """Every output format has its own kind of answer, with explanation and sources beside it."""
    value = {
        "prompt": "x",
        "output_format": output_format,
        "labels": ["a", "b"],
        "output_schema": {"properties": {"p": {}}},
    }
    table = {"id": GENERIC, "name": "T", "columns": [{"key": "a", "value": value}], "rows": [{"cells": {"a": "done"}}]}
    cell = World({"tables": [table]}).get(f"/v1/tables/{GENERIC}/data")["rows"][0]["data"]["a"]
    assert set(cell["value"]) == {"answer", "explanation", "sources"}
    assert isinstance(cell["value"]["answer"], kind)


@pytest.mark.parametrize("depth", [1_200, 5_000, 100_000])
@pytest.mark.parametrize("path", ["rows", "run", "columns"])
def test_a_body_that_is_nested_too_deeply_is_422(world: World, path: str, depth: int) -> None:
    """It is the client's fault, and the simulator goes on."""
    body = b'{"rows": ' + b"[" * depth + b"]" * depth + b"}"
    response = world.client.post(f"/v1/tables/{GENERIC}/{path}", content=body)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][0] == "body"
    assert world.live.requests()[-1][2] == body.decode()
    world.get(f"/v1/tables/{GENERIC}/data")
