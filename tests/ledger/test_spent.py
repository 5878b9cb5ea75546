"""Sums of what was spent: equal to the calls at every moment, on both stores, whatever happens to them."""

import threading
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import LimitExceeded
from reconciler.ledger import Ledger, open_ledger, spent
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import spent as by_table
from reconciler.ledger.tables import spent_totals
from reconciler.model.attempt import Intent, Settlement, Verdict
from reconciler.model.budget import Budget, Charge
from reconciler.model.history import CallState
from reconciler.model.limits import Limit, Period, Unit
from tests.ledger.calls_and_actors import (
    ALICE,
    OTHER_TABLE,
    TABLE,
    Clock,
    a_call,
    accepted,
    before_statement,
    begin,
    ended,
)

Opener = Callable[[], Ledger]


def a_budget(value: str, unit: Unit = Unit.CREDITS, period: Period = Period.DAY, **more: Any) -> Budget:
    """Return a budget of the project file."""
    limit = Limit(Decimal(value), "reconciler.yaml:9")
    return Budget(f"per_{period}.max_{unit}", period, unit, limit, limit.value, **{"timezone": "UTC", **more})


def used(ledger: Ledger, **more: Any) -> Any:
    """Return what was spent in a budget's window: cells, credits and unpriced cells."""
    (use,) = ledger.budget_uses([a_budget("1", **more)])
    return use.spent.cells, use.spent.credits, use.spent.unpriced_cells


def sums(tx: Transaction) -> tuple[list[Any], list[Any]]:
    """Return every sum there is, without those that came back to nothing."""
    both = []
    for table in (by_table, spent_totals):
        rows = [tuple(row) for row in tx.execute(table.select())]
        both.append(sorted(row for row in rows if any(row[-3:])))
    return both[0], both[1]


def recounted(ledger: Ledger) -> None:
    """See that the sums are those of the calls."""

    def check(tx: Transaction) -> None:
        before = sums(tx)
        for table in (by_table, spent_totals):
            tx.execute(table.delete())
        spent.count_all(tx, 100)
        assert sums(tx) == before

    ledger._store.write(check)


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (CallState.INTENT, True),
        (CallState.ACCEPTED, True),
        (CallState.IN_DOUBT, True),
        (CallState.REFUSED, False),
        (CallState.NOT_SENT, False),
    ],
)
def test_a_call_counts_from_its_intent_until_it_is_known_not_to_have_landed(
    ledger: Ledger, state: CallState, counts: bool
) -> None:
    """For all, for its table and for each of its labels."""
    ticket = begin(ledger, a_call(1), labels={"team": "gtm", "tier": "a"})
    assert used(ledger) == (3, 3, 0)
    if state is not CallState.INTENT:
        ledger.end(ticket, ended(state))
    expected = (3, Decimal(3), 0) if counts else (0, 0, 0)
    for scope in ({}, {"table_id": TABLE}, {"label": "team=gtm"}, {"label": "tier=a"}):
        assert used(ledger, **scope) == expected
    assert used(ledger, table_id=OTHER_TABLE) == used(ledger, label="team=ops") == (0, 0, 0)
    recounted(ledger)


@pytest.mark.parametrize("landed", [True, False])
def test_a_doubt_gives_back_once_it_ends_as_not_landed(ledger: Ledger, landed: bool) -> None:
    """Whoever says so; and a late acceptance counts again."""
    ticket = begin(ledger, a_call(1))
    ledger.end(ticket, ended(CallState.IN_DOUBT))
    ledger.resolve(Verdict(ticket.call_id, 1, landed, "looked", ALICE))
    assert used(ledger)[0] == (3 if landed else 0)
    ledger.end(ticket, accepted())
    assert used(ledger)[0] == 3
    recounted(ledger)


