"""Leases: who may begin calls for a table, until when. A row with owner, expiry by the store's clock, fencing number.

Not a lock of the store's: session locks break behind a pooling proxy, and one without an expiry outlives a killed job.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from reconciler.errors import Leased
from reconciler.ledger import codec
from reconciler.ledger.clocks import Moment
from reconciler.ledger.events import append
from reconciler.ledger.prepared import Prepared
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import LEASE_COLUMNS, tables
from reconciler.model.attempt import Actor
from reconciler.model.ledger_entries import EventKind, Lease

_FREE: dict[str, None] = dict.fromkeys(LEASE_COLUMNS)
_BATCH = 500
_LOCK = (
    select(tables)
    .where(tables.c.table_id.in_(bindparam("ids", expanding=True)))
    .order_by(tables.c.table_id)
    .with_for_update()
)
_LOCK_ONE = Prepared(select(tables).where(tables.c.table_id == bindparam("id")).with_for_update())


def lock_one(tx: Transaction, table_id: str) -> Row[Any]:
    """Do what `lock` does, for one table: a statement that need not be adapted to how many there are."""
    row: Row[Any] | None = _LOCK_ONE.first(tx, {"id": table_id})
    return lock(tx, [table_id])[0] if row is None else row


def lock(tx: Transaction, table_ids: Collection[str]) -> list[Row[Any]]:
    """Lock the rows of tables until the transaction ends, making those that are missing; sorted by table id.

    Every write does this first and in this order, so that no two writers wait for each other in a circle.
    """
    return [row for batch in _batches(table_ids) for row in _lock_batch(tx, batch)]


def _lock_batch(tx: Transaction, table_ids: Sequence[str]) -> Sequence[Row[Any]]:
    rows = tx.execute(_LOCK, {"ids": table_ids}).all()
    if len(rows) == len(table_ids):
        return rows
    known = {row.table_id for row in rows}
    for table_id in table_ids:
        if table_id not in known:
            try:
                with tx.connection.begin_nested():
                    tx.execute(insert(tables), {"table_id": table_id, "version": 0, "fence": 0})
            except IntegrityError:
                continue  # another process has just made it
    return tx.execute(_LOCK, {"ids": table_ids}).all()


def _batches(table_ids: Collection[str]) -> list[list[str]]:
    ordered = sorted(set(table_ids))
    return [ordered[start : start + _BATCH] for start in range(0, len(ordered), _BATCH)]


def is_live(row: Row[Any], moment: Moment) -> bool:
    """Return True if the table's lease is held and has not expired."""
    return row.owner is not None and codec.lease_ends(row, moment) > moment.now


def require(row: Row[Any], lease: Lease | None, moment: Moment) -> None:
    """Raise Leased unless `lease` is still the table's, or none is held and none was given."""
    if lease is None:
        if is_live(row, moment):
            raise _refused([row], moment)
        return
    if row.owner == lease.owner and row.fence == lease.fence and is_live(row, moment):
        return
    if is_live(row, moment) and row.fence != lease.fence:
        raise Leased(f"the lease was lost: {held_by([row], moment)}", hint="Plan again.")
    raise Leased(f"the lease of table {row.table_id} was lost: it had run out or was released", hint="Plan again.")


def refusal(tx: Transaction, rows: Sequence[Row[Any]], owner: str, moment: Moment) -> Leased | None:
    """Return the error for those of the locked rows that others than `owner` hold; the caller raises it once committed.

    A lease that seems to end later than it can was taken before the store's clock was set back, by an unknown amount.
    From now on it ends as if it had just been renewed, which is never too early; its holder renews it if it lives. That
    is written down: if each look started again, the lease would last until the clock has caught up.
    """
    held = [row for row in rows if is_live(row, moment) and row.owner != owner]
    for row in held:
        ends = codec.lease_ends(row, moment)
        if ends < moment.translated(row.expires_at, row):
            values = {"expires_at": ends, "boot": None, "booted_at": None}
            tx.execute(update(tables).where(tables.c.table_id == row.table_id).values(**values))
    return _refused(held, moment) if held else None


