"""Every kind of column: what it waits for, what it says, and what the API refuses of it."""

from typing import Any

import pytest

from reconciler.simulator.world.columns import is_built_in, upstream_keys
from tests.simulator.workspaces import COMPANY, GENERIC, World, agent, row_id

COMPANY_COLUMNS = ("input", "company_profile", "company_name", "company_website")
PEOPLE_COLUMNS = ("input", "full_name", "role", "profile_url", "company_website", "email")
PROFILE = ("company_name", "company_website")
PERSON = ("full_name", "profile_url", "role")

KINDS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("company", {"kind": "input"}, ()),
    ("company", {"kind": "agent", "value": {"prompt": "Find it."}}, PROFILE),
    ("company", {"kind": "agent", "value": {"prompt": "Of {a}, {a} and {nothing}."}}, ("a", *PROFILE)),
    ("company", {"kind": "agent", "value": {"prompt": "x", "extra_dependencies": ["b"]}}, ("b", *PROFILE)),
    ("company", {"kind": "linkedin"}, PROFILE),
    ("company", {"kind": "criterion_grade", "value": {"criterion": "Sells to {a}."}}, ("a", *PROFILE)),
    ("company", {"kind": "criteria_grade_score", "column_weights": {"b": 2, "a": 1}}, ("b", "a", *PROFILE)),
    ("company", {"kind": "criteria_grade_score", "value": {"column_weights": {"a": 1}}}, ("a", *PROFILE)),
    ("company", {"kind": "discovery_scores"}, PROFILE),
    ("company", {"kind": "company_people_finder", "value": {"roles": ["CEO"]}}, PROFILE),
    ("company", {"kind": "company_name"}, ("input",)),
    ("company", {"kind": "company_website"}, ("input",)),
    ("company", {"kind": "company_profile"}, ("input",)),
    ("people", {"kind": "agent", "value": {"prompt": "Find it."}}, PERSON),
    ("people", {"kind": "email_finder"}, ("full_name", "profile_url", "company_website")),
    ("people", {"kind": "phone_finder"}, ("full_name", "profile_url", "company_website")),
    ("people", {"kind": "reverse_email_lookup", "email_column_key": "email"}, ("email", *PERSON)),
    ("generic", {"kind": "agent", "value": {"prompt": "Of {a}."}}, ("a",)),
    ("generic", {"kind": "reverse_email_lookup", "email_column_key": "a"}, ("a",)),
]  # fmt: skip


@pytest.mark.parametrize(("table_kind", "config", "expected"), KINDS)
def test_a_column_waits_for_what_it_names_and_what_is_implied(
    table_kind: str, config: dict[str, Any], expected: tuple[str, ...]
) -> None:
    """Prompts, dependencies, weights and addresses come first, then what the kinds of column and table imply."""
    brought = {"company": COMPANY_COLUMNS, "people": PEOPLE_COLUMNS, "generic": ()}[table_kind]
    assert upstream_keys({"key": "new", **config}, table_kind, [*brought, "a", "b", "new"]) == expected


def test_built_in_columns_are_known_by_key_or_by_kind() -> None:
    """Whichever way the service names them; an input of that key is not such a column."""
    assert is_built_in("company", {"kind": "agent", "key": "company_name"})
    assert is_built_in("company", {"kind": "company_name", "key": "firm"})
    assert not is_built_in("company", {"kind": "input", "key": "company_name"})
    assert not is_built_in("people", {"kind": "agent", "key": "company_name"})


WAITING: list[tuple[str, dict[str, Any], str]] = [
    ("company", agent("new", "Find it."), "company_name"),
    ("company", agent("new", "Find it."), "company_website"),
    ("company", {"key": "new", "kind": "criterion_grade"}, "company_name"),
    ("company", {"key": "new", "kind": "criteria_grade_score", "column_weights": {"a": 1}}, "a"),
    ("company", {"key": "new", "kind": "company_people_finder"}, "company_website"),
    ("people", agent("new", "Find it."), "role"),
    ("people", {"key": "new", "kind": "email_finder"}, "profile_url"),
    ("people", {"key": "new", "kind": "phone_finder"}, "full_name"),
    ("people", {"key": "new", "kind": "reverse_email_lookup", "email_column_key": "a"}, "a"),
]


@pytest.mark.parametrize(("table_kind", "column", "upstream"), WAITING)
def test_a_cell_never_starts_without_what_is_implied(table_kind: str, column: dict[str, Any], upstream: str) -> None:
    """A run is accepted and paid for although a cell that it does not name has failed, and its own cell stays empty."""
    row = {"id": row_id(1), "cells": {"a": "done", upstream: "failed"}}
    table = {"id": COMPANY, "name": "T", "kind": table_kind, "columns": [agent("a", "x"), column], "rows": [row]}
    world = World({"tables": [table]})
    assert world.run(COMPANY, columns=["new"])["num_requested_cells"] == 1
    world.live.finish()
    assert (world.cells("new", COMPANY), world.paid("new", COMPANY)) == (["p"], [1])
    assert world.status(COMPANY)["run_status"] == "idle"


