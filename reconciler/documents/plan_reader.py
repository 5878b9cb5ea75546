"""A plan file taken back as a plan, to be shown and never to be applied (`saved_plan_checks.py` does that).

The content was checked against `schemas/plan.v1.json`. Its texts come from outside: each is cleaned here, because the
renderers take a plan's own words for safe.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from reconciler.model.account import Account
from reconciler.model.budget import Budget, BudgetUse, Spent, Window
from reconciler.model.change import Change, ChangeImpact
from reconciler.model.credits import Credits
from reconciler.model.expectation import Judgement
from reconciler.model.forecast import ScheduleCost
from reconciler.model.limits import Limit, Limits, Period, Unit
from reconciler.model.manifest import ByName, ByTag, Calendar, ChildOf, MaxAge, Mode, NameAt, Refresh, Source
from reconciler.model.observed import IDLE, CellCounts
from reconciler.model.origin import SnapshotOrigin
from reconciler.model.plan import (
    Call,
    CallInDoubt,
    Cause,
    ExpectedGrowth,
    Pending,
    Plan,
    PlannedRun,
    PlannedTable,
    Reason,
    Skip,
    SkipReason,
    Totals,
    Violation,
    WaitsFor,
)
from reconciler.model.rollout_result import RolloutResult
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from reconciler.text.sanitize import one_line

Document = Mapping[str, Any]

LONGEST = 2000
"""Characters of one text."""
_NOWHERE = Location("", 1, 1)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a text in a file that is not a moment."""
_REASONS = {reason.value: reason for reason in SkipReason}


def plan_of(content: Document) -> Plan:
    """Return the plan that a plan file holds, without all that the file leaves out."""
    tables = tuple(_table(each) for each in content["tables"])
    homes = {run.address: table for table in tables for run in table.runs}
    names = {table.table_id: table.name for table in tables if table.has_siblings}
    return Plan(
        manifest_digest=content["manifest_digest"],
        tables=tables,
        calls=tuple(_call(each, names) for each in content["calls"]),
        skipped=tuple(_skip(each, homes) for each in content["skipped"]),
        in_doubt=tuple(call_in_doubt(each, names) for each in content["in_doubt"]),
        diagnostics=tuple(_diagnostic(each) for each in content["diagnostics"]),
        forecast=_forecast(content.get("forecast")),
        account=_account(content.get("balance")),
        budgets=tuple(budget_of(each) for each in content.get("budgets", ())),
        growth=tuple(_growth(each) for each in content.get("growth", ())),
        pending=tuple(
            Pending(text(each["manifest"]), text(each["waits_for"]), _location(each))
            for each in content.get("pending", ())
        ),
    )


def violations_of(content: Document) -> tuple[Violation, ...]:
    """Return the limits that the plan exceeds."""
    return tuple(
        Violation(
            text(each["rule"]),
            text(each["message"]),
            text(each["set_at"]),
            decimal(each.get("number")),
            decimal(each.get("limit")),
            text(each.get("contact") or ""),
        )
        for each in content["violations"]
    )


def limits_of(content: Document) -> Limits:
    """Return the limits on the whole plan."""
    limits = content.get("limits") or {}
    max_credits, max_cells = decimal(limits.get("max_credits")), decimal(limits.get("max_cells"))
    return Limits(
        max_credits=None if max_credits is None else Limit(max_credits, ""),
        max_cells=None if max_cells is None else Limit(max_cells, ""),
    )


def impact_of(content: Document) -> ChangeImpact | None:
    """Return what the change causes, if the plan was compared with a base."""
    against = content.get("against")
    if against is None:
        return None
    changes = tuple(
        Change(None if each.get("address") is None else text(each["address"]), text(each["text"]), _location(each))
        for each in against["changes"]
    )
    sums = (_totals(against.get(name)) for name in ("caused", "due_anyway", "no_longer_due"))
    return ChangeImpact(text(against["ref"]), changes, *sums)


def taken_of(content: Document) -> SnapshotOrigin | None:
    """Return the snapshot that the plan was made from, if it was."""
    live = content.get("live")
    return live and SnapshotOrigin(text(live["taken_at"]), live["age_seconds"], live["digest"], live["verified"])


def text(of: str) -> str:
    """Return a text of a file, cleaned."""
    return one_line(of, LONGEST)


def decimal(number: float | None) -> Decimal | None:
    """Return a number of a file exactly as it is written there."""
    return None if number is None else Decimal(str(number))


def _account(balance: Document | None) -> Account | None:
    """Return the account that pays, as far as the file tells of it."""
    if balance is None:
        return None
    return Account(available=decimal(balance["available"]), is_unlimited=balance["unlimited"])


def _forecast(of: Document | None) -> ScheduleCost | None:
    if of is None:
        return None
    cost = Credits(decimal(of["credits"]) or Decimal(0), of["unpriced_cells"])
    return ScheduleCost(of["days"], cost, decimal(of["change"]))


