"""Random plans over a ledger with random spending: budgets say what counting each call by its own day would say."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.documents.snapshot_file import decode, encode
from reconciler.ledger import budget_uses_of, open_ledger, spent
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import tables
from reconciler.model.budget import Budget
from reconciler.model.limits import Budgets, Cap, Limit, Limits, Period, Unit
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.plan import Plan
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import make_plan
from reconciler.spending.doubt import judge
from reconciler.spending.limits_check import counted_in_budgets
from tests.example_counts import examples
from tests.planning.random_worlds import World, worlds
from tests.planning.tables_and_manifests import QUIET, TABLE

OTHER = "5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50"
ZONES = ("UTC", "Asia/Kathmandu", "Pacific/Kiritimati", "America/St_Johns", "Europe/Berlin")
LABELS = ("team=a", "team=b")


@dataclass(frozen=True)
class Bought:
    """A call that was paid for."""

    table_id: str
    hours_ago: float
    cells: int
    price: Decimal | None
    """Of all its cells."""
    label: str


amounts = st.integers(0, 40)
purchases = st.builds(
    Bought,
    st.sampled_from([TABLE, OTHER]),
    st.floats(0, 24 * 33),
    st.integers(1, 9),
    st.none() | st.decimals(0, 9, places=2),
    st.sampled_from(LABELS),
)
limit = st.none() | amounts.map(lambda value: Limit(Decimal(value), "reconciler.yaml:5"))
budgets = st.builds(Budgets, limit, limit, limit, limit)
limits = st.builds(
    Limits,
    budgets=budgets,
    per_table=st.builds(Cap, budgets=budgets),
    per_label=st.dictionaries(st.sampled_from(LABELS), st.builds(Cap, budgets=budgets)),
    timezone=st.sampled_from(ZONES),
)


def counts(budget: Budget, table: str, labels: tuple[str, ...]) -> bool:
    """Say whether a call is one of those that a budget is about."""
    return (not budget.table_id or table == budget.table_id) and (not budget.label or budget.label in labels)


def is_now(budget: Budget, at: float, now: float) -> bool:
    """Say whether a time is in the day or month that now is in."""
    then, today = (datetime.fromtimestamp(each, ZoneInfo(budget.timezone)).date() for each in (at, now))
    return then == today if budget.period is Period.DAY else (then.year, then.month) == (today.year, today.month)


def by_hand(budget: Budget, plan: Plan, bought: list[Bought], now: float) -> Iterator[tuple[int, Decimal | None, bool]]:
    """Yield cells, price and whether it is due of each call that counts."""
    for each in bought:
        if counts(budget, each.table_id, (each.label,)) and is_now(budget, now - 3600 * each.hours_ago, now):
            yield each.cells, each.price, False
    for call in plan.calls:
        (team,) = {each.labels.get("team", "") for each in plan.tables if each.manifest == call.manifest}
        if counts(budget, call.table_id, (f"team={team}",)):
            yield call.cells, call.credits, True


def keep(tx: Transaction, bought: list[Bought], now: float) -> None:
    """Add to the sums."""
    tx.execute(tables.insert(), [{"table_id": each, "version": 1, "fence": 1} for each in (TABLE, OTHER)])
    for number, each in enumerate(bought):
        heap = spent.Heap(each.table_id, spent.quarter_of(now - 3600 * each.hours_ago), f"{number}", "m", (each.label,))
        price = each.price
        amount = (0, each.cells) if price is None else (int(price * 1_000_000), 0)
        spent.add(tx, [(heap, spent.Amount(each.cells, *amount))])


def planned(world: World) -> Plan:
    """Plan for the world's manifests, each with a label."""
    judged, _ = judge(world.history, world.table, QUIET)
    names = (label.partition("=")[2] for label in LABELS * len(world.manifests))
    labelled = [replace(each, labels={"team": name}) for each, name in zip(world.manifests, names, strict=False)]
    inputs = PlanInputs(tuple(labelled), {TABLE: world.table}, {TABLE: judged}, world.settings)
    return make_plan(inputs)


@settings(max_examples=examples(400))
@given(worlds(), st.lists(purchases, max_size=12), limits)
def test_budgets_are_the_sums_of_their_calls(world: World, bought: list[Bought], asked: Limits) -> None:
    """From the ledger and from a snapshot of it; a plan is refused exactly if a sum passes its limit or is unknown."""
    plan = planned(world)
    counted = counted_in_budgets(plan, asked, None)
    with TemporaryDirectory() as folder, open_ledger(str(Path(folder) / "ledger.db")) as ledger:
        ledger.initialise()
        now = datetime.now(UTC).timestamp()
        ledger._store.write(lambda tx: keep(tx, bought, now))
        uses, sums = ledger.budget_uses(counted.budgets()), ledger.recent_sums([TABLE])
    assume(spent.quarter_of(sums.at) == spent.quarter_of(now))
    live = LiveSnapshot("2026-01-01T00:00:00Z", "1.0.0", "https://api.extruct.ai", {}, {}, {}, sums=sums)
    kept = decode(encode(live, None), None).sums
    assert kept is not None
    assert budget_uses_of(kept, counted.budgets()) == uses
    passed = set()
    for use in counted.used(uses):
        found = list(by_hand(use.budget, plan, bought, now))
        assert use.spent.cells == sum(cells for cells, _, is_due in found if not is_due)
        assert use.after == sum(
            Decimal(cells) if use.budget.unit is Unit.CELLS else price or 0 for cells, price, _ in found
        )
        is_unknown = use.budget.unit is Unit.CREDITS and any(price is None for _, price, _ in found)
        if is_unknown or use.after > use.budget.value:
            passed.add((use.budget.rule, use.budget.limit.value))
    assert {(each.rule, each.limit) for each in counted.violations(uses)} == passed
