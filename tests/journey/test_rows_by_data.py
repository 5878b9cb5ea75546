"""Rows by what they hold, from the manifest to the charges; and no value is told anywhere."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, Desk, agent, row_id
from tests.limits.repository import Repository

KEY = "0123456789abcdef" * 2
HEAD = f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: target-accounts
spec:
  table: {ACCOUNTS}
  runs:
"""
GERMAN = "where: {column: country, equals: DE}"
FUNDED = "where: {column: news, matches: '^Series [B-D]'}"
COUNTRIES = ("DE", "FR", "DE", None, "DE", "AT")
NEWS = ("Series B", "Series C", None, "Seed", None, "Series D")


def accounts() -> dict[str, Any]:
    """Return six accounts with a country each but one; `news` is done for four of them, `notes` for none."""
    rows = []
    for number, (country, news) in enumerate(zip(COUNTRIES, NEWS, strict=True), 1):
        cell = "failed" if news is None else {"status": "done", "value": {"answer": news}}
        rows.append({"id": row_id(number), "data": {"country": country}, "cells": {"news": cell}})
    columns = [{"kind": "input", "key": "country"}, agent("news"), agent("notes")]
    return {"id": ACCOUNTS, "name": "Target Accounts", "columns": columns, "rows": rows}


def runs(*lines: str) -> str:
    """Return a manifest of runs, a line each."""
    return HEAD + "".join(f"    - {line}\n" for line in lines)


FILL_GERMAN = f"{{name: fill, mode: new, columns: [notes], rows: {{{GERMAN}}}}}"
FILL_FUNDED = f"{{name: fill, mode: new, columns: [notes], rows: {{{FUNDED}}}}}"


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """Return a desk over the accounts, with a key to sign snapshots with; pages hold two rows."""
    desk = make_desk(accounts())
    desk.extra["RECONCILER_SNAPSHOT_KEY"] = KEY
    desk.write(
        "apiVersion: reconciler/v1\nkind: Project\nspec: {api: {page_rows: 2}}\n",
        name="reconciler.yaml",
    )
    return desk


def charged(desk: Desk, key: str) -> dict[int, int]:
    """Return how often each row's cell of a column was paid for, by the row's number."""
    return {int(row[-12:]): count for (column, row), count in desk.charged().items() if column == key}


def test_only_the_rows_that_meet_the_condition_are_bought_and_once(desk: Desk) -> None:
    """By an input, by an answer with a limit, at a revision; a second apply sends nothing."""
    refresh = f"{{name: refresh, mode: all, columns: [news], revision: r1, rows: {{{FUNDED}, limit: 2}}}}"
    desk.write(runs(FILL_GERMAN, refresh))
    plan = desk.run("plan", "--format", "json").json
    assert {call["address"]: [row[-1] for row in call["rows"]] for call in plan["calls"]} == {
        "target-accounts/fill": ["1", "3", "5"],
        "target-accounts/refresh": ["1", "2"],
    }
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert (charged(desk, "notes"), charged(desk, "news")) == ({1: 1, 3: 1, 5: 1}, {1: 1, 2: 1})
    posts = len(desk.posts())
    said = desk.run("apply", "--yes", "--no-wait")
    assert (said.code, "approved and not sent: its table is running" in said.out) == (6, True)
    desk.simulator.finish()
    again = desk.run("apply", "--yes", "--no-wait", "--format", "json").json
    assert len(desk.posts()) == posts + len(again["calls"])
    # News of rows 1 and 2 are others now, so that the first two rows with a round are others too: those are new.
    assert all(call["address"] == "target-accounts/refresh" for call in again["calls"])
    assert set(desk.charged().values()) == {1}


def test_a_saved_plan_only_shrinks_as_values_change(desk: Desk) -> None:
    """Rows that no longer meet the condition are left out, and those that meet it only now were not approved."""
    desk.write(runs(FILL_FUNDED))
    planned = desk.run("plan", "--format", "json", "--out", "plan.json").json
    assert [row[-1] for row in planned["calls"][0]["rows"]] == ["1", "2", "6"]
    news = desk.simulator.state.find(ACCOUNTS).column("news")
    news.values[1], news.values[3] = {"answer": "Acquired"}, {"answer": "Series B"}
    assert [row[-1] for row in desk.run("plan", "--format", "json").json["calls"][0]["rows"]] == ["1", "4", "6"]
    assert desk.run("apply", "--plan", "plan.json", "--yes", "--no-wait").code == 0
    assert charged(desk, "notes") == {1: 1, 6: 1}
    desk.simulator.finish()
    assert desk.run("apply", "--plan", "plan.json", "--yes", "--no-wait").code == 0
    assert charged(desk, "notes") == {1: 1, 6: 1}


def test_a_condition_that_changed_makes_a_saved_plan_stale(desk: Desk) -> None:
    """As every change of the manifests does."""
    desk.write(runs(FILL_GERMAN))
    desk.run("plan", "--out", "plan.json")
    desk.write(runs(FILL_GERMAN.replace("DE", "FR")))
    assert desk.run("apply", "--plan", "plan.json", "--yes", "--no-wait").code == 4
    assert desk.posts() == []


