"""Budgets at work: what is left is shown, what would pass is refused at plan, and not sent under way."""

import pytest

from tests.freshness.aged_ledger import DAY, later
from tests.journey.conftest import MakeDesk
from tests.journey.desk import ACCOUNTS, FILL, REFRESH, Desk, accounts
from tests.limits.repository import Repository

HEAD = "apiVersion: reconciler/v1\nkind: Project\nspec:\n"


def limits(desk: Desk, text: str) -> None:
    """Let the project have these limits."""
    desk.write(f"{HEAD}  limits: {text}\n", name="reconciler.yaml")


EACH = {
    "per_day.max_credits": "{per_day: {max_credits: 7}}",
    "per_month.max_cells": "{per_month: {max_cells: 7}}",
    "per_table.per_day.max_cells": "{per_table: {per_day: {max_cells: 7}}}",
    "per_table.per_month.max_credits": f"{{tables: {{{ACCOUNTS}: {{per_month: {{max_credits: 7}}}}}}}}",
    "per_label.per_day.max_credits": "{per_label: {team=gtm: {per_day: {max_credits: 7}}}}",
}


@pytest.mark.parametrize("rule", EACH)
def test_each_budget_refuses_what_would_pass_it(desk: Desk, rule: str) -> None:
    """At plan and at apply, with the same words, the call that would, and nothing sent; what it equals passes."""
    limits(desk, EACH[rule])
    plan = desk.run("plan", "--format", "json")
    assert plan.code == 3, plan.err
    (violation,) = plan.json["violations"]
    assert (violation["rule"], violation["number"], violation["limit"]) == (rule, 8, 7)
    assert "of `target-accounts/" in violation["message"]
    assert violation["message"] in desk.run("plan").out
    applied = desk.run("apply", "--yes", "--no-wait")
    assert (applied.code, violation["message"] in applied.err) == (3, True)
    assert desk.posts() == []
    limits(desk, EACH[rule].replace("7", "8"))
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert sum(desk.charged().values()) == 8


def test_the_plan_says_what_is_left(desk: Desk) -> None:
    """In text, Markdown, JSON and on the page, and from 80 % on that so much is used; a saved plan shows the same."""
    limits(
        desk,
        "{per_day: {max_credits: 10}, per_month: {max_cells: 100}, timezone: Europe/Berlin, "
        "per_table: {per_day: {max_cells: 50}}, per_label: {team=gtm: {per_month: {max_credits: 8.5}}}}",
    )
    plan = desk.run("plan", "--format", "json", "--out", "plan.json")
    assert plan.code == 0, plan.err
    day, month, label, table = plan.json["budgets"]
    assert (day["limit"], day["spent"], day["due"], day["left"], day["share"]) == (10, 0, 8, 2, 0.8)
    assert (month["unit"], month["left"], month["timezone"]) == ("cells", 92, "Europe/Berlin")
    assert (label["scope"], label["name"], label["left"]) == ("label", "team=gtm", 0.5)
    assert (table["scope"], table["name"], table["left"]) == ("table", ACCOUNTS, 42)
    said = [
        "today: 8 of 10 credits, 2 left after this plan (80 % used), until ",
        "this month: 8 of 100 cells, 92 left after this plan, until ",
        "8 of 8.5 credits, 0.5 left after this plan (94.12 % used), until ",
        "1 more budget of a table: the plan file lists it",
    ]
    for arguments in (["plan"], ["plan", "--format", "markdown"], ["plan", "--format", "html"], ["show", "plan.json"]):
        shown = desk.run(*arguments).out
        assert [words for words in said if words not in shown] == [], shown
    assert "this month for team=gtm: 8 of 8.5" in desk.run("plan").out
    applied = desk.run("apply", "--plan", "plan.json", "--no-wait", "--format", "json", "--out", "report.json")
    assert applied.json["budgets"] == plan.json["budgets"]
    assert desk.run("show", "report.json").code == 0


