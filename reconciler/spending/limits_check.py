"""Limits × Plan → Violations: what one apply must not spend.

Every check looks at the whole plan, just before it is shown and again just before it is sent. A limit that cannot be
evaluated counts as violated, never as passed.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconciler.model.credits import Credits
from reconciler.model.forecast import ScheduleCost
from reconciler.model.limits import Anomaly, BaseLimits, Limit, Limits, Prices, Rule
from reconciler.model.observed import CellState, Column
from reconciler.model.plan import Call, ExpectedGrowth, Plan, PlannedTable, Violation
from reconciler.spending.account_check import account_violations
from reconciler.spending.budgets import CountedPlan, as_words, raised_by
from reconciler.text.numbers import amount, counted, percent
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line

MOST_NAMED = 5
"""Columns or kinds named in one message."""

_ALLOW = "`allow_growth: {max_cells: …}`"
_NEVER_RUN = (str(CellState.EMPTY.value), str(CellState.PENDING_IDLE.value))
"""How the mark of a cell that never ran begins (`evidence.cell_marks`)."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels that limits apply to: those the manifests carry, and what a base says about them."""

    carried: Mapping[tuple[str, str], frozenset[str]]
    """Table id, manifest → its labels as `key=value`: its spending there counts against the limit of each."""
    granted: Mapping[tuple[str, str], frozenset[str]]
    """Table id, manifest → the labels that grant it permissions there."""
    unknown: str = ""
    """Why the labels are unknown; empty if they are known."""

    def of(self, call: Call) -> frozenset[str]:
        """Return the labels that grant a call permissions."""
        return self.granted.get((call.table_id, call.manifest), frozenset())


def check_limits(plan: Plan, limits: Limits, base: BaseLimits | None) -> tuple[Violation, ...]:
    """Compare a plan with the limits here and, if there is a base, with its limits too.

    Under the base's limits a cell costs the higher of the two prices, and has no price if either list has none: a
    change can neither raise its own limit nor lower its own price.
    """
    found = violations(plan, limits)
    counted_plan = counted_in_budgets(plan, limits, base)
    over_budget = tuple(counted_plan.violations(plan.budgets))
    if base is None:
        return (*found, *over_budget)
    at_dearest = replace(
        plan,
        calls=tuple(counted_plan.calls),
        growth=tuple(counted_plan.growth),
        forecast=plan.forecast and plan.forecast.at(_dearest_of(base)),
    )
    held = violations(at_dearest, base.limits, held_labels(plan, base))
    said = {(each.rule, each.message) for each in held}
    return (*held, *(each for each in found if (each.rule, each.message) not in said), *over_budget)


def counted_in_budgets(plan: Plan, limits: Limits, base: BaseLimits | None) -> CountedPlan:
    """Return a plan as budgets count it: those of a base and those here count alike, as the base would.

    Those here turn at the base's midnight as well, since a variable may set them, and a change the time zone.
    """
    if base is None:
        return CountedPlan(plan.calls, plan.growth, own_labels(plan).carried, [limits])
    calls = tuple(_at_dearest(call, base.prices) for call in plan.calls)
    growths = tuple(priced(growth, _dearest_of(base)) for growth in plan.growth)
    labels = held_labels(plan, base)
    held = [base.limits, limits, replace(limits, timezone=base.timezone)]
    return CountedPlan(calls, growths, labels.carried, held, labels.unknown, is_base=True)


def _dearest_of(base: BaseLimits) -> Callable[[Column], Decimal | None]:
    return lambda column: _dearest(base.prices, column.kind, column.key, column.id)


def effective_limits(limits: Limits, base: BaseLimits | None) -> Limits:
    """Return the effective plan-wide limits, to show next to the totals."""
    if base is None:
        return limits

    def lower(one: Limit | None, other: Limit | None) -> Limit | None:
        return min(filter(None, (one, other)), key=lambda limit: limit.value, default=None)

    return replace(
        limits,
        max_credits=lower(limits.max_credits, base.limits.max_credits),
        max_cells=lower(limits.max_cells, base.limits.max_cells),
    )


def violations(plan: Plan, limits: Limits, labels: Labels | None = None) -> tuple[Violation, ...]:
    """Return where the plan exceeds the limits; `labels` default to the manifests' own."""
    labels = labels or own_labels(plan)
    return (
        *account_violations(plan, limits),
        *_growth(plan.growth),
        *_sum("", limits.max_cells, limits.max_credits, "", plan.calls, plan.growth),
        *_tables(plan, limits),
        *_labels(plan, limits, labels),
        *_modes(plan, limits, labels),
        *_protected(plan, limits.protected),
        *_forecast(plan.forecast, limits.forecast_per_month),
        *_anomalies(plan, limits.anomaly),
    )


