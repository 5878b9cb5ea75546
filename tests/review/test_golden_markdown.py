"""Plans and receipts as reviewers see them, whole, compared with files that a person has read."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.manifests import json_schema
from reconciler.render.plan_markdown import plan_markdown
from reconciler.render.report_markdown import report_markdown
from tests.planning.golden_cases import read_case
from tests.review.plans_and_reports import DIGEST, call, line, plan, plan_of, report, report_of, result, run, table

GOLDEN = Path(__file__).parent / "golden"
PLANNED = (
    "all-takes-cells-from-new",
    "blocked-by-upstream",
    "budget-passed",
    "budgets-are-shown",
    "columns-by-id",
    "doubt-ends-by-evidence",
    "hostile-names",
    "hostile-names-that-are-due",
    "limit-cannot-be-checked",
    "limit-violated",
    "nothing-to-do",
    "nothing-to-do-but-cells-are-left",
    "prices-by-kind-and-column",
    "refresh-by-age",
    "refresh-by-calendar",
    "refresh-with-nothing-due",
    "split-by-max-cells",
    "table-not-found",
    "targeted-run",
    "three-modes",
    "two-calls-in-doubt",
    "two-manifests-one-table",
    "unknown-price",
    "unreadable-table-beside-a-good-one",
)
HOSTILE = ["a`b|c", "<b>@octocat</b>", "[x](https://evil.example)", "::error::x", "\u202eevil\x1b[2J", "``` \\| ```"]


def split() -> dict[str, Any]:
    """Return a plan compared with a base: two calls of the change, one that was due anyway."""
    fill = "accounts/fill"
    return plan(
        tables=[table("accounts", "Accounts", "idle", run(fill, None), run("accounts/refresh", "2026-q4"))],
        calls=[
            call(fill, ["news"], cells=40, price=40, mode="new", revision=None, reason="cells_empty", cause="due"),
            call(
                fill, ["notes"], cells=60, credits=60, mode="new", revision=None, reason="cells_empty", cause="change"
            ),
            call("accounts/refresh", ["news"], cells=7, price=7, revision="2026-q4", cause="change"),
        ],
        against={
            "ref": "origin/main",
            "changes": [
                {"address": "accounts/fill", "text": "column `notes` added", "path": "a.yaml", "line": 9, "column": 5},
                {"address": None, "text": "revision 2026-q3 → 2026-q4", "path": "a.yaml", "line": 12, "column": 17},
            ],
        },
    )


def waited() -> dict[str, Any]:
    """Return the report of an apply that waited, with a refusal, a doubt and a call that was not tried."""
    return report(
        exit_code=7,
        waited=True,
        stopped={"cause": "refused", "message": "402, not enough credits", "hint": "Buy credits, then plan again."},
        calls=[
            result("accounts/fill", cells=40, requested_cells=38, settled={"done": 30, "failed": 6, "not_started": 2}),
            result("accounts/retry", state="in_doubt", status=None, requested_cells=None, detail="no answer in 30 s"),
            result("partners/fill", state="refused", status=402, requested_cells=None, detail="not enough credits"),
            result("partners/retry", state="not_attempted", status=None, requested_cells=None, detail="stopped"),
        ],
        by_manifest=[
            line("accounts", cells_planned=43, cells_requested=38, cells_in_doubt=3, cells_done=30, cells_failed=6,
                 cells_not_started=2, credits=40),
            line("partners", cells_planned=6, cells_requested=0, cells_refused=3, cells_not_sent=3, credits=0),
        ],
    )  # fmt: skip


PASSED = (
    "nothing was sent: 3,003 credits would be spent since 2026-12-01 00:00 (UTC), and the budget is 3,000 a month; "
    "call aaaaaaaa of `partners/fill` would pass it; the next month begins 2027-01-01 00:00"
)
MADE = {"against-a-base": split(), "every-text-hostile": plan_of(HOSTILE)}
REPORTS = {
    "nothing-was-due": report(),
    "all-accepted": report(calls=[result("accounts/fill")], by_manifest=[line("accounts")]),
    "waited-and-stopped": waited(),
    "a-budget-was-passed": report(
        exit_code=6,
        calls=[
            result("accounts/fill"),
            result("partners/fill", state="not_sent", status=None, requested_cells=None, detail=PASSED),
        ],
        by_manifest=[
            line("accounts"),
            line("partners", cells_requested=0, cells_not_sent=3, credits=0),
        ],
    ),
    "every-text-hostile": report_of(HOSTILE),
}


def compare(text: str, name: str, config: pytest.Config) -> None:
    """Compare with the golden file, or write it."""
    golden = GOLDEN / f"{name}.md"
    if config.getoption("--rewrite-golden"):
        golden.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PLANNED)
def test_a_planned_case(name: str, pytestconfig: pytest.Config) -> None:
    """Of the scenarios that the planner is tested with."""
    compare(plan_markdown({**read_case(name).document, "plan_id": DIGEST}), f"plan-{name}", pytestconfig)


@pytest.mark.parametrize("name", MADE)
def test_a_plan_made_for_this(name: str, pytestconfig: pytest.Config) -> None:
    """Changes against a base; every text hostile at once."""
    assert json_schema.problems("plan", MADE["against-a-base"]) == []
    compare(plan_markdown({**MADE[name], "plan_id": DIGEST}), f"plan-{name}", pytestconfig)


@pytest.mark.parametrize("name", REPORTS)
def test_a_receipt(name: str, pytestconfig: pytest.Config) -> None:
    """Planned, requested, refused, in doubt, done and failed cells by manifest."""
    if name != "every-text-hostile":
        assert json_schema.problems("report", REPORTS[name]) == []
    compare(report_markdown(REPORTS[name]), f"report-{name}", pytestconfig)
