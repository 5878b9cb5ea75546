"""The forecast of an observation, and the line of a plan about it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reconciler import manifests
from reconciler.model.forecast import MONTH_DAYS, Forecast, ScheduleCost
from reconciler.model.plan import Plan
from reconciler.operations import observe
from reconciler.operations.connection import Connections
from reconciler.operations.observe import Observation, Sources, Targets
from reconciler.planning.forecast import forecast


@dataclass(frozen=True, slots=True)
class PlannedForecast:
    """A forecast, and the plan that it was made from: its errors are the forecast's too."""

    forecast: Forecast
    plan: Plan


def forecast_targets(targets: Targets, days: int, connections: Connections) -> PlannedForecast:
    """Read the tables of `targets` and return what their schedules will buy within `days`; sends only GET."""
    reader, ledger = connections.to_observe()
    targets = observe.resolve(targets, reader)
    sources = Sources(reader, ledger, connections.settings, connections.profile)
    observation = observe.observe_tables(targets, targets.tables, sources, whole=False)
    plan = observe.plan(targets, observation, connections.settings)
    return PlannedForecast(_forecast(plan, observation, days), plan)


def with_forecast(plan: Plan, observation: Observation, whole: Plan | None = None, before: Plan | None = None) -> Plan:
    """Return the plan with what its schedules cost in a month.

    With a base, `before` is the plan for all manifests there and `whole` the one for all manifests here, so that a
    selection of runs does not count as a change.
    """
    if not any(each is not None and each.schedules for each in (plan, before)):
        return plan
    found = _forecast(plan, observation, MONTH_DAYS)
    change = None
    if whole is not None and before is not None:
        here, there = (
            found.cost.total if each is plan else _forecast(each, observation, MONTH_DAYS).cost.total
            for each in (whole, before)
        )
        change = None if here is None or there is None else here - there
    return replace(plan, forecast=ScheduleCost.of(found, change))


def _forecast(plan: Plan, observation: Observation, days: int) -> Forecast:
    # Without a table there is no ledger's clock, and nothing that falls due.
    start = observation.recalled_at if observation.histories else datetime.now(UTC)
    return forecast(plan.schedules, start, days, manifests.calendar.dates_between)
