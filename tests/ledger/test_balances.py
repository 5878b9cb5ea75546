"""The balance that each apply found: kept in both stores, and moved with the ledger."""

import json
from decimal import Decimal
from pathlib import Path

from reconciler.ledger import Ledger, open_ledger
from reconciler.model.account import Account
from reconciler.model.balance import BalanceRecord, TableCounts
from tests.ledger.calls_and_actors import Clock
from tests.ledger.conftest import Opener


def account(available: str | None) -> Account:
    """Return an account with that many credits."""
    return Account("org-1", available=None if available is None else Decimal(available))


def test_a_balance_is_kept_with_its_time(ledger: Ledger, opener: Opener, clock: Clock) -> None:
    """Exact, as of when it was read, with the tables, and seen by others; once for a moment."""
    began = clock.now
    found = (TableCounts("t1", 40, 2, 1, 3), TableCounts("t2", 0, 0, 0, 0))
    ledger.note_balance("p1", account("2410.125"), found, age_seconds=5.0)
    clock.now += 100
    ledger.note_balance("p2", account(None), age_seconds=0.0)
    ledger.note_balance("p2", account("7"), found, age_seconds=0.0)
    first = BalanceRecord(began - 5, Decimal("2410.125"), "org-1", "p1", found)
    second = BalanceRecord(began + 100, None, "org-1", "p2")
    other = opener()
    assert other.balances() == [first, second]
    assert other.balances(since=began) == [second]
    assert other.balances(until=began) == [first]


def test_balances_are_exported_and_imported(ledger: Ledger, tmp_path: Path) -> None:
    """With the rest of the ledger; a second time for nothing."""
    ledger.note_balance("p1", account("0.1"), [TableCounts("t1", 40, 2, 1, 3)], age_seconds=0.0)
    lines = list(ledger.export())
    kinds = [json.loads(line)["type"] for line in lines]
    assert (kinds.count("balance"), kinds.count("counts")) == (1, 1)
    before = ledger.balances()
    with open_ledger(str(tmp_path / "other.db")) as other:
        for _ in range(2):
            other.load(lines)
            assert other.balances() == before
