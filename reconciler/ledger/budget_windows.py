"""Budgets against the sums of what was spent: in which window now is, and whether a call keeps what it must.

A window is a day or a month by the clocks of a time zone, and ends at their midnight; where they skip it, with the
first moment after it. Now is the store's clock, which all machines share.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from reconciler.errors import LimitExceeded
from reconciler.ledger import spent
from reconciler.ledger.store import Transaction
from reconciler.model.attempt import GrowthBound
from reconciler.model.budget import Budget, BudgetUse, RecentSums, Spent, Window
from reconciler.model.limits import Period
from reconciler.model.plan import Call
from reconciler.spending.budgets import passed
from reconciler.text.numbers import amount
from reconciler.text.sanitize import one_line

_BATCH = 500
_LONGEST_WINDOW_SECONDS = 32 * 86_400


def window(period: Period, timezone: str, now: float) -> Window:
    """Return the window that a time (seconds since the epoch) is in."""
    zone = ZoneInfo(timezone)
    today = datetime.fromtimestamp(now, zone).date()
    if period is Period.DAY:
        return Window(_midnight(today, zone), _midnight(today + timedelta(days=1), zone))
    first = today.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Window(_midnight(first, zone), _midnight(following, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day; where clocks skip midnight, they stand at a later time then."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).astimezone(zone)


def keep(tx: Transaction, call: Call, budgets: Iterable[Budget], now: float) -> None:
    """Raise LimitExceeded if a budget is passed by what was spent and a call that was just counted.

    The sums must be locked (`spent.lock`), so that of two calls that would pass it together one comes first.
    """
    for budget in budgets:
        use = _use(tx, budget, now)
        if use.left is None or use.left < 0:
            raise LimitExceeded(f"nothing was sent: {passed(use, call)}", hint=budget.limit.set_at)


def keep_growth(tx: Transaction, plan_id: str, most: GrowthBound) -> None:
    """Raise LimitExceeded if the calls of a growing manifest pass what a plan allows; the sums must be locked."""
    found = spent.of_plan(tx, most.manifest, plan_id)
    is_dear = most.credits is not None and (found.unpriced_cells > 0 or found.credits > most.credits)
    if found.cells > most.cells or is_dear:
        name = one_line(most.manifest)
        allowed = f"{most.cells:,} cells" if found.cells > most.cells else f"{amount(most.credits or 0)} credits"
        raise LimitExceeded(f"nothing was sent: `{name}` would grow beyond the {allowed} that the plan allows")


def _use(tx: Transaction, budget: Budget, now: float) -> BudgetUse:
    found = window(budget.period, budget.timezone, now)
    since = found.since.timestamp()
    if budget.table_id:
        return BudgetUse(budget, found, spent.of_table(tx, budget.table_id, since))
    return BudgetUse(budget, found, spent.of_scope(tx, budget.label, since))


def uses(tx: Transaction, budgets: Collection[Budget]) -> tuple[BudgetUse, ...]:
    """Return what was spent of each budget in its present window."""
    now = tx.now()
    windows = {key: window(*key, now) for key in {(budget.period, budget.timezone) for budget in budgets}}
    tables: dict[tuple[Period, str], dict[str, Spent]] = {}
    for key, found in windows.items():
        ids = {each.table_id for each in budgets if each.table_id and (each.period, each.timezone) == key}
        tables[key] = spent.of_tables(tx, ids, found.since.timestamp(), _BATCH)
    labels: dict[tuple[Period, str, str], Spent] = {}
    listed = []
    for budget in budgets:
        key = (budget.period, budget.timezone)
        if budget.table_id:
            own = tables[key].get(budget.table_id, Spent())
        else:
            label = (*key, budget.label)
            if label not in labels:
                labels[label] = spent.of_scope(tx, budget.label, windows[key].since.timestamp())
            own = labels[label]
        listed.append(BudgetUse(budget, windows[key], own))
    return tuple(listed)


def recent(tx: Transaction, table_ids: Collection[str]) -> RecentSums:
    """Return the sums that hold every window that now is in, in any time zone."""
    return spent.recent(tx, table_ids, tx.now() - _LONGEST_WINDOW_SECONDS, _BATCH)


def budget_uses_of(sums: RecentSums, budgets: Iterable[Budget]) -> tuple[BudgetUse, ...]:
    """Return what was spent of each budget in the window in which the sums were read, as `uses` did then."""
    listed = []
    for budget in budgets:
        found = window(budget.period, budget.timezone, sums.at)
        first = spent.quarter_of(found.since.timestamp())
        own = (
            sums.tables.get(budget.table_id, ())
            if budget.table_id
            else sums.scopes.get(spent.scope_of(budget.label), ())
        )
        listed.append(BudgetUse(budget, found, sum((each for quarter, each in own if quarter >= first), Spent())))
    return tuple(listed)


def last_applies(tx: Transaction, manifests: Iterable[str], count: int, without: str) -> dict[str, tuple[Decimal, ...]]:
    """Return the credits of each manifest's last applies, the newest first; not of the plan `without`."""
    return {manifest: tuple(spent.last_applies(tx, manifest, count, without)) for manifest in manifests}