def test_a_call_that_was_paid_for_twice_counts_twice(ledger: Ledger, clock: Clock) -> None:
    """An acceptance that comes late never takes the place of another."""
    first = begin(ledger, a_call(1))
    ledger.end(first, ended(CallState.NOT_SENT))
    clock.now += 86400
    second = begin(ledger, a_call(1))
    assert used(ledger) == (3, 3, 0)
    ledger.end(second, accepted())
    with pytest.raises(Exception, match="had begun"):
        ledger.end(first, accepted("run-2"))
    assert used(ledger) == (6, 6, 0)
    recounted(ledger)


def test_cells_beyond_those_planned_count(ledger: Ledger) -> None:
    """At the call's own price: the account was charged for them."""
    ledger.end(begin(ledger, a_call(1, credits=Decimal("0.3"))), accepted(requested=5))
    assert used(ledger) == (5, Decimal("0.5"), 0)
    recounted(ledger)


def test_a_price_that_is_not_known_is_never_nothing(ledger: Ledger) -> None:
    """Its cells are counted apart."""
    begin(ledger, a_call(1, credits=None))
    assert used(ledger) == (3, 0, 3)
    recounted(ledger)


def test_a_call_may_count_more_than_it_says(ledger: Ledger, opener: Opener) -> None:
    """At a base's price and under its labels; an import keeps that."""
    charge = Charge(Decimal("4.5"), ("team=gtm", "team=ops"))
    ticket = ledger.begin(Intent(a_call(1), "sha256:plan", ALICE, {"team": "ops"}, 0, charge=charge))
    assert used(ledger, label="team=gtm") == used(ledger, label="team=ops") == (3, Decimal("4.5"), 0)
    recounted(ledger)
    ledger.end(ticket, ended(CallState.REFUSED))
    assert used(ledger, label="team=gtm") == (0, 0, 0)


def test_sums_of_a_hundred_prices_are_exact(ledger: Ledger) -> None:
    """A hundred times 0.1 is 10."""
    for number in range(100):
        begin(ledger, a_call(number, table=f"t{number % 3}", credits=Decimal("0.1")))
    assert used(ledger)[1] == 10


def test_a_budget_is_kept_in_the_intents_transaction(ledger: Ledger, other: Ledger) -> None:
    """Equal passes; what passes it is not recorded, and leaves the table as it was."""
    budgets = (a_budget("6"),)

    def intent(number: int, table: str = TABLE, version: int = 0) -> Intent:
        return Intent(a_call(number, table=table), "sha256:plan", ALICE, {}, version, budgets=budgets)

    first = ledger.begin(intent(1))
    other.begin(intent(2, OTHER_TABLE))
    with pytest.raises(LimitExceeded, match=r"9 credits would be spent since .*the budget is 6 a day") as caught:
        ledger.begin(intent(3, version=1))
    assert caught.value.hint == "reconciler.yaml:9"
    assert len(ledger.calls()) == 2
    ledger.end(first, ended(CallState.NOT_SENT))
    ledger.begin(intent(3, version=1))
    recounted(ledger)


@pytest.mark.parametrize(
    ("zone", "period", "before", "after"),
    [
        ("UTC", Period.DAY, "2026-11-26T23:59:59+00:00", "2026-11-27T00:00:00+00:00"),
        ("Europe/Berlin", Period.DAY, "2026-10-25T22:59:59+00:00", "2026-10-25T23:00:00+00:00"),
        ("Europe/Berlin", Period.DAY, "2026-03-29T21:59:59+00:00", "2026-03-29T22:00:00+00:00"),
        ("Asia/Kathmandu", Period.DAY, "2026-11-26T18:14:59+00:00", "2026-11-26T18:15:00+00:00"),
        ("Africa/Cairo", Period.DAY, "2026-04-23T21:59:59+00:00", "2026-04-23T22:00:00+00:00"),
        ("America/Havana", Period.DAY, "2026-11-01T03:59:59+00:00", "2026-11-01T04:00:00+00:00"),
        ("Pacific/Kiritimati", Period.MONTH, "2027-02-28T09:59:59+00:00", "2027-02-28T10:00:00+00:00"),
        ("Europe/Berlin", Period.MONTH, "2026-12-31T22:59:59+00:00", "2026-12-31T23:00:00+00:00"),
        ("UTC", Period.MONTH, "2028-02-29T23:59:59+00:00", "2028-03-01T00:00:00+00:00"),
    ],
)
def test_windows_turn_at_midnight(
    ledger: Ledger, clock: Clock, zone: str, period: Period, before: str, after: str
) -> None:
    """By the clocks of the zone: as they change, where midnight is skipped or comes twice, and as months end."""
    clock.now = datetime.fromisoformat(before).timestamp()
    begin(ledger, a_call(1))
    assert used(ledger, period=period, timezone=zone)[0] == 3
    clock.now = datetime.fromisoformat(after).timestamp()
    assert used(ledger, period=period, timezone=zone)[0] == 0
    begin(ledger, a_call(2))
    assert used(ledger, period=period, timezone=zone)[0] == 3


