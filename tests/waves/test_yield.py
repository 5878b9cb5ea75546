"""Answers that running cells again changed: counted by the answer alone, with its price, against a reading of both."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from reconciler.manifests import json_schema
from reconciler.model.attempt import Yield
from reconciler.render.plan_parts import yield_words
from tests.freshness.aged_ledger import DAY, later
from tests.journey.conftest import make_desk as make_desk_at_rest
from tests.journey.desk import ACCOUNTS, Desk
from tests.waves.conftest import MakeDesk, make_desk
from tests.waves.test_apply_in_waves import manifest
from tests.waves.test_gates import select, table

__all__ = ["make_desk", "make_desk_at_rest"]
CELLS = [*["done"] * 14, "failed", None]


def answers(desk: Desk) -> dict[str, Any]:
    """Return the answers that are there, by row, as the API shows them."""
    headers = {"Authorization": f"Bearer {desk.simulator.token}"}
    with httpx.Client(base_url=desk.simulator.url, headers=headers, trust_env=False) as page:
        rows = json.loads(page.get(f"/v1/tables/{ACCOUNTS}/data").text, strict=False)["rows"]
    cells = {row["id"]: row["data"].get("news") or {} for row in rows}
    return {row: cell["value"]["answer"] for row, cell in cells.items() if cell.get("status") == "done"}


def compared(before: dict[str, Any], after: dict[str, Any]) -> tuple[int, int]:
    """Return how many answers were given again, and how many of them are others."""
    both = before.keys() & after.keys()
    return len(both), sum(before[row] != after[row] for row in both)


def test_the_receipt_says_how_many_answers_changed(make_desk: MakeDesk) -> None:
    """By run and column, in the report by its schema, in text and on the page; first answers are no changes."""
    desk = make_desk(table({**select("news", "up", "down", "flat"), "fails": 0.2}, *CELLS))
    desk.write(manifest("accounts", ACCOUNTS, "mode: all, revision: r1"))
    before = answers(desk)
    desk.run("apply", "--yes", "--wait", "--out", "report.json")
    report = json.loads((desk.folder / "report.json").read_text(encoding="utf-8"))
    assert json_schema.problems("report", report) == []
    (found,) = report["yield"]
    given, changed = compared(before, answers(desk))
    assert 0 < changed < given < 15
    assert (found["address"], found["column"], found["credits"]) == ("accounts/all", "news", given)
    assert (found["answers"], found["changed"]) == (given, changed)
    words = f"{changed} of {given} answers changed, "
    assert f"accounts/all: news: {words}" in desk.run("show", "report.json").out
    assert f"`accounts/all`, `news`: {words}" in desk.run("show", "report.json", "--format", "markdown").out
    assert f"accounts/all, news: {words}" in desk.run("show", "report.json", "--format", "html").out


def test_a_run_that_was_not_waited_for_is_compared_by_whoever_settles_it(make_desk_at_rest: MakeDesk) -> None:
    """`wait` says it, and the next apply keeps it; other explanations are no other answers."""
    desk = make_desk_at_rest(table(select("news", "up"), *CELLS))
    for revision, settle in (("r1", "wait"), ("r2", "apply")):
        desk.write(manifest("accounts", ACCOUNTS, f"mode: all, revision: {revision}"))
        before = answers(desk)
        assert desk.run("apply", "--yes", "--no-wait").code == 0
        desk.simulator.finish()
        said = desk.run("wait") if settle == "wait" else desk.run("apply", "--yes", "--no-wait")
        given, changed = compared(before, answers(desk))
        assert (given, changed) == (14 if revision == "r1" else 16, 0)
        if settle == "wait":
            assert f"accounts/all: news: 0 of {given} answers changed, for {given} credits\n" in said.out
        call = desk.run("ledger", "list", "--format", "json", "--limit", "1").json[0]["id"]
        events = desk.run("ledger", "show", call, "--format", "json").json["events"]
        (settled,) = (event["detail"] for event in events if event["kind"] == "settled")
        assert [each[:2] for each in settled["yield"].values()] == [[given, 0]]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Yield(420, 38, Decimal(420)), "38 of 420 answers changed, 11 credits each"),
        (Yield(40, 8, Decimal(40)), "8 of 40 answers changed, 5 credits each"),
        (Yield(3, 2, Decimal("0.3")), "2 of 3 answers changed, 0.2 credits each"),
        (Yield(1, 1, Decimal(1)), "1 of 1 answer changed, 1 credit each"),
        (Yield(5000, 4, Decimal(5000)), "4 of 5,000 answers changed, 1,250 credits each"),
        (Yield(40, 0, Decimal(40)), "0 of 40 answers changed, for 40 credits"),
        (Yield(40, 8), "8 of 40 answers changed"),
    ],
)
def test_it_is_said_in_words(found: Yield, words: str) -> None:
    """With the price of each change, rounded for people."""
    assert yield_words(found) == words


def test_the_ledger_reports_it_by_column(make_desk_at_rest: MakeDesk) -> None:
    """With the price of each change, though a call's columns have different prices; and with an age by arithmetic."""
    first = table(select("news", "up", "down", "flat"), *["done"] * 8, None)
    first["columns"].append({**select("grade", "A"), "price": 3})
    for row in first["rows"]:
        row["cells"] |= {"grade": "done"} if row["cells"] else {}
    desk = make_desk_at_rest(first)
    desk.write("apiVersion: reconciler/v1\nkind: Project\nspec: {prices: {columns: {grade: 3}}}\n", "reconciler.yaml")
    given: dict[str, list[int]] = {"news": [0, 0]}
    for number in range(3):
        desk.write(manifest("accounts", ACCOUNTS, f"mode: all, revision: r{number}"))
        before = answers(desk)
        assert desk.run("apply", "--yes", "--no-wait").code == 0
        desk.simulator.finish()
        assert desk.run("wait").code == 0
        given["news"] = [sum(pair) for pair in zip(given["news"], compared(before, answers(desk)), strict=True)]
        later(desk, 30 * DAY)
        assert desk.run("ledger", "compact").code == 0
    lines = desk.run("ledger", "report", "--by", "column", "--format", "json").json["lines"]
    grade, news = sorted(lines, key=lambda line: str(line["name"]))
    assert [(line["name"], line["calls"], line["cells"]) for line in (grade, news)] == [
        ("grade", 3, 27),
        ("news", 3, 27),
    ]
    total, changed = given["news"]
    assert (news["answers"], news["changed"], news["refreshes"]) == (total, changed, 3)
    assert news["credits_per_change"] == pytest.approx(total / changed)
    assert news["seconds_between_refreshes"] == pytest.approx(30 * DAY, rel=0.001)
    assert news["suggested_every"] == f"{round(30 * total / changed / 2)}d"
    assert (grade["answers"], grade["changed"], grade["suggested_every"]) == (total, 0, None)
    assert grade["credits_per_change"] is None
    csv = desk.run("ledger", "report", "--by", "column", "--format", "csv").out.splitlines()
    assert csv[0].endswith(",answers,changed,credits_per_change,suggested_every")
    assert {line.split(",")[1]: line.split(",")[-4:-2] for line in csv[1:]} == {
        "grade": [str(total), "0"],
        "news": [str(total), str(changed)],
    }
    html = desk.run("ledger", "report", "--by", "column", "--format", "html").out
    assert "<th" in html
    assert "Credits a change" in html
    assert news["suggested_every"] in html
    said = desk.run("ledger", "report", "--by", "column").out
    assert f"news: {changed} of {total} answers changed, " in said
    every = news["suggested_every"]
    assert f"; run again 3 times, 30d apart: half of them change in {every}, `every: {every}`\n" in said
    assert "A run's `refresh: {every: …}` says at which age" in said


def test_no_age_follows_from_one_refresh_or_from_two_at_once(make_desk_at_rest: MakeDesk) -> None:
    """Neither text nor page explains a figure that is not there."""
    desk = make_desk_at_rest(table(select("news", "up", "down"), *["done"] * 8))
    for number in range(2):
        desk.write(manifest("accounts", ACCOUNTS, f"mode: all, revision: r{number}"))
        assert desk.run("apply", "--yes", "--no-wait").code == 0
        desk.simulator.finish()
        assert desk.run("wait").code == 0
        said = desk.run("ledger", "report", "--by", "column").out
        assert (" answers changed" in said, "every" in said) == (True, False)
        assert "is arithmetic" not in desk.run("ledger", "report", "--by", "column", "--format", "html").out