@pytest.mark.parametrize("kind", ["criterion_grade", "criteria_grade_score", "discovery_scores"])
def test_a_grade_is_from_one_to_five(kind: str) -> None:
    """Grades and scores answer with a number, and it may change when they run again."""
    columns = [agent("a", "x"), {"key": "grade", "kind": kind, "column_weights": {"a": 1}}]
    rows = {"rows": 40, "shares": {"done": 1.0}}
    world = World({"tables": [{"id": GENERIC, "name": "T", "columns": columns, **rows}]})
    shown = world.get(f"/v1/tables/{GENERIC}/data")["rows"]
    assert {row["data"]["grade"]["value"]["answer"] for row in shown} == {1, 2, 3, 4, 5}


def test_built_in_columns_can_be_of_kinds_of_their_own() -> None:
    """With `built_in_kinds: own` a company table shows the documented kinds; it fills them all the same."""
    table = {"id": COMPANY, "name": "T", "kind": "company", "rows": [{"id": row_id(1)}, {"data": {}}]}
    world = World({"tables": [table], "assumptions": {"built_in_kinds": "own"}})
    configs = [column["config"] for column in world.get(f"/v1/tables/{COMPANY}")["columns"]]
    assert [config["kind"] for config in configs] == list(COMPANY_COLUMNS)
    first, second = world.get(f"/v1/tables/{COMPANY}/data")["rows"]
    assert {cell["status"] for cell in first["data"].values()} == {"done"}
    assert first["data"]["company_website"]["value"]["answer"].endswith(".example")
    assert (second["is_missing_inputs"], second["data"]["company_name"]["status"]) == (True, "pending")
    made = world.ask("POST", "/v1/tables", json={"kind": "company"})
    assert [column["config"]["kind"] for column in made["columns"]] == list(COMPANY_COLUMNS)


@pytest.mark.parametrize(("value", "most"), [({}, 3), ({"max_results": 1}, 1), ({"max_results": 8}, 8)])
def test_a_finder_brings_at_most_so_many_people(value: dict[str, Any], most: int) -> None:
    """Every row brings at least one person and at most `max_results`, and one of many rows brings them all."""
    columns = [{"key": "people", "kind": "company_people_finder", "value": value}]
    world = World({"tables": [{"id": COMPANY, "name": "T", "kind": "company", "columns": columns, "rows": 60}]})
    world.run(COMPANY, columns=["people"])
    world.live.finish()
    (child,) = world.live.state.find(COMPANY).children
    parents = [row["parent_row_id"] for row in world.get(f"/v1/tables/{child}/data")["rows"]]
    counts = [parents.count(row_id) for row_id in set(parents)]
    assert (len(counts), min(counts), max(counts)) == (60, 1, most)


def test_a_cell_brings_no_more_people_than_can_be_made_up_at_once() -> None:
    """Everybody else waits meanwhile: so it brings a thousand at most, whatever its finder asks for."""
    columns = [{"key": "people", "kind": "company_people_finder", "value": {"max_results": 1_000_000}}]
    world = World({"tables": [{"id": COMPANY, "name": "T", "kind": "company", "columns": columns, "rows": 3}]})
    world.run(COMPANY, columns=["people"])
    world.live.finish()
    (child,) = world.live.state.find(COMPANY).children
    assert 3 <= world.get(f"/v1/tables/{child}")["status"]["num_rows"] <= 3_000


REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("generic", {"kind": "criterion_grade"}, ["value", "criterion"]),
    ("generic", {"kind": "criteria_grade_score"}, ["column_weights"]),
    ("generic", {"kind": "criteria_grade_score", "column_weights": {"nothing": 1}}, ["value"]),
    ("generic", {"kind": "criteria_grade_score", "value": {"column_weights": {"input": "x"}}}, ["column_weights"]),
    ("generic", {"kind": "company_name"}, ["kind"]),
    ("people", {"kind": "company_profile"}, ["kind"]),
    ("company", {"kind": "email_finder"}, ["kind"]),
    ("company", {"kind": "company_people_finder", "value": {"max_results": 0}}, ["value", "max_results"]),
    ("company", {"kind": "company_people_finder", "value": {"max_results": "8"}}, ["value", "max_results"]),
    ("company", {"kind": "company_people_finder", "value": {"max_results": 1_000_001}}, ["value", "max_results"]),
]


@pytest.mark.parametrize(("table_kind", "config", "place"), REFUSED)
def test_a_configuration_that_makes_no_sense_is_422(table_kind: str, config: dict[str, Any], place: list[str]) -> None:
    """Each kind is refused with what is wrong of it, where, and the table stays as it was."""
    inputs = [{"kind": "input", "key": "input"}] if table_kind == "generic" else []
    world = World({"tables": [{"id": GENERIC, "name": "T", "kind": table_kind, "columns": inputs}]})
    body = {"column_configs": [{"key": "new", "name": "New", **config}]}
    answer = world.ask("POST", f"/v1/tables/{GENERIC}/columns", 422, json=body)
    assert answer["detail"][0]["loc"] == ["body", "column_configs", 0, *place]
    assert "new" not in str(world.get(f"/v1/tables/{GENERIC}")["columns"])
