"""Balances × calls → what was spent beside the ledger.

A call belongs to the interval in which it began. One that is under way at the moment of a balance may be charged on the
other side of it; over the whole time that evens out.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal

from reconciler.model.balance import BalanceRecord, Interval
from reconciler.model.credits import Credits
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import CallRecord


def intervals(moments: Sequence[BalanceRecord], calls: Iterable[CallRecord]) -> tuple[Interval, ...]:
    """Return what became of the balance from each known one to the next; `moments` in time's order.

    Where the organization changes, nothing is compared. The last moment is taken to be after every call.
    """
    known = [each for each in moments if each.available is not None]
    starts = [each.at for each in known[:-1]]
    paid = [Credits() for _ in starts]
    doubtful = [Decimal(0) for _ in starts]
    for call in calls:
        place = bisect_right(starts, call.begun_at) - 1
        if place < 0 or call.is_adopted:
            continue
        paid[place] += Credits.sum([(call.credits, call.cells)] * call.payments)
        if call.state is not CallState.ACCEPTED:
            doubtful[place] += call.credits or Decimal(0)
    return tuple(
        Interval(since, until, cost.known, cost.unpriced_cells, doubt)
        for since, until, cost, doubt in zip(known, known[1:], paid, doubtful, strict=False)
        if since.organization == until.organization
    )