def budget_of(of: Document) -> BudgetUse:
    """Return a budget as a plan or a report tells it."""
    name, unit = text(of["name"] or ""), Unit(of["unit"])
    value = Decimal(str(of["limit"]))
    budget = Budget(
        rule=text(of["rule"]),
        period=Period(of["period"]),
        unit=unit,
        limit=Limit(value, text(of["set_at"])),
        value=value,
        timezone=of["timezone"],
        table_id=name if of["scope"] == "table" else "",
        label=name if of["scope"] == "label" else "",
    )
    window = Window(_moment(of["since"]) or _NEVER, _moment(of["until"]) or _NEVER)
    unpriced = of["unpriced_cells"]
    spent, due = (_spent(of[each], unit) for each in ("spent", "due"))
    return BudgetUse(budget, window, spent, replace(due, unpriced_cells=unpriced))


def _spent(number: float, unit: Unit) -> Spent:
    return Spent(cells=int(number)) if unit is Unit.CELLS else Spent(credits=Decimal(str(number)))


def _totals(of: Document | None) -> Totals:
    if of is None:
        return Totals(0, 0, 0, Credits())
    known = decimal(of["credits"]) or Decimal(0)
    return Totals(of["tables"], of["calls"], of["cells"], Credits(known, of["unpriced_cells"]))


def _table(of: Document) -> PlannedTable:
    return PlannedTable(
        manifest=text(of["manifest"]),
        table_id=of["table_id"],
        name=text(of["name"]),
        run_status=text(of["run_status"]),
        is_finished=of["run_status"] == IDLE,
        rows=of["rows"],
        columns_digest=of["columns_digest"],
        cells=None if of["cells"] is None else CellCounts(**of["cells"]),
        runs=tuple(_run(run) for run in of["runs"]),
        source=_source(of.get("found_by")),
        labels={text(name): text(value) for name, value in of.get("labels", {}).items()},
    )


def _source(of: Document | None) -> Source | None:
    if of is None:
        return None
    if "child_of" in of:
        return ChildOf(NameAt(text(of["child_of"]), _NOWHERE), NameAt(text(of.get("column", "")), _NOWHERE))
    return ByTag(text(of["tag"])) if "tag" in of else ByName(text(of.get("name", "")))


def _run(of: Document) -> PlannedRun:
    rollout = of.get("rollout")
    trial = (
        RolloutResult(
            rollout["first"],
            decimal(rollout["max_failed"]),
            rollout["tried"],
            rollout["failed"],
            tuple(map(Judgement.of, rollout.get("expect", ()))),
        )
        if rollout
        else None
    )
    return PlannedRun(
        address=text(of["address"]),
        mode=Mode(of["mode"]),
        revision=None if of["revision"] is None else text(of["revision"]),
        max_attempts=0,
        columns=of["columns"],
        cells=of["cells"],
        trial=trial,
        refresh=_refresh(of.get("refresh")),
        stale_before=_moment(of.get("stale_before")),
        next_due=_moment(of.get("next_due")),
        follows_config=of.get("revision_of") == "config",
    )


def _refresh(of: Document | None) -> Refresh | None:
    if of is None:
        return None
    if "at" in of:
        return Calendar(text(of["at"]), text(of.get("timezone", "")))
    return MaxAge(0, text(of.get("every", "")))


def _moment(of: str | None) -> datetime | None:
    """Return a moment that a file claims; None for what is none."""
    try:
        moment = datetime.fromisoformat(of or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and 1970 <= moment.year <= 9000 else None


def _call(of: Document, names: Mapping[str, str]) -> Call:
    return Call(
        id=of["id"],
        address=text(of["address"]),
        table_id=of["table_id"],
        mode=Mode(of["mode"]),
        revision=None if of["revision"] is None else text(of["revision"]),
        columns=tuple(of["columns"]),
        column_keys=tuple(map(text, of["column_keys"])),
        rows=tuple(of["rows"]),
        cells=of["cells"],
        credits=decimal(of["credits"]),
        reason=Reason(of["reason"]),
        wave=of["wave"],
        cause=Cause(of["cause"]) if "cause" in of else None,
        table_name=names.get(of["table_id"], ""),
    )


def _skip(of: Document, homes: Mapping[str, PlannedTable]) -> Skip:
    address = text(of["address"])
    home = of.get("table_id") or (homes[address].table_id if address in homes else "")
    waits = tuple(WaitsFor(text(each["column"]), each["implied"]) for each in of.get("waits_for", ()))
    return Skip(address, _REASONS[of["reason"]], of["cells"], home, waits)


def call_in_doubt(of: Document, names: Mapping[str, str] = MappingProxyType({})) -> CallInDoubt:
    """Return a call in doubt; a file does not say how long ago it was sent.

    `names` goes by table id, for the tables whose address alone may stand for several.
    """
    return CallInDoubt(
        id=text(of["id"]),
        address=text(of["address"]),
        table_id=of["table_id"],
        cells=of["cells"],
        credits=decimal(of["credits"]),
        age_seconds=None,
        table_name=names.get(of["table_id"], ""),
    )


def _growth(of: Document) -> ExpectedGrowth:
    return ExpectedGrowth(
        manifest=text(of["manifest"]),
        table_id=of["table_id"] or "",
        because=text(of["because"]),
        max_cells=of["max_cells"],
        max_credits=decimal(of["max_credits"]),
        location=_NOWHERE,
        max_rows=of.get("max_rows"),
    )


def _diagnostic(of: Document) -> Diagnostic:
    return Diagnostic(_location(of), Code.of(of.get("code")), text(of["message"]), text(of["hint"]))


def _location(of: Document) -> Location:
    return Location(text(of.get("path") or ""), of.get("line") or 1, of.get("column") or 1)