def test_what_was_spent_is_counted_from_the_ledger(desk: Desk) -> None:
    """By the next apply, of whatever manifest's name; a plan with nothing due asks nothing."""
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    limits(desk, "{per_day: {max_cells: 11}, per_label: {team=gtm: {per_day: {max_credits: 9}}}}")
    assert "budgets" not in desk.run("plan", "--format", "json").json
    desk.write(FILL.replace("target-accounts", "renamed").replace("mode: new", "mode: all\n      revision: r1"))
    plan = desk.run("plan", "--format", "json")
    assert plan.code == 3
    assert [(each["rule"], each["number"]) for each in plan.json["violations"]] == [
        ("per_day.max_cells", 20),
        ("per_label.per_day.max_credits", 20),
    ]
    assert [each["spent"] for each in plan.json["budgets"]] == [8, 8]


def test_what_a_budget_held_back_is_bought_once_the_window_turns(desk: Desk) -> None:
    """A refresh too dear for the rest of the month: refused, and later bought whole."""
    limits(desk, "{per_day: {max_credits: 10}, per_month: {max_cells: 13}, timezone: Europe/Berlin}")
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    assert desk.run("wait").code == 0
    desk.write(REFRESH)
    refused = desk.run("apply", "--yes", "--no-wait")
    assert (refused.code, "the next month begins " in refused.err) == (3, True)
    later(desk, 40 * DAY)
    assert "today: 6 of 10 credits, 4 left after this plan" in desk.run("plan").out
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert sum(desk.charged().values()) == 14


def test_a_plan_from_a_snapshot_shows_what_is_left(desk: Desk) -> None:
    """As the plan over the live tables does: the project's, a label's and a table's, by each zone's clock."""
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    desk.write(FILL.replace("mode: new", "mode: all\n      revision: r1"))
    limits(
        desk,
        "{per_day: {max_cells: 11}, per_month: {max_credits: 40}, timezone: Asia/Kathmandu, "
        "per_table: {per_month: {max_cells: 50}}, per_label: {team=gtm: {per_day: {max_credits: 9}}}}",
    )
    assert desk.run("snapshot", "--unsigned", "--out", "live").code == 0
    live, kept = (desk.run("plan", "--format", "json", *more) for more in ((), ("--live-snapshot", "live")))
    assert [each["spent"] for each in kept.json["budgets"]] == [8, 8, 8, 8]
    assert kept.json["budgets"] == live.json["budgets"]
    assert kept.json["violations"] == live.json["violations"] != []
    assert kept.code == live.code == 3


def test_a_change_can_neither_raise_a_budget_nor_lower_what_counts(desk: Desk, repository: Repository) -> None:
    """Under the base's prices and labels a call counts what it would there, now and for the next plan."""
    limits(desk, "{per_label: {team=gtm: {per_day: {max_credits: 15}}}}")
    repository.commit()
    desk.write(f"{HEAD}  prices: {{columns: {{news: 0, notes: 0}}}}\n", name="reconciler.yaml")
    desk.write(FILL.replace("team: gtm", "team: ops"))
    applied = desk.run("apply", "--yes", "--no-wait", "--limits-from", "main")
    assert applied.code == 0, applied.err
    desk.simulator.finish()
    desk.write(FILL.replace("team: gtm", "team: ops").replace("mode: new", "mode: all\n      revision: r1"))
    plan = desk.run("plan", "--limits-from", "main", "--format", "json")
    assert plan.code == 3
    (violation,) = plan.json["violations"]
    assert (violation["rule"], violation["number"], violation["limit"]) == ("per_label.per_day.max_credits", 20, 15)
    assert "main:reconciler.yaml" in violation["set_at"]
    before = len(desk.posts())
    assert desk.run("apply", "--yes", "--no-wait", "--limits-from", "main").code == 3
    assert len(desk.posts()) == before


