"""The standing of the work of many machines, read all the time: by indices, not by the size of the ledger."""

from collections.abc import Collection

from sqlalchemy import func, or_, select

from reconciler.ledger import budget_windows
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import OPEN_CALL, calls, rates, units
from reconciler.model.budget import Budget
from reconciler.model.history import CallState
from reconciler.model.standing import Standing
from reconciler.model.submitted import Phase

_OPEN_PHASES = tuple(phase.value for phase in Phase if not phase.is_over)


def standing(tx: Transaction, budgets: Collection[Budget], in_flight_seconds: float) -> Standing:
    """Return how the work stands. An intent is in doubt once it is older than a call may be in flight."""
    now = tx.now()
    in_doubt = or_(calls.c.state == CallState.IN_DOUBT.value, calls.c.begun_at < now - in_flight_seconds)
    query = select(func.count(), func.min(calls.c.begun_at)).where(OPEN_CALL, in_doubt)
    count, oldest = tuple(tx.execute(query).one())
    running = select(units.c.apply_id).where(units.c.phase.in_(_OPEN_PHASES))
    phases = (
        select(units.c.phase, func.count().label("number")).where(units.c.apply_id.in_(running)).group_by(units.c.phase)
    )
    return Standing(
        calls_in_doubt=count,
        oldest_doubt_seconds=0.0 if oldest is None else max(0.0, now - oldest),
        units={Phase(row.phase): row.number for row in tx.execute(phases)},
        held={row.workspace: row.held_until > now for row in tx.execute(select(rates))},
        at=now,
        budgets=budget_windows.uses(tx, budgets),
    )