def acquire(
    tx: Transaction, table_ids: Collection[str], owner: str, actor: Actor, seconds: float
) -> tuple[Lease, ...] | Leased:
    """Take the leases of all tables or of none; the owner's own live lease is replaced.

    Returns Leased, for the caller to raise after the commit, where others hold one.
    """
    rows = lock(tx, table_ids)
    moment = tx.moment()
    refused = refusal(tx, rows, owner, moment)
    if refused is not None:
        return refused
    now = moment.now
    values = {"owner": owner, **codec.actor_values(actor), "acquired_at": now, **_term(moment, seconds)}
    for batch in _batches(table_ids):
        tx.execute(update(tables).where(tables.c.table_id.in_(batch)).values(fence=tables.c.fence + 1, **values))
    return tuple(
        Lease(
            table_id=row.table_id,
            owner=owner,
            actor=actor,
            acquired_at=now,
            expires_at=now + seconds,
            fence=row.fence + 1,
            table_version=row.version,
            remaining_seconds=seconds,
        )
        for row in rows
    )


def renew(tx: Transaction, leases: Collection[Lease], seconds: float) -> tuple[Lease, ...]:
    """Extend leases to `seconds` from now, all or none. Raises Leased when one was lost."""
    by_table = {lease.table_id: lease for lease in leases}
    rows = lock(tx, by_table)
    moment = tx.moment()
    now = moment.now
    for row in rows:
        require(row, by_table[row.table_id], moment)
    for batch in _batches(by_table):
        tx.execute(update(tables).where(tables.c.table_id.in_(batch)).values(**_term(moment, seconds)))
    return tuple(
        Lease(
            table_id=row.table_id,
            owner=row.owner,
            actor=by_table[row.table_id].actor,
            acquired_at=row.acquired_at,
            expires_at=now + seconds,
            fence=row.fence,
            table_version=row.version,
            remaining_seconds=seconds,
        )
        for row in rows
    )


def release(tx: Transaction, leases: Collection[Lease]) -> None:
    """Give leases back; one that was lost in the meantime belongs to another apply and is left alone."""
    by_table = {lease.table_id: lease for lease in leases}
    for row in lock(tx, by_table):
        lease = by_table[row.table_id]
        if row.owner == lease.owner and row.fence == lease.fence:
            tx.execute(update(tables).where(tables.c.table_id == row.table_id).values(**_FREE))


def held(tx: Transaction) -> list[Lease]:
    """Return the leases that are not given back, also those that have expired, by table."""
    rows = tx.execute(select(tables).where(tables.c.owner.is_not(None)).order_by(tables.c.table_id)).all()
    moment = tx.moment()
    return [codec.lease(row, moment) for row in rows]


def force_release(tx: Transaction, table_id: str, reason: str, actor: Actor) -> Lease | None:
    """Take a lease away from its holder, whose next write fails; kept as an event. Returns None if none was held."""
    known = tx.execute(select(tables.c.table_id).where(tables.c.table_id == table_id)).first()
    if known is None:
        return None
    row = lock_one(tx, table_id)
    if row.owner is None:
        return None
    moment = tx.moment()
    lease = codec.lease(row, moment)
    tx.execute(update(tables).where(tables.c.table_id == table_id).values(fence=tables.c.fence + 1, **_FREE))
    detail = {
        "reason": reason,
        "who": actor.name,
        "ci_run": actor.ci_run,
        "owner": lease.owner,
        "holder": lease.actor.name,
        "acquired_at": lease.acquired_at,
        "expires_at": lease.expires_at,
    }
    append(tx, table_id=table_id, kind=EventKind.LEASE_RELEASED, at=moment.now, detail=detail)
    return lease


def _term(moment: Moment, seconds: float) -> dict[str, Any]:
    return {"expires_at": moment.now + seconds, "lease_seconds": seconds, **moment.values()}


def _refused(rows: Sequence[Row[Any]], moment: Moment) -> Leased:
    return Leased(held_by(rows, moment), hint="Wait for it, or run `reconciler ledger release` if it is dead.")


def held_by(rows: Sequence[Row[Any]], moment: Moment) -> str:
    """Say who holds the tables of these rows, since when and for how long."""
    lines = [_holder(row, moment) for row in rows[:5]]
    if len(rows) > 5:
        lines.append(f"and {len(rows) - 5} tables more")
    return "\n".join(lines)


def _holder(row: Row[Any], moment: Moment) -> str:
    ends = codec.lease_ends(row, moment)
    run = f" (CI run {row.ci_run})" if row.ci_run else ""
    return (
        f"another apply holds table {row.table_id}: {row.actor}{run}, since {when(row.acquired_at)}, "
        f"for {max(0.0, ends - moment.now):.0f} s more (until {when(ends)}) unless it is renewed"
    )


def when(seconds: float) -> str:
    """Return a store's time as people read it, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