def test_full_counters_do_not_stand_in_for_rows_by_data(desk: Desk) -> None:
    """A table whose header shows that nothing is due is read all the same: which rows are meant is in its rows."""
    assert desk.run(
        "--ledger", "other.db", "apply", str(desk.write(runs("{mode: new}", "{mode: failed}"))), "--yes", "--no-wait"
    )
    desk.simulator.finish()
    desk.write(runs(FILL_GERMAN))
    plan = desk.run("plan", "--format", "json").json
    assert plan["calls"] == []
    assert plan["skipped"] == [{"address": "target-accounts/fill", "reason": "done", "cells": 3}]


def test_a_column_that_is_not_there_is_an_error_at_its_line(desk: Desk) -> None:
    """Nothing is planned for the table, and nothing can be applied."""
    desk.write(runs(FILL_GERMAN.replace("country", "contry")))
    said = desk.run("plan")
    assert said.code == desk.run("apply", "--yes", "--no-wait").code == 1
    assert "manifests/accounts.yaml:8:72: E401 the table has no column `contry`; did you mean `country`?" in said.out
    assert desk.posts() == []


def test_a_snapshot_knows_the_rows_of_its_conditions_and_of_no_other(desk: Desk) -> None:
    """A fork's plan is the live one; a condition that the fork changed is an error at its line."""
    desk.write(runs(FILL_GERMAN))
    live = desk.run("plan", "--format", "json").json
    assert desk.run("snapshot", "--out", "s").code == 0
    kept = desk.run("plan", "--live-snapshot", "s", "--format", "json").json
    assert kept["calls"] == live["calls"]
    desk.write(runs(FILL_GERMAN.replace("DE", "FR")))
    said = desk.run("plan", "--live-snapshot", "s")
    assert said.code == 1
    assert "manifests/accounts.yaml:8:55: E405 the snapshot does not say which rows meet this condition" in said.out
    desk.write(runs("{mode: new, columns: [notes], rows: {limit: 2}}"))
    limited = desk.run("plan", "--live-snapshot", "s", "--format", "json").json
    assert [row[-1] for row in limited["calls"][0]["rows"]] == ["1", "2"]


def test_one_look_asks_the_conditions_of_both_sides_of_a_change(desk: Desk) -> None:
    """Rows of both conditions were due anyway, those of the new one are caused, those of the old one no longer due."""
    repository = Repository.at(desk.folder)
    desk.write(runs(FILL_GERMAN))
    repository.commit()
    desk.write(runs(FILL_FUNDED))
    plan = desk.run("plan", "--against", "main", "--format", "json").json
    assert [(call["cause"], [row[-1] for row in call["rows"]]) for call in plan["calls"]] == [
        ("due", ["1"]),
        ("change", ["2", "6"]),
    ]
    assert plan["against"]["no_longer_due"]["cells"] == 2
    assert desk.run("snapshot", "--out", "s").code == 0
    told = desk.run("plan", "--against", "main", "--live-snapshot", "s", "--format", "json").json
    assert told["errored"] is False
    assert {call["cause"] for call in told["calls"]} == {"change"}


def test_no_value_is_told_to_anyone(desk: Desk) -> None:
    """Not by plan, ledger, snapshot, profile, report or log, however much is said."""
    table = desk.simulator.state.find(ACCOUNTS)
    table.column("country").values[0] = "SECRET-COUNTRY"
    table.column("news").values[0] = {"answer": "SECRET-ANSWER", "explanation": "SECRET-WHY", "sources": []}
    conditions = "[{column: country, matches: '^SECR[E]T'}, {column: news, exists: true}, {column: news, gt: 5}]"
    desk.write(runs(f"{{name: fill, mode: new, columns: [notes], rows: {{where: {{any: {conditions}}}}}}}"))
    said = [
        desk.run("-v", "--log-format", "json", "plan", "--out", "plan.json", "--profile", "profile.json"),
        desk.run("-v", "plan", "--format", "markdown"),
        desk.run("-v", "snapshot", "--out", "s"),
        desk.run(
            "-v", "apply", "--plan", "plan.json", "--yes", "--no-wait", "--format", "json", "--profile", "applied.json"
        ),
        desk.run("-v", "status", "--format", "json"),
        desk.run("-v", "ledger", "list", "--format", "json"),
        desk.run("-v", "ledger", "export"),
    ]
    assert charged(desk, "notes") == {1: 1, 2: 1, 4: 1, 6: 1}
    assert [each.code for each in said] == [0] * 7
    told = "".join(each.out + each.err for each in said).encode()
    files = [path for path in desk.folder.rglob("*") if path.is_file() and path.suffix != ".yaml"]
    assert {"plan.json", "profile.json", "applied.json", "s", "ledger.db"} <= {path.name for path in files}
    for content in (told, *map(unpacked, files)):
        assert b"SECRET" not in content


def unpacked(path: Path) -> bytes:
    """Return a file's bytes, those of a snapshot decompressed."""
    data = path.read_bytes()
    if path.name != "s":
        return data
    head, _, packed = data.partition(b"\n")
    assert json.loads(head)["format"] == "reconciler live snapshot"
    return head + zlib.decompress(packed)
