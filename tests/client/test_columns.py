"""The columns that a column depends on: all that the API takes it to depend on, written down or not."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.client.tables.columns import columns_of, read_columns
from reconciler.model.observed import Column
from reconciler.simulator.http.shapes import ColumnKind, TableKind
from reconciler.simulator.world import columns as simulated

BUILT_IN = ("company_profile", "company_name", "company_website", "full_name", "profile_url", "role")
KEYS = ("input", *BUILT_IN, "news", "fit", "email")


def shown(configs: Sequence[Mapping[str, Any]], table_kind: str) -> dict[str, Column]:
    """Return by key what is made of a header's columns."""
    listed = [
        {"id": str(uuid.UUID(int=number)), "config": {"name": config["key"], **config}}
        for number, config in enumerate(configs, 1)
    ]
    columns = columns_of(listed, table_kind)
    assert read_columns(json.dumps(listed).encode(), table_kind) == columns
    return {column.key: column for column in columns}


def waits(config: dict[str, Any], table_kind: str) -> tuple[set[str], set[str]]:
    """Return the keys that a column waits for in a table with every key there is: named ones, and implied ones."""
    others = [{"kind": "input" if key == "input" else "agent", "key": key} for key in KEYS if key != config["key"]]
    columns = shown([*others, config], table_kind)
    keys = {column.id: column.key for column in columns.values()}
    column = columns[config["key"]]
    implied = {keys[other] for other in column.implied}
    return {keys[other] for other in column.upstream} - implied, implied


COMPANY = {"company_profile", "company_name", "company_website"}
PEOPLE = {"full_name", "profile_url", "role"}
CONTACT = {"full_name", "profile_url", "company_website"}


@pytest.mark.parametrize(
    ("table", "config", "named", "implied"),
    [
        ("generic", {"kind": "agent", "value": {"prompt": "Find it."}}, set(), set()),
        ("company", {"kind": "agent", "value": {"prompt": "Find it."}}, set(), COMPANY),
        ("company", {"kind": "agent", "value": {"prompt": "{company_name}, {news}"}}, {"company_name", "news"},
         COMPANY - {"company_name"}),
        ("company", {"kind": "agent", "value": {"extra_dependencies": ["fit"]}}, {"fit"}, COMPANY),
        ("company", {"kind": "company_people_finder", "value": {"roles": ["VP"]}}, set(), COMPANY),
        ("company", {"kind": "criterion_grade", "value": {"criterion": "Is {news} good?"}}, {"news"}, COMPANY),
        ("company", {"kind": "criteria_grade_score", "column_weights": {"fit": 2, "email": 1}}, {"fit", "email"},
         COMPANY),
        ("generic", {"kind": "criteria_grade_score", "value": {"column_weights": {"fit": 2}}}, {"fit"}, set()),
        ("company", {"kind": "never_heard_of", "value": {"weights": {"fit": {"of": 3}}}}, {"fit"}, COMPANY),
        ("people", {"kind": "agent", "value": {"prompt": "Find it."}}, set(), PEOPLE),
        ("people", {"kind": "email_finder"}, set(), CONTACT),
        ("people", {"kind": "phone_finder"}, set(), CONTACT),
        ("people", {"kind": "email_finder", "value": {"extra_dependencies": ["full_name"]}}, {"full_name"},
         CONTACT - {"full_name"}),
        ("people", {"kind": "reverse_email_lookup", "email_column_key": "email"}, {"email"}, PEOPLE),
        ("generic", {"kind": "reverse_email_lookup", "email_column_key": "email"}, {"email"}, set()),
        ("generic", {"kind": "email_finder"}, set(), CONTACT),
        ("an unknown kind", {"kind": "agent"}, set(), COMPANY | PEOPLE),
        ("", {"kind": "agent"}, set(), COMPANY | PEOPLE),
    ],
)  # fmt: skip
def test_each_way_to_depend_on_a_column(table: str, config: dict[str, Any], named: set[str], implied: set[str]) -> None:
    """Named in a prompt, in a list, as a mapping's key, or not at all."""
    assert waits({"key": "me", **config}, table) == (named, implied)


@pytest.mark.parametrize("table", ["company", "people", ""])
def test_what_the_service_fills_by_itself_waits_for_nothing_of_its_like(table: str) -> None:
    """Else none of it could ever begin, nor anything that waits for it."""
    for key in BUILT_IN:
        if table == "" or key in simulated.INJECTED[table]:
            assert waits({"kind": "agent", "key": key, "value": {"prompt": "Say {input}."}}, table) == (
                {"input"},
                set(),
            )
    for kind in simulated.COMPANY_KINDS:
        assert waits({"kind": kind, "key": "me"}, "company") == (set(), {"input"})


