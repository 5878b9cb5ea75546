"""Which date of each schedule was planned last: of several workers one plans a date, and a date is submitted once.

A claim saves work and nothing more; it runs out if whoever planned has died. What decides is that a date is noted in
the transaction that submits its plan, by whoever comes first.
"""

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import select, text, update

from reconciler.errors import StalePlan
from reconciler.ledger import codec
from reconciler.ledger.store import Store, Transaction
from reconciler.ledger.tables import POSTGRES_SCHEMA, schedules
from reconciler.model.schedule import Schedule, Tick

# As text: SQLAlchemy's dialect of the server, which could write it, takes a tenth of the time to load the ledger.
_FIRST = f"{schedules.name} (name, workspace, ticked_at, content) VALUES (:name, :workspace, :ticked_at, :content)"
_BEGIN = text(f"INSERT INTO {POSTGRES_SCHEMA}.{_FIRST} ON CONFLICT DO NOTHING")


class Schedules:
    """The dates of the schedules of a ledger on a server. Every method may raise a LedgerError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(
        self, schedule: Schedule, last_date: Callable[[float], float | None], owner: str, seconds: float
    ) -> Tick | None:
        """Take the last date of a schedule to plan it within so many seconds; None if it was planned, or is being.

        `last_date` tells the last date up to a time, both in seconds since the epoch: those that were missed before it
        do not come again. A schedule that is seen for the first time begins with its next date.
        """

        def work(tx: Transaction) -> Tick | None:
            now = tx.now()
            date = last_date(now)
            row = tx.execute(select(schedules).where(schedules.c.name == schedule.key).with_for_update()).first()
            if row is None:
                first: codec.Values = {"name": schedule.key, "workspace": codec.storable_text(schedule.workspace)}
                first |= {"ticked_at": now if date is None else date, "content": "{}"}
                tx.execute(_BEGIN, first)
                return None
            if date is None or date <= row.ticked_at or float(_content(row.content).get("until", 0.0)) > now:
                return None
            _write(tx, schedule.key, {"owner": owner, "until": now + seconds})
            return Tick(schedule.key, date, owner)

        return self._store.write(work)

    def renew(self, tick: Tick, seconds: float) -> None:
        """Renew the claim on a date; does nothing if the date was planned, or another worker claimed it."""

        def work(tx: Transaction) -> None:
            row = tx.execute(select(schedules).where(schedules.c.name == tick.schedule).with_for_update()).first()
            if row is None or row.ticked_at >= tick.date:
                return
            if _content(row.content).get("owner") == tick.owner:
                _write(tx, tick.schedule, {"owner": tick.owner, "until": tx.now() + seconds})

        self._store.write(work, repeatable=True)

    def end(self, tick: Tick, outcome: str) -> None:
        """Note that a date needs no plan any more, and why."""
        self._store.write(lambda tx: end(tx, tick, outcome))

    def last(self) -> dict[str, tuple[float, str]]:
        """Return the last date of each schedule that was ended, and how."""

        def work(tx: Transaction) -> dict[str, tuple[float, str]]:
            return {
                row.name: (row.ticked_at, str(_content(row.content).get("outcome", "")))
                for row in tx.execute(select(schedules).order_by(schedules.c.name))
            }

        return self._store.read(work)


def end(tx: Transaction, tick: Tick, outcome: str) -> None:
    """Note, within a transaction, how a date ended. Raises StalePlan, and the transaction fails, if another came first.

    The outcome of an earlier date that is noted late does not count either.
    """
    mine = (schedules.c.name == tick.schedule) & (schedules.c.ticked_at < tick.date)
    content = {"outcome": codec.storable_text(outcome)}
    done = tx.execute(update(schedules).where(mine).values(ticked_at=tick.date, content=json.dumps(content)))
    if not done.rowcount:
        raise StalePlan(
            f"this date of the schedule `{tick.schedule}` was planned by another worker; nothing was submitted",
            hint="There is nothing to do.",
        )


def _content(written: str) -> dict[str, Any]:
    found = json.loads(written)
    return found if isinstance(found, dict) else {}


def _write(tx: Transaction, name: str, content: dict[str, Any]) -> None:
    tx.execute(update(schedules).where(schedules.c.name == name).values(content=json.dumps(content)))
