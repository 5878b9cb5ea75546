"""The page `/metrics`: the names that dashboards rely on, what was counted, and nothing that is out of date."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciler.model.attempt import CallResult, Ending, Receipt
from reconciler.model.budget import Budget, BudgetUse, Spent, Window
from reconciler.model.history import CallState
from reconciler.model.limits import Limit, Period, Unit
from reconciler.model.standing import Standing
from reconciler.model.submitted import Phase
from reconciler.version import __version__
from tests.fleet.monitoring.conftest import Watched
from tests.ledger.calls_and_actors import TABLE, a_call

NAMES = {
    *("run_calls_total", "cells_requested_total", "credits_committed_total", "api_requests_total"),
    *("leases_lost_total", "jobs_recovered_total", "last_fetch_timestamp_seconds"),
    *("run_call_duration_seconds", "rate_wait_seconds", "ledger_write_duration_seconds", "job_lag_seconds"),
    *("calls_in_doubt", "oldest_doubt_seconds", "units", "workspace_held", "budget_used_ratio", "build_info"),
}
"""Names for dashboards and rules; a name that goes breaks them."""


def ended(state: CallState, requested: int | None = None) -> CallResult:
    """Return the result of a call of two cells, for two credits."""
    call = a_call(2, table=TABLE)
    receipt = Receipt("run", requested) if state is CallState.ACCEPTED else None
    return CallResult(call, Ending(state, receipt=receipt))


def used(label: str, spent: str, *, table_id: str = "") -> BudgetUse:
    """Return how much of a month's 100 credits is used."""
    limit = Limit(Decimal(100), "reconciler.yaml:7")
    budget = Budget("per_month.max_credits", Period.MONTH, Unit.CREDITS, limit, limit.value, "UTC", table_id, label)
    month = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    return BudgetUse(budget, month, Spent(1, Decimal(spent)))


def test_every_name_is_announced_from_the_start(watched: Watched) -> None:
    """With its type and a sentence, before anything happened: a rule about a name that is not there is never true."""
    page = watched.get("/metrics")[1]
    announced = re.findall(r"^# HELP reconciler_(\w+) \S", page, flags=re.MULTILINE)
    assert {name for name in announced if not name.startswith("process_") and not name.endswith("_created")} == NAMES
    assert watched.samples()[f"reconciler_build_info{{version={__version__}}}"] == 1


def test_calls_are_counted_by_their_outcome(watched: Watched) -> None:
    """Cells as the API counted them, credits as planned; what was not attempted does not count."""
    metrics, call = watched.metrics, ended(CallState.ACCEPTED).call
    metrics.call_ended("gtm", ended(CallState.ACCEPTED, 7))
    metrics.call_ended("gtm", ended(CallState.ACCEPTED))
    metrics.call_ended("gtm", ended(CallState.REFUSED))
    metrics.call_ended("gtm", CallResult(call, None, "its turn did not come"))
    shown = watched.samples()
    assert shown["reconciler_run_calls_total{state=accepted}{workspace=gtm}"] == 2
    assert shown["reconciler_run_calls_total{state=refused}{workspace=gtm}"] == 1
    assert shown["reconciler_cells_requested_total{workspace=gtm}"] == 7 + call.cells
    assert shown["reconciler_credits_committed_total{workspace=gtm}"] == 2 * float(call.credits or 0)


def test_requests_and_waits_are_noted(watched: Watched) -> None:
    """By method and status; a clock that goes before another makes no negative lag."""
    metrics = watched.metrics
    metrics.api_answered("gtm", "POST", 200)
    metrics.api_answered("gtm", "GET", None)
    metrics.waited_for_rate("gtm", 0.0)
    metrics.ledger_write_took(0.002)
    metrics.job_began("send", -3.0)
    metrics.lease_lost()
    metrics.job_recovered()
    metrics.show(Standing(at=1_800_000_000.0))
    shown = watched.samples()
    assert shown["reconciler_api_requests_total{code=200}{method=POST}{workspace=gtm}"] == 1
    assert shown["reconciler_api_requests_total{code=none}{method=GET}{workspace=gtm}"] == 1
    assert shown["reconciler_rate_wait_seconds_count{workspace=gtm}"] == 1
    assert shown["reconciler_ledger_write_duration_seconds_bucket{le=0.0025}"] == 1
    assert shown["reconciler_job_lag_seconds_sum{job=send}"] == 0
    assert (shown["reconciler_leases_lost_total"], shown["reconciler_jobs_recovered_total"]) == (1, 1)
    assert shown["reconciler_last_fetch_timestamp_seconds"] == 1_800_000_000.0


def test_the_standing_of_the_work_goes_once_it_is_old(watched: Watched) -> None:
    """An hour-old figure that looks fresh would keep an alert from coming."""
    budgets = (used("team=gtm", "82"), used("", "30"), used("", "99", table_id=TABLE))
    standing = Standing(2, 90.5, {Phase.WAITING: 5}, {"gtm": True}, budgets)
    watched.metrics.show(standing)
    shown = watched.samples()
    assert shown["reconciler_calls_in_doubt"] == 2
    assert shown["reconciler_oldest_doubt_seconds"] == 90.5
    assert (shown["reconciler_units{phase=waiting}"], shown["reconciler_units{phase=queued}"]) == (5, 0)
    assert shown["reconciler_workspace_held{workspace=gtm}"] == 1
    assert {name: value for name, value in shown.items() if "budget" in name} == {
        "reconciler_budget_used_ratio{period=month}{scope=team=gtm}{unit=credits}": 0.82,
        "reconciler_budget_used_ratio{period=month}{scope=all}{unit=credits}": 0.3,
    }
    watched.now += 61
    assert not [name for name in watched.samples() if "doubt" in name or "units" in name or "budget" in name]


@pytest.mark.parametrize("path", ["/", "/metrics/..", "/%2e/metrics", "/metricsx", "/secrets"])
def test_nothing_else_is_served(watched: Watched, path: str) -> None:
    """Whatever is asked for."""
    assert watched.get(path) == (404, "not found\n")
    assert watched.get("/metrics", "POST")[0] == 501