def own_labels(plan: Plan) -> Labels:
    """Return the labels that the plan's manifests carry."""
    carried = {(growth.table_id, growth.manifest): as_words(growth.labels) for growth in plan.growth}
    carried |= {(table.table_id, table.manifest): as_words(table.labels) for table in plan.tables}
    return Labels(carried, carried)


def held_labels(plan: Plan, base: BaseLimits) -> Labels:
    """Return the labels that count under a base's limits.

    A manifest carries its own labels and all that the base gives to its name or its table. It is granted those that it
    has both here and at the base; a table that the base does not name is granted none.
    """
    carried, granted = {}, {}
    for table in plan.tables:
        key = (table.table_id, table.manifest)
        here = as_words(table.labels)
        of_table = [manifest for manifest in base.manifests if manifest.table_id == table.table_id]
        of_name = [manifest for manifest in base.manifests if manifest.name == table.manifest]
        carried[key] = here.union(*(as_words(manifest.labels) for manifest in (*of_table, *of_name)))
        same = [manifest for manifest in of_table if manifest.name == table.manifest] or of_table
        granted[key] = here.intersection(*(as_words(each.labels) for each in same)) if same else frozenset()
    return Labels(carried, granted, base.unknown)


def _growth(growths: Iterable[ExpectedGrowth]) -> Iterator[Violation]:
    """Refuse growth without a bound: an unknown number of cells that fall due while the plan is applied."""
    for growth in growths:
        if growth.max_cells is None:
            ways = "give the column `max_results`, or say" if growth.max_rows is None else "say"
            message = (
                f"`{growth.because}` fills the table of `{growth.manifest}` while this is applied, and how many cells "
                f"fall due there is unknown; {ways} how many may be bought, 0 for none: {_ALLOW}"
            )
            yield Violation("allow_growth", message, str(growth.location), raised_by="whoever may change that file")


def _sum(
    scope: str,
    max_cells: Limit | None,
    max_credits: Limit | None,
    of: str,
    calls: Sequence[Call],
    growths: Sequence[ExpectedGrowth],
) -> Iterator[Violation]:
    """Compare the sums of calls with two limits; `of` begins the message, unless it is about the whole plan.

    Possible growth counts in full.
    """
    growing = [growth for growth in growths if growth.max_cells]
    grown = sum(growth.max_cells or 0 for growth in growing)
    cells = sum(call.cells for call in calls) + grown
    if max_cells is not None and cells > max_cells.value:
        yield _passed(f"{scope}max_cells", of, "cells", Decimal(cells), max_cells, grown=bool(grown))
    if max_credits is not None:
        cost = Credits.of(calls) + Credits.sum((growth.max_credits, growth.max_cells or 0) for growth in growing)
        if cost.known > max_credits.value:
            yield _passed(f"{scope}max_credits", of, "credits", cost.known, max_credits, grown=bool(grown))
        elif cost.total is None:
            missing = _missing_prices(calls, [each for growth in growing for each in growth.unpriced])
            yield _unknown(f"{scope}max_credits", of, cost.unpriced_cells, max_credits, missing)


def _passed(rule: str, of: str, unit: str, due: Decimal, limit: Limit, *, grown: bool) -> Violation:
    verb = "are due, or may fall due while this is applied," if grown else "are due"
    message = f"{of}{amount(due)} {unit} {verb} and the limit is {amount(limit.value)}"
    return Violation(rule, message, limit.set_at, due, limit.value, raised_by(limit))


def _unknown(rule: str, of: str, cells: int, limit: Limit, missing: str) -> Violation:
    allowed = f"the limit of {amount(limit.value)} credits"
    message = f"{of}{amount(cells)} cells have no known price, so {allowed} cannot be checked{missing}"
    return Violation(rule, message, limit.set_at, None, limit.value, raised_by(limit))