def test_a_change_cannot_turn_the_clock_of_a_variables_budget(desk: Desk, repository: Repository) -> None:
    """Somewhere another day has begun: by the base's clock, too, what was bought since midnight counts."""
    desk.write(f"{HEAD}  api: {{}}\n", name="reconciler.yaml")
    repository.commit()
    desk.extra["RECONCILER_LIMITS"] = "{per_day: {max_credits: 100}}"
    zones = ("Pacific/Kiritimati", "Pacific/Pago_Pago")  # 25 hours apart: one of them has another date than UTC
    for zone in zones:
        limits(desk, f"{{timezone: {zone}}}")
        plan = desk.run("plan", "--format", "json", "--limits-from", "main")
        assert {each["timezone"] for each in plan.json["budgets"]} == {"UTC", zone}
    desk.extra["RECONCILER_LIMITS"] = "{per_day: {max_credits: 100}, timezone: Europe/Berlin}"
    plan = desk.run("plan", "--format", "json", "--limits-from", "main")
    assert {each["timezone"] for each in plan.json["budgets"]} == {"Europe/Berlin"}


def test_a_price_that_is_not_known_is_refused(make_desk: MakeDesk) -> None:
    """By a budget in credits; a budget in cells can be kept without prices."""
    table = accounts()
    table["columns"][1] = {"kind": "email_finder", "key": "news"}
    desk = make_desk(table)
    desk.write(FILL)
    limits(desk, "{per_day: {max_credits: 100, max_cells: 100}}")
    plan = desk.run("plan", "--format", "json")
    assert plan.code == 3, plan.out
    (violation,) = plan.json["violations"]
    assert "have no known price, so the budget of 100 credits a day cannot be checked" in violation["message"]
    assert [(each["unit"], each["left"] is None) for each in plan.json["budgets"]] == [
        ("credits", True),
        ("cells", False),
    ]
    assert "of unknown price, until" in desk.run("plan").out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{timezone: Europe/Berln}", "there is no time zone `Europe/Berln`; did you mean `Europe/Berlin`"),
        ("{per_day: {}}", "spec.limits.per_day"),
        ("{per_day: 5}", "spec.limits.per_day"),
        ("{per_month: {max_cells: 1.5}}", "max_cells"),
        ("{per_day: {max_credits: 0.1234567}}", "at most 6 decimal places"),
        ("{anomaly: {factor: 0.5}}", "factor"),
    ],
)
def test_what_is_wrong_with_a_budget_is_said_at_its_line(desk: Desk, text: str, said: str) -> None:
    """By `validate`, without a token."""
    limits(desk, text)
    answer = desk.run("validate")
    assert answer.code == 1
    assert "reconciler.yaml:4:" in answer.out + answer.err
    assert said in answer.out + answer.err


def test_a_flag_replaces_a_budget_and_keeps_the_zone(desk: Desk) -> None:
    """Key by key, as with every limit; what was set there is named."""
    limits(desk, "{per_day: {max_credits: 100, max_cells: 100}, timezone: Europe/Berlin}")
    plan = desk.run("plan", "--format", "json", "--limits", "{per_day: {max_credits: 7}}")
    assert plan.code == 3
    assert [(each["rule"], each["limit"], each["timezone"]) for each in plan.json["budgets"]] == [
        ("per_day.max_credits", 7, "Europe/Berlin"),
        ("per_day.max_cells", 100, "Europe/Berlin"),
    ]
    assert plan.json["violations"][0]["contact"] == "whoever runs this command"


def test_an_apply_out_of_the_ordinary_is_refused(desk: Desk) -> None:
    """More than the factor times the median of the last applies; a manifest's first apply passes."""
    limits(desk, "{anomaly: {factor: 1.25}}")
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    desk.write(FILL.replace("mode: new", "mode: all\n      revision: r1"))
    plan = desk.run("plan", "--format", "json")
    assert plan.code == 3
    (violation,) = plan.json["violations"]
    assert violation["message"] == (
        "`target-accounts`: 12 credits are due, and the median of its last 1 apply is 8; the limit is 1.25 times "
        "as much"
    )
    assert (violation["rule"], violation["number"], violation["limit"]) == ("anomaly", 12, 10)
    assert desk.run("apply", "--yes", "--no-wait").code == 3
    limits(desk, "{anomaly: {factor: 1.5, last: 1}}")
    assert desk.run("apply", "--yes", "--no-wait").code == 0
