"""The signs of cells that were run outside, between one count of a table and the next."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.ledger import open_ledger
from reconciler.model.balance import BalanceRecord, Move, TableCounts
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallRecord
from reconciler.model.plan import Reason
from reconciler.spending.table_moves import moves
from tests.ledger.calls_and_actors import TABLE, a_call, begin


@pytest.fixture(scope="module")
def bought(tmp_path_factory: pytest.TempPathFactory) -> CallRecord:
    """A call of three cells."""
    path: Path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    with open_ledger(str(path)) as ledger:
        begin(ledger, a_call(1))
        (call,) = ledger.calls()
    return replace(call, state=CallState.ACCEPTED, begun_at=10.0)


def found(calls: list[CallRecord], *counts: TableCounts, plans: str = "one") -> list[int]:
    """Return the cells that moved between counts at 0, 100, 200 …, the last of them now."""
    last = len(counts) - 1
    moments = [
        BalanceRecord(100.0 * at, None, plan_id="" if at == last else plans, tables=(each,))
        for at, each in enumerate(counts)
    ]
    return [move.cells for move in moves(moments, calls).get(TABLE, ())]


@pytest.mark.parametrize(
    ("before", "after", "outside"),
    [
        ((5, 2, 0, 0), (8, 2, 0, 0), []),  # just what was bought
        ((5, 2, 0, 0), (10, 2, 0, 0), [2]),  # done, and bought by no call
        ((5, 2, 0, 0), (9, 1, 0, 0), [1]),  # failed cells that were run again
        ((5, 2, 0, 0), (8, 4, 0, 0), [2]),  # run, and failed
        ((5, 2, 0, 0), (6, 2, 1, 0), [1]),  # ours are not all done, one of another's is
        ((5, 2, 0, 3), (11, 2, 0, 0), []),  # also what was bought before, and has become done since
        ((5, 2, 4, 0), (8, 2, 0, 0), []),  # adopted since
        ((5, 2, 0, 0), (0, 0, 0, 0), []),  # rows or columns are gone
    ],
)
def test_each_sign_tells_and_ours_are_not_counted(
    bought: CallRecord, before: tuple[int, ...], after: tuple[int, ...], outside: list[int]
) -> None:
    """Three cells were bought in between."""
    assert found([bought], TableCounts(TABLE, *before), TableCounts(TABLE, *after)) == outside


def test_a_call_counts_in_the_time_in_which_it_began(bought: CallRecord) -> None:
    """At a moment itself: after it. Adoptions, and calls before the first count or of other tables, count in none."""
    steps = [TableCounts(TABLE, done, 0, 0, 0) for done in (0, 3, 6)]
    second = replace(bought, begun_at=100.0)
    assert found([bought, second], *steps) == []
    assert found([bought], *steps) == [3]
    for other in (
        replace(second, begun_at=-1.0),
        replace(second, table_id="other"),
        replace(second, reason=Reason.ADOPTED, payments=0),
    ):
        assert found([bought, other], *steps) == [3]
    assert found([bought, replace(bought, begun_at=1e12)], *steps) == []


def test_a_table_that_an_apply_did_not_read_is_compared_over_it(bought: CallRecord) -> None:
    """From the count before to the one after."""
    moments = [
        BalanceRecord(0.0, None, plan_id="a", tables=(TableCounts(TABLE, 0, 0, 0, 0),)),
        BalanceRecord(50.0, None, plan_id="b"),
        BalanceRecord(100.0, None, tables=(TableCounts(TABLE, 4, 0, 0, 0),)),
    ]
    assert moves(moments, [bought]) == {TABLE: (Move(0.0, 100.0, 1, lasts=True),)}