def _missing_prices(calls: Iterable[Call], unpriced: Iterable[Column]) -> str:
    """Return which columns have no price, and what to add where; empty if they are unknown."""
    columns = {
        (key, call.kinds.get(column, ""))
        for call in calls
        for column, key in zip(call.columns, call.column_keys, strict=True)
        if column in call.unpriced
    }
    found = sorted(columns | {(column.key, column.kind) for column in unpriced})
    kinds = sorted({kind for _, kind in found})
    if not found:
        return ""
    named = _some([f"{quote(key)} of kind {quote(kind)}" for key, kind in found])
    lines = _some([f"`{_yaml(kind)}: …`" for kind in kinds])
    return f": {named}; under `spec.prices.kinds` of reconciler.yaml add what a cell costs: {lines}"


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - MOST_NAMED:,} more" if len(texts) > MOST_NAMED else ""
    return ", ".join(texts[:MOST_NAMED]) + more


def _yaml(kind: str) -> str:
    """Return a column's kind as a key of YAML."""
    return kind if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", kind) else json.dumps(one_line(kind, 80))


def _tables(plan: Plan, limits: Limits) -> Iterator[Violation]:
    cells = {table.table_id: _cells(table) for table in plan.tables}
    for table, calls in _grouped((call.table_id, call) for call in plan.calls).items():
        cap = limits.of_table(table)
        if cap.max_cells is cap.max_credits is cap.max_rerun_share is None:
            continue
        manifests = ", ".join(f"`{name}`" for name in sorted({call.manifest for call in calls}))
        of = f"table {table} ({manifests}): "
        growths = [growth for growth in plan.growth if growth.table_id == table]
        yield from _sum("per_table.", cap.max_cells, cap.max_credits, of, calls, growths)
        if cap.max_rerun_share is not None:
            yield from _share(of, cap.max_rerun_share, calls, cells.get(table, 0))


def _cells(table: PlannedTable) -> int:
    counts = table.cells
    if counts is None:
        return table.output_cells
    return counts.done + counts.failed + counts.empty + counts.in_progress + counts.unknown


def _share(of: str, limit: Limit, calls: Sequence[Call], cells: int) -> Iterator[Violation]:
    again = sum(sum(reruns(call).values()) for call in calls)
    if again > limit.value * cells:
        share = Decimal(again) / cells if cells else Decimal(1)
        message = (
            f"{of}{amount(again)} of its {amount(cells)} cells ({percent(share)}) would be run again and the limit is "
            f"{percent(limit.value)}"
        )
        number = share.quantize(Decimal("0.000001"))
        yield Violation("max_rerun_share", message, limit.set_at, number, limit.value, raised_by(limit))


def reruns(call: Call) -> dict[str, int]:
    """Return how many of the call's due cells ran before, by column id."""
    return {
        column: sum(mark.partition(":")[0] not in _NEVER_RUN for mark in marks) for column, marks in call.before.items()
    }


def _labels(plan: Plan, limits: Limits, labels: Labels) -> Iterator[Violation]:
    for label, cap in limits.per_label.items():
        given = [limit for limit in (cap.max_cells, cap.max_credits) if limit is not None]
        if labels.unknown and given and plan.calls:
            yield _unreadable("per_label", label, given[0], labels.unknown)
            continue
        calls = [call for call in plan.calls if label in labels.carried.get((call.table_id, call.manifest), ())]
        growths = [
            growth
            for growth in plan.growth
            if label in labels.carried.get((growth.table_id, growth.manifest), as_words(growth.labels))
        ]
        yield from _sum("per_label.", cap.max_cells, cap.max_credits, f"{one_line(label)}: ", calls, growths)


def _unreadable(rule: str, subject: str, limit: Limit | Rule, why: str) -> Violation:
    message = f"{one_line(subject)}: {why}, so this limit cannot be checked"
    return Violation(rule, message, limit.set_at, None, None, raised_by(limit))


def _modes(plan: Plan, limits: Limits, labels: Labels) -> Iterator[Violation]:
    for mode, rule in limits.modes.items():
        is_unknown = bool(labels.unknown and rule.allowed)
        # A manifest's grants may differ from table to table.
        refused = (
            (call.address, call)
            for call in plan.calls
            if call.mode is mode and (is_unknown or not labels.of(call).intersection(rule.allowed))
        )
        for address, calls in _grouped(refused).items():
            if is_unknown:
                yield _unreadable("modes", address, rule, labels.unknown)
            else:
                cells = sum(call.cells for call in calls)
                message = f"`{address}` runs {counted(cells, 'cell')} with mode `{mode}`, which is allowed {_to(rule)}"
                yield Violation("modes", message, rule.set_at, Decimal(cells), Decimal(0), raised_by(rule))


def _to(rule: Rule) -> str:
    if not rule.allowed:
        return "for no manifest"
    return f"only for manifests labelled {' or '.join(one_line(label) for label in rule.allowed)}"