def test_folding_and_archiving_keep_the_sums(ledger: Ledger, opener: Opener, clock: Clock) -> None:
    """And an import brings them along; with the archive beside it nothing counts twice."""
    for number in range(1, 4):
        ticket = begin(ledger, a_call(number))
        ledger.end(ticket, accepted())
        ledger.settle(ticket.call_id, Settlement(3, 0, 0))
        clock.now += 1
    before = used(ledger)
    assert before == (9, 9, 0)
    lines: list[str] = []
    assert ledger.compact(TABLE) == 3
    assert ledger.archive(clock.now, lines.extend) == 2
    assert used(ledger) == before
    whole = list(ledger.export())
    if ledger.location.startswith("postgresql"):
        return
    with open_ledger(str(Path(ledger.location.removeprefix("sqlite:///")).with_name("second.db")), clock=clock) as copy:
        for _ in range(2):
            copy.load(whole)
            assert used(copy) == before
        copy.load(lines)
        assert used(copy) == used(copy, label="team=gtm") == before
        recounted(copy)


def test_the_last_applies_of_a_manifest(ledger: Ledger, clock: Clock) -> None:
    """The newest first, each plan once, over all its tables; not what was not sent, nor the plan that is left out."""
    for number, (plan, price) in enumerate([("p1", 1), ("p2", 2), ("p2", 3), ("p3", 4), ("p4", 5), ("p5", 9)]):
        call = a_call(number, table=f"t{number}", credits=Decimal(price))
        ticket = begin(ledger, call, plan_id=plan)
        ledger.end(ticket, ended(CallState.REFUSED if plan == "p4" else CallState.ACCEPTED))
        clock.now += 3600
    assert ledger.last_applies(["accounts"], 2, without="p5") == {"accounts": (Decimal(4), Decimal(5))}
    assert ledger.last_applies(["accounts"], 9) == {"accounts": tuple(map(Decimal, (9, 4, 5, 1)))}
    assert ledger.last_applies(["others"], 2) == {"others": ()}


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_intents_of_two_quarters_keep_a_budget_together(url: str) -> None:
    """The second waits for the first although no row of the sums is the same; otherwise neither sees the other."""
    clocks = [Clock(), Clock(Clock().now + spent.QUARTER_SECONDS)]
    with open_ledger(url, clock=clocks[0]) as one, open_ledger(url, clock=clocks[1]) as two:
        # The table's own budget is looked at after the other: there the first stops.
        intents = [
            Intent(
                a_call(number, table=table),
                "sha256:plan",
                ALICE,
                {},
                0,
                budgets=(a_budget("5"), a_budget("5", table_id=table)),
            )
            for number, table in enumerate((TABLE, OTHER_TABLE))
        ]
        refused: list[str] = []

        def follow() -> None:
            try:
                two.begin(intents[1])
            except LimitExceeded as error:
                refused.append(error.message)

        second = threading.Thread(target=follow)

        def meanwhile() -> None:
            second.start()
            second.join(0.5)

        before_statement(one, "SELECT coalesce(sum(reconciler.spent.", meanwhile)
        one.begin(intents[0])
        second.join()
        assert len(refused) == len(one.calls()) == 1
