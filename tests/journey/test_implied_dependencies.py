"""Nothing is bought that cannot start, that is under way already, or that was not meant."""

from typing import Any

import pytest

from reconciler.manifests import json_schema
from tests.client.live_tables import Api, LiveTable, column
from tests.client.wire_server import Exchange, WireServer
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, Desk, agent, row_id

KEYS = {
    "company": ("company_profile", "company_name", "company_website"),
    "people": ("full_name", "profile_url", "role"),
}


def manifest(runs: str) -> str:
    """Return a manifest of the table."""
    return f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata: {{name: target-accounts}}
spec:
  table: {ACCOUNTS}
  runs: [{runs}]
"""


def table(kind: str, columns: list[dict[str, Any]], **cells: Any) -> dict[str, Any]:
    """Return a table of two rows; `cells` are those of the first one."""
    rows = [{"id": row_id(1), "cells": cells}, {"id": row_id(2), "cells": {}}]
    return {"id": ACCOUNTS, "name": "Target Accounts", "kind": kind, "columns": columns, "rows": rows}


WEBSITE = agent("company_website")
EMAIL = {"kind": "email_finder", "key": "email"}
FIT = agent("fit")
CASES = [
    *(("company", [agent("funding")], key, 1) for key in KEYS["company"][1:]),
    *(("people", [agent("funding")], key, 1) for key in KEYS["people"]),
    *(("people", [{"kind": kind, "key": "funding"}], key, 1) for kind in ("email_finder", "phone_finder")
      for key in KEYS["people"][:2]),
    ("people", [WEBSITE, {"kind": "phone_finder", "key": "funding"}], "company_website", 1),
    ("company", [{"kind": "company_people_finder", "key": "funding", "value": {"roles": ["VP"]}}], "company_name", 1),
    ("company", [{"kind": "criterion_grade", "key": "funding", "value": {"criterion": "Big?"}}], "company_name", 1),
    ("people", [EMAIL, {"kind": "reverse_email_lookup", "key": "funding", "email_column_key": "email"}], "email", 0),
    ("generic", [FIT, {"kind": "criteria_grade_score", "key": "funding", "column_weights": {"fit": 2}}], "fit", 0),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "columns", "upstream", "is_implied"), CASES)
def test_a_cell_that_cannot_start_is_blocked_and_not_bought(
    make_desk: MakeDesk, kind: str, columns: list[dict[str, Any]], upstream: str, is_implied: int
) -> None:
    """However often it is applied; plan, Markdown and JSON name what it waits for. The row beside it is bought once."""
    cells = {each["key"]: "done" for each in columns if each["key"] != "funding"}
    spec = table(kind, columns, **{**cells, upstream: "failed"})
    spec["rows"][1]["cells"] = cells
    desk = make_desk(spec)
    desk.write(manifest("{mode: new, columns: [funding]}"))
    for _ in range(3):
        assert desk.run("apply", "--yes", "--no-wait").code == 0
        desk.simulator.finish()
    assert desk.charged() == {("funding", row_id(2)): 1}
    said = desk.run("plan").out
    assert f"{'implied by the kind of table or column: ' if is_implied else 'plan: '}`{upstream}`" in said
    assert f"`{upstream}`" in desk.run("plan", "--format", "markdown").out
    plan = desk.run("plan", "--format", "json").json
    assert json_schema.problems("plan", plan) == []
    assert {skip["reason"]: skip.get("waits_for") for skip in plan["skipped"]} == {
        "blocked": [{"column": upstream, "implied": bool(is_implied)}],
        "done": None,
    }


def test_a_cell_is_bought_once_what_it_needs_is_done(make_desk: MakeDesk) -> None:
    """A plan that takes the built-in cell too, because it is named, blocks nothing: one wave after the other."""
    desk = make_desk(table("company", [agent("funding")], company_name="failed"))
    desk.write(manifest("{mode: failed, columns: [company_name]}, {mode: new, columns: [funding]}"))
    plan = desk.run("plan", "--format", "json").json
    assert sorted((call["column_keys"][0], call["wave"], call["cells"]) for call in plan["calls"]) == [
        ("company_name", 1, 1),
        ("funding", 2, 2),
    ]


@pytest.mark.parametrize("has_value", [False, True])
@pytest.mark.parametrize(
    ("status", "reason"),
    [("requested", "in_progress"), ("in_progress", "in_progress"), ("paused", "unknown_status")],
)
def test_what_was_accepted_or_is_not_understood_is_not_bought(
    make_desk: MakeDesk, status: str, reason: str, has_value: bool
) -> None:
    """Though the table says that it is idle: neither the cell nor what waits for it is sent, in any mode."""
    cell = {"status": status, "value": {"answer": "old"} if has_value else None}
    live = LiveTable([column(1, "site", "input"), column(2, "news"), column(3, "notes", prompt="Sum up {news}.")])
    live.add_rows([{"site": "x.example", "news": cell, "notes": None}])
    posts: list[bytes] = []

    def count(exchange: Exchange) -> bool:
        if exchange.request.method == "POST":
            posts.append(exchange.request.body)
        return False

    desk = make_desk()
    for mode in ("new", "failed", "all, revision: r1"):
        desk.write(manifest(f"{{mode: {mode}, columns: [news, notes]}}"))
        with WireServer(Api(live, before=count)) as server:
            desk.extra = {"EXTRUCT_API_URL": server.url}
            plan = desk.run("plan", "--format", "json").json
            assert desk.run("apply", "--yes", "--no-wait").code == 0
        reasons = {skip["reason"] for skip in plan["skipped"]}
        expected = {"new": {reason, "blocked"}, "failed": {reason, "satisfied"}}.get(mode, {reason, "blocked"})
        assert (plan["calls"], reasons, posts) == ([], expected, [])


SILENT = [
    agent("news"),
    {"kind": "discovery_scores", "key": "scores"},
    {"kind": "criterion_grade", "key": "grade", "value": {"criterion": "Is it big?"}},
]


def silent(make_desk: MakeDesk, runs: str) -> Desk:
    """Return a desk over a company table in which a built-in cell and all others are empty."""
    desk = make_desk(table("company", SILENT, company_profile="empty"))
    desk.write(manifest(runs))
    return desk


def test_silence_means_neither_built_in_columns_nor_unknown_kinds(make_desk: MakeDesk) -> None:
    """A run without `columns` buys the others; naming what silence leaves out buys it too."""
    desk = silent(make_desk, "{mode: new}")
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert desk.charged() == {("news", row_id(2)): 1, ("grade", row_id(2)): 1}
    for named in ("company_profile", "scores"):
        desk.simulator.finish()
        desk.write(manifest(f"{{mode: new, columns: [{named}]}}"))
        assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert {key for key, _ in desk.charged()} == {"news", "grade", "company_profile", "scores"}
    assert set(desk.charged().values()) == {1}


@pytest.mark.parametrize("mode", ["all, revision: r1", "failed"])
def test_silence_means_the_same_in_every_mode(make_desk: MakeDesk, mode: str) -> None:
    """`all` would buy every profile again."""
    desk = silent(make_desk, f"{{mode: {mode}}}")
    plan = desk.run("plan", "--format", "json").json
    assert {key for call in plan["calls"] for key in call["column_keys"]} <= {"news", "grade"}
    assert plan["tables"][0]["runs"][0]["columns"] == 2


def test_an_imported_manifest_lists_what_silence_means(make_desk: MakeDesk) -> None:
    """And names an unknown kind in a comment; it is sound as it stands."""
    desk = make_desk(table("company", SILENT))
    assert "written, 2 columns" in desk.run("import", ACCOUNTS, "--fill").out
    text = (desk.folder / "manifests/target-accounts.yaml").read_text()
    assert "company_profile" not in text.replace("# Left out", "#").split("runs:")[1]
    assert "        # - scores  # of unknown kind: discovery_scores" in text
    plan = desk.run("plan", "--format", "json").json
    assert sorted(key for call in plan["calls"] for key in call["column_keys"]) == ["grade", "news"]


def test_the_project_that_init_writes_buys_nothing_that_is_built_in(make_desk: MakeDesk) -> None:
    """Its sample manifest names no columns."""
    desk = make_desk({**table("company", [agent("news")], company_name="empty")})
    desk.run("init")
    plan = desk.run("plan", "--format", "json").json
    assert [(call["column_keys"], call["cells"]) for call in plan["calls"]] == [(["news"], 1)]


PRICED = """\
apiVersion: reconciler/v1
kind: Project
spec:
  prices: {kinds: {%s}}
  limits: {max_credits: 10}
"""


def test_a_refusal_for_an_unknown_price_says_what_to_add_where(make_desk: MakeDesk) -> None:
    """Column, kind and the line of the project file; once it stands there, the apply goes through."""
    desk = silent(make_desk, "{mode: new, columns: [scores, grade]}")
    desk.write(PRICED % "agent: 1", "reconciler.yaml")
    said = desk.run("apply", "--yes", "--no-wait")
    assert (said.code, desk.posts()) == (3, [])
    message = " ".join(said.err.split())
    assert "`grade` of kind `criterion_grade`, `scores` of kind `discovery_scores`" in message
    assert "under `spec.prices.kinds` of reconciler.yaml" in message
    assert "`criterion_grade: …`, `discovery_scores: …`" in message
    desk.write(PRICED % "criterion_grade: 1, discovery_scores: 2", "reconciler.yaml")
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert {key for key, _ in desk.charged()} == {"scores", "grade"}