def _protected(plan: Plan, protected: Mapping[str, Rule]) -> Iterator[Violation]:
    again: dict[tuple[str, str], int] = {}
    for call in plan.calls if protected else ():
        counts = reruns(call)
        for column, key in zip(call.columns, call.column_keys, strict=True):
            name = next((name for name in (column, key) if name in protected), None)
            if name is not None and counts.get(column):
                again[name, call.address] = again.get((name, call.address), 0) + counts[column]
    for (name, address), cells in sorted(again.items()):
        message = (
            f"column `{one_line(name)}` is protected, and `{address}` would run {counted(cells, 'cell')} of it again"
        )
        rule = protected[name]
        yield Violation("protected_columns", message, rule.set_at, Decimal(cells), Decimal(0), raised_by(rule))


def _forecast(forecast: ScheduleCost | None, limit: Limit | None) -> Iterator[Violation]:
    if forecast is None or limit is None:
        return
    rule, known = "forecast_per_month", forecast.cost.known
    if known > limit.value:
        message = (
            f"schedules cost {amount(known)} credits in {forecast.days} days and the limit is {amount(limit.value)}"
        )
        yield Violation(rule, message, limit.set_at, known, limit.value, raised_by(limit))
    elif forecast.cost.total is None:
        missing = _missing_prices((), [column for column, price, cells in forecast.columns if cells and price is None])
        of = f"of what schedules buy in {forecast.days} days, "
        yield _unknown(rule, of, forecast.cost.unpriced_cells, limit, missing)


def _anomalies(plan: Plan, anomaly: Anomaly | None) -> Iterator[Violation]:
    """Refuse a manifest's credits that are far above those of its last applies, if it had any."""
    if anomaly is None:
        return
    for manifest, calls in _grouped((call.manifest, call) for call in plan.calls).items():
        last = sorted(plan.last_applies.get(manifest, ())[: anomaly.last])
        if not last:
            continue
        growths = [growth for growth in plan.growth if growth.manifest == manifest and growth.max_cells]
        cost = Credits.of(calls) + Credits.sum((growth.max_credits, growth.max_cells or 0) for growth in growths)
        usual = (last[(len(last) - 1) // 2] + last[len(last) // 2]) / 2
        most, factor = usual * anomaly.factor.value, anomaly.factor
        of = f"`{one_line(manifest)}`: "
        if cost.known > most:
            message = (
                f"{of}{amount(cost.known)} credits are due, and the median of its last "
                f"{counted(len(last), 'apply', 'applies')} is {amount(usual)}; the limit is "
                f"{amount(factor.value)} times as much"
            )
            yield Violation("anomaly", message, factor.set_at, cost.known, most, raised_by(factor))
        elif cost.total is None:
            yield _unknown("anomaly", of, cost.unpriced_cells, replace(factor, value=most), "")


def _at_dearest(call: Call, lists: Sequence[Prices]) -> Call:
    """Return a call whose cells have the highest of their prices; its credits are None if a price is unknown."""
    dearest = {
        column: _dearest(lists, call.kinds.get(column, ""), key, column)
        for column, key in zip(call.columns, call.column_keys, strict=True)
    }
    cost = Credits.at((dearest[column], len(block.rows)) for block in call.covered for column in block.columns)
    return replace(call, credits=cost.total, prices=dearest)


def _dearest(lists: Sequence[Prices], kind: str, key: str, column: str) -> Decimal | None:
    found = [prices.of(kind, key, column) for prices in lists]
    known = [price for price in found if price is not None]
    return max(known) if known and len(known) == len(found) else None


def _grouped(pairs: Iterable[tuple[str, Call]]) -> dict[str, list[Call]]:
    grouped: dict[str, list[Call]] = {}
    for key, call in pairs:
        grouped.setdefault(key, []).append(call)
    return grouped


def priced(growth: ExpectedGrowth, price_of: Callable[[Column], Decimal | None]) -> ExpectedGrowth:
    """Return the growth with its maximum cost at these prices; unchanged if its cells are unknown."""
    if not growth.most:
        return growth
    prices = {column.id: price_of(column) for column, _ in growth.most}
    known = {column: price for column, price in prices.items() if price is not None}
    unpriced = tuple(column for column, _ in growth.most if column.id not in known)
    if unpriced:
        return replace(growth, max_credits=None, unpriced=unpriced)
    cost = Credits.at((known[column.id], cells) for column, cells in growth.most)
    return replace(growth, max_credits=min(cost.known, max(known.values()) * (growth.max_cells or 0)), unpriced=())
