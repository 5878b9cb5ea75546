"""Answers that are not as expected hold a rollout back, or make the exit code 6 after waiting; none is ever shown."""

from typing import Any

import pytest

from reconciler.manifests import json_schema
from tests.journey.conftest import make_desk as make_desk_at_rest
from tests.journey.desk import ACCOUNTS, Desk, row_id
from tests.waves.conftest import MakeDesk, make_desk
from tests.waves.test_apply_in_waves import charged, manifest

__all__ = ["make_desk", "make_desk_at_rest"]
GATE = "mode: new, rollout: {first: 2, max_failed: 20%, expect: {max_match: {'(?i)^n/a$': 20%}}}"
SECRET = "Very secret"


def select(key: str, *labels: str) -> dict[str, Any]:
    """Return a column whose answers are one of these labels."""
    value = {"agent_type": "llm", "prompt": "Choose.", "output_format": "select", "labels": list(labels)}
    return {"key": key, "value": value}


def table(column: dict[str, Any], *cells: Any) -> dict[str, Any]:
    """Return a table with one output column that holds `cells`; None for an empty one."""
    return {
        "id": ACCOUNTS,
        "name": "Accounts",
        "columns": [{"kind": "input", "key": "site"}, column],
        "rows": [
            {"id": row_id(number), "data": {"site": "x.example"}, "cells": {} if cell is None else {"news": cell}}
            for number, cell in enumerate(cells, 1)
        ],
    }


def done(answer: Any, *sources: str) -> dict[str, Any]:
    """Return a cell that is done."""
    return {"status": "done", "value": {"answer": answer, "explanation": SECRET, "sources": list(sources)}}


def test_bad_answers_of_a_first_portion_hold_the_rest_back(make_desk: MakeDesk) -> None:
    """With the figures and the rows, and exit code 6; a rollout that allows more lets the rest follow."""
    desk = make_desk(table(select("news", "N/A"), *[None] * 6))
    desk.write(manifest("accounts", ACCOUNTS, GATE))
    said = desk.run("apply", "--yes", "--wait")
    assert said.code == 6
    words = "2 of 2 answers of the first portion match `(?i)^n/a$`, and at most 20 % may"
    assert f"accounts/new: {words} (rows {row_id(1)}, {row_id(2)}). 4 cells held back." in said.out
    again = desk.run("apply", "--yes", "--wait", "--format", "json")
    assert (again.code, json_schema.problems("report", again.json)) == (6, [])
    (held,) = again.json["held_back"]
    assert (held["cells"], held["failed"], [each["found"] for each in held["expect"]]) == (4, 0, [2])
    assert charged(desk) == {"news": 2}
    desk.write(manifest("accounts", ACCOUNTS, GATE.replace("20%}}", "100%}}")))
    assert desk.run("apply", "--yes", "--wait").code == 0
    assert charged(desk) == {"news": 6}


def test_good_answers_of_a_first_portion_let_the_rest_follow(make_desk_at_rest: MakeDesk) -> None:
    """The share of the first portion counts, not that of the rest; a snapshot says the same as the live table."""
    desk = make_desk_at_rest(table(select("news", "yes"), *[None] * 6))
    desk.write(manifest("accounts", ACCOUNTS, GATE))
    for cells in (2, 4):
        assert desk.run("apply", "--yes", "--no-wait").code == 0
        desk.simulator.finish()
        assert sum(charged(desk).values()) == cells or cells == 4
    plan = desk.run("plan", "--format", "json").json
    assert json_schema.problems("plan", plan) == []
    assert plan["tables"][0]["runs"][0]["rollout"]["expect"][0]["answers"] == 2
    assert charged(desk) == {"news": 6}


@pytest.fixture
def judged(make_desk_at_rest: MakeDesk) -> Desk:
    """Return a desk over a table with one cell to buy, and answers that were there before."""
    cells = [None, done("N/A", "a", "b"), done(f"{SECRET}.", "a"), done("", "a", "b"), {"status": "failed"}]
    return make_desk_at_rest(table(select("news", "yes"), *cells))


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ("max_empty: 25%", ""),
        ("max_empty: 24.99%", f"1 of 4 answers are empty, and at most 24.99 % may be (row {row_id(4)})"),
        ("max_match: {N/A: 25%, secret: 25%}", ""),
        ("max_match: {'N|secret': 25%}", "2 of 4 answers match `N|secret`, and at most 25 % may"),
        ("min_sources: 1", ""),
        ("min_sources: 2", "2 of 4 answers have fewer than 2 sources, and none may"),
    ],
)
def test_a_whole_run_is_judged_once_it_was_waited_for(judged: Desk, expect: str, words: str) -> None:
    """In the receipt with exit code 6, and in drift from then on; a share that is just reached passes."""
    judged.write(manifest("accounts", ACCOUNTS, f"mode: new, expect: {{{expect}}}"))
    assert judged.run("apply", "--yes", "--no-wait").code == 0
    judged.simulator.finish()
    waited, said = judged.run("wait"), judged.run("drift")
    assert (waited.code, said.code) == (6 if words else 0, 0)
    assert (f"Not as expected: accounts/new: {words}" in waited.out) is bool(words)
    assert said.out.startswith(f"accounts/new: {words}" if words else "")
    assert bool(said.out) is bool(words)
    document = judged.run("drift", "--format", "json").json
    assert [each["reason"] for each in document["causes"]] == ["answers_unexpected"] * bool(words)
    assert json_schema.problems("drift", document) == []
    assert SECRET not in f"{waited.out}{said.out}{said.err}{document}"


def test_an_apply_that_waits_judges_too(make_desk: MakeDesk) -> None:
    """The text names the run, the figures and rows; Markdown and the page do, too; the report follows its schema."""
    desk = make_desk(table(select("news", "<b>n/a"), *[None] * 2))
    desk.write(manifest("accounts", ACCOUNTS, "mode: new, expect: {max_match: {'<b>n/a': 10%}}"))
    said = desk.run("apply", "--yes", "--wait", "--format", "markdown", "--out", "report.json")
    assert said.code == 6
    assert "**Not as expected:** `accounts/new`. `" in said.out
    shown = desk.run("show", "report.json").out
    assert (
        f"Not as expected: accounts/new: 2 of 2 answers match `<b>n/a`, and at most 10 % may (rows {row_id(1)}, "
        in shown
    )
    assert "match `&lt;b&gt;n/a`" in desk.run("show", "report.json", "--format", "html").out