@pytest.mark.parametrize(
    ("kind", "key", "table", "meant"),
    [
        ("agent", "news", "company", True),
        ("criterion_grade", "news", "company", True),
        ("criteria_grade_score", "news", "company", True),
        ("reverse_email_lookup", "news", "company", True),
        ("email_finder", "news", "people", True),
        ("phone_finder", "news", "people", True),
        ("company_people_finder", "news", "company", True),
        ("agent", "company_name", "company", False),
        ("agent", "company_profile", "company", False),
        ("agent", "company_website", "company", False),
        ("company_name", "anything", "company", False),
        ("agent", "company_name", "generic", True),
        ("agent", "role", "people", False),
        ("agent", "role", "company", True),
        ("agent", "role", "of another kind", False),
        ("discovery_scores", "news", "company", False),
        ("never_heard_of", "news", "company", False),
        ("input", "news", "company", False),
    ],
)
def test_what_a_run_without_columns_means(kind: str, key: str, table: str, meant: bool) -> None:
    """Columns of a known kind that the service does not fill by itself."""
    assert shown([{"kind": kind, "key": key}], table)[key].is_meant_by_silence is meant


@pytest.mark.parametrize(
    ("value", "most"),
    [
        ({"max_results": 5}, 5), ({"max_results": 1}, 1), ({}, None), (None, None), ({"max_results": None}, None),
        ({"max_results": 0}, None), ({"max_results": -1}, None), ({"max_results": True}, None),
        ({"max_results": 2.0}, None), ({"max_results": "5"}, None), ({"max_results": 10**30}, None),
    ],
)  # fmt: skip
def test_how_many_people_a_finder_finds_is_a_number_or_unknown(value: Any, most: int | None) -> None:
    """A value that cannot be a bound is ignored."""
    finder = {"kind": "company_people_finder", "key": "people", "value": value}
    assert shown([finder], "company")["people"].max_results == most
    assert shown([{**finder, "kind": "agent"}], "company")["people"].max_results is None


KINDS = get_args(ColumnKind)
NAMES = st.sampled_from(KEYS)
TEXTS = st.lists(NAMES.map("about {{{}}}, ".format) | st.text(max_size=5), max_size=3).map("".join)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "prompt": TEXTS,
        "criterion": TEXTS,
        "extra_dependencies": st.lists(NAMES, max_size=3),
        "column_weights": st.dictionaries(NAMES, st.integers(1, 5), max_size=3),
        "roles": st.lists(st.text(max_size=5), max_size=2),
        "max_results": st.integers(1, 9),
    },
)


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return configurations of every kind, each naming the others in any way there is."""
    return [
        {
            "kind": draw(st.sampled_from(KINDS)),
            "key": key,
            **draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "value": st.none() | VALUES,
                        "email_column_key": st.none() | NAMES,
                        "column_weights": st.dictionaries(NAMES, st.integers(1, 5), max_size=3),
                    },
                )
            ),
        }
        for key in draw(st.lists(NAMES, min_size=1, unique=True))
    ]


@given(tables(), st.sampled_from(get_args(TableKind)))
def test_nothing_that_the_simulator_waits_for_is_missing(configs: list[dict[str, Any]], table_kind: str) -> None:
    """For every kind of column in every kind of table: too few would be paid calls for cells that never start."""
    columns = shown(configs, table_kind)
    keys = {column.id: column.key for column in columns.values()}
    for config in configs:
        upstream = {keys[other] for other in columns[config["key"]].upstream}
        assert set(simulated.upstream_keys(config, table_kind, columns)) <= upstream


@given(tables(), st.sampled_from(get_args(TableKind)))
def test_dependencies_come_in_the_order_of_the_table(configs: list[dict[str, Any]], table_kind: str) -> None:
    """However they are named, each once and never the column itself: so a plan's bytes are the same every time."""
    columns = shown(configs, table_kind)
    order = [column.id for column in columns.values()]
    for column in columns.values():
        others = [other for other in order if other != column.id]
        assert column.upstream == tuple(other for other in others if other in column.upstream)
        assert column.implied == tuple(other for other in others if other in column.implied)
        assert set(column.implied) <= set(column.upstream)
