"""`forecast`, what a plan says of it, and the limit on it, against the simulator."""

from datetime import datetime, timedelta

import pytest

from reconciler.manifests import json_schema
from tests.freshness.aged_ledger import DAY, later
from tests.journey.desk import ACCOUNTS, FILL, Desk
from tests.limits.repository import Repository

HEAD = "apiVersion: reconciler/v1\nkind: Project\nspec:\n"


def scheduled(refresh: str, column: str = "news") -> str:
    """Return a manifest with one run that goes by a schedule."""
    return f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata: {{name: target-accounts, labels: {{team: gtm, tier: cheap}}}}
spec:
  table: {ACCOUNTS}
  runs: [{{mode: all, columns: [{column}], refresh: {refresh}}}]
"""


@pytest.fixture
def bought(desk: Desk) -> Desk:
    """A desk whose three empty cells of `news` were bought a day ago; the ledger knows no age of the other three."""
    desk.write(scheduled("{every: 1w}"))
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    desk.simulator.finish()
    later(desk, DAY)
    return desk


def test_by_day_manifest_and_label(bought: Desk) -> None:
    """Three cells in six days, and again a week later: exact, valid by its schema, from nothing but GET."""
    found = bought.run("forecast", "--days", "14", "--format", "json")
    assert found.code == 0, found.err
    said = found.json
    assert json_schema.problems("forecast", said) == []
    start, stop = datetime.fromisoformat(said["from"]), datetime.fromisoformat(said["to"])
    assert stop - start == timedelta(days=14)
    six = {"cells": 6, "credits": 6, "unpriced_cells": 0}
    assert said["totals"] == six
    assert said["manifests"] == [{"manifest": "target-accounts", **six}]
    assert said["labels"] == [{"label": label, **six} for label in ("team=gtm", "tier=cheap")]
    assert [day["cells"] for day in said["days"] if day["cells"]] == [3, 3]
    assert said["not_counted"] == [{"reason": "age_unknown", "cells": 3}]
    assert (said["diagnostics"], said["errored"]) == ([], False)
    assert bought.run("forecast", "--days", "5", "--format", "json").json["totals"]["cells"] == 0


def test_as_text_with_bars(bought: Desk) -> None:
    """The sum, a bar for each day, and three tables."""
    said = bought.run("forecast", "--days", "14").out.splitlines()
    assert said[0].startswith("Schedules buy 6 cells for 6 credits from ")
    assert said[2].rpartition("  ")[0].strip("·") == "█······█"
    assert said[2].rpartition("  ")[2].startswith("at most 3 credits, on ")
    assert "Not counted: 3 cells of unknown age, run outside the ledger" in "\n".join(said)
    assert "target-accounts      6        6" in said
    assert "team=gtm        6        6" in said


def test_bars_of_what_costs_nothing_show_cells(bought: Desk) -> None:
    """At a price of 0 the highest day is not just the first."""
    bought.write(f"{HEAD}  prices: {{kinds: {{agent: 0}}}}\n", "reconciler.yaml")
    said = bought.run("forecast", "--days", "14").out.splitlines()
    assert said[0].startswith("Schedules buy 6 cells for 0 credits from ")
    bars, _, words = said[2].rpartition("  ")
    assert (bars.strip("·"), words.partition(",")[0]) == ("█······█", "at most 3 cells")
    assert "Cells by day, at most 3 on" in bought.run("forecast", "--days", "14", "--format", "html").out


def test_without_a_schedule_it_says_so(desk: Desk) -> None:
    """And a plan says nothing of a month."""
    desk.write(FILL)
    said = desk.run("forecast")
    assert (said.code, said.out) == (0, "Nothing is bought by schedule: no run of these manifests has a `refresh`.\n")
    plan = desk.run("plan", "--format", "json").json
    assert "forecast" not in plan
    assert "a month" not in desk.run("plan").out


def test_a_table_that_cannot_be_read_is_an_error_beside_the_rest(bought: Desk) -> None:
    """Exit code 1, with its line, and the sums of the others."""
    other = scheduled("{every: 1w}").replace(ACCOUNTS, "91abf3a0-6f0e-4d7e-8a55-1b7f0c3d2e61")
    bought.write(other.replace("target-accounts", "others"), "manifests/others.yaml")
    said = bought.run("forecast", "--format", "json")
    assert (said.code, said.json["errored"], said.json["totals"]["cells"]) == (1, True, 12)
    assert "manifests/others.yaml:5" in said.err


def test_the_plan_says_what_a_month_costs_and_what_of_it_a_change_causes(bought: Desk, repository: Repository) -> None:
    """In text, Markdown and JSON: weekly before, daily with the change; nothing of it is due now."""
    bought.write(scheduled("{every: 1w}"))
    repository.commit()
    plan = bought.run("plan", "--format", "json").json
    assert plan["forecast"] == {"days": 30, "credits": 12, "change": None, "unpriced_cells": 0}
    assert "This schedule costs 12 credits a month.\n" in bought.run("plan").out
    bought.write(scheduled("{every: 48h}"))
    plan = bought.run("plan", "--against", "main", "--format", "json", "--out", "plan.json").json
    assert plan["forecast"] == {"days": 30, "credits": 45, "change": 33, "unpriced_cells": 0}
    assert json_schema.problems("plan", plan) == []
    words = "This schedule costs 45 credits a month, +33 by this change."
    for said in (
        bought.run("plan", "--against", "main"),
        bought.run("plan", "--against", "main", "--format", "markdown"),
        bought.run("show", "plan.json"),
        bought.run("show", "plan.json", "--format", "html"),
    ):
        assert words in said.out
    bought.write(FILL)
    assert "This schedule costs 0 credits a month, -12 by this change." in bought.run("plan", "--against", "main").out


def test_a_limit_on_the_month_refuses(bought: Desk) -> None:
    """With exit code 3, in plan and apply, although nothing is due; a price that is missing does, too."""
    bought.write(f"{HEAD}  limits: {{forecast_per_month: 12}}\n", "reconciler.yaml")
    assert bought.run("plan").code == 0
    bought.write(f"{HEAD}  limits: {{forecast_per_month: 11.5}}\n", "reconciler.yaml")
    said = bought.run("plan", "--format", "json")
    assert said.code == 3
    (violation,) = said.json["violations"]
    assert violation["message"] == "schedules cost 12 credits in 30 days and the limit is 11.5"
    assert (violation["rule"], violation["number"], violation["limit"]) == ("forecast_per_month", 12, 11.5)
    assert violation["set_at"] == "reconciler.yaml:4 (spec.limits.forecast_per_month)"
    assert bought.run("apply", "--yes").code == 3
    assert bought.run("plan", "--limits", "{forecast_per_month: 12}").code == 0


def test_a_change_can_raise_neither_the_limit_nor_lower_the_price(bought: Desk) -> None:
    """Under `--limits-from`, the base's limit holds at the higher of both prices."""
    bought.write(
        f"{HEAD}  prices: {{kinds: {{agent: 2}}}}\n  limits: {{forecast_per_month: 20}}\n", "base/reconciler.yaml"
    )
    bought.write(f"{HEAD}  prices: {{kinds: {{agent: 0}}}}\n  limits: {{forecast_per_month: 900}}\n", "reconciler.yaml")
    assert bought.run("plan").code == 0
    said = bought.run("plan", "--limits-from", "./base", "--format", "json")
    assert said.code == 3
    assert [each["message"] for each in said.json["violations"]] == [
        "schedules cost 24 credits in 30 days and the limit is 20"
    ]
