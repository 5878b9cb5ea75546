"""The audit trail: appended to in the transaction that changes what the event is about, never changed."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from reconciler.ledger import codec
from reconciler.ledger.prepared import Prepared
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import events
from reconciler.model.ledger_entries import EventKind, EventRecord

_earlier = events.alias()
_NEXT = select(func.coalesce(func.max(_earlier.c.seq), 0) + 1).where(_earlier.c.table_id == bindparam("of_table"))
# Inline: the `seq` is not needed afterwards, so the store need not return it.
_APPEND = Prepared(
    insert(events)
    .values(
        table_id=bindparam("of_table"),
        seq=_NEXT.scalar_subquery(),
        call_id=bindparam("call_id"),
        attempt=bindparam("attempt"),
        kind=bindparam("kind"),
        at=bindparam("at"),
        detail=bindparam("detail"),
    )
    .inline()
)


def append(
    tx: Transaction,
    *,
    table_id: str,
    kind: EventKind,
    at: float,
    detail: Mapping[str, Any] | str,
    attempt: tuple[str, int] | None = None,
) -> None:
    """Add an event with its details, or with what `details` made of them. `seq` is unique as the table's row is locked.

    `attempt` is the call's id and the attempt's number; None for an event of the table itself.
    """
    call_id, number = attempt or (None, None)
    values = {"of_table": table_id, "call_id": call_id, "attempt": number, "kind": kind.value, "at": at}
    values["detail"] = detail if isinstance(detail, str) else details(detail)
    _APPEND.run(tx, values)


def details(detail: Mapping[str, Any]) -> str:
    """Return details as they are stored, the empty ones left out."""
    return codec.encode({key: value for key, value in detail.items() if value not in (None, "")})


def of_call(tx: Transaction, call_id: str) -> list[EventRecord]:
    """Return a call's events, oldest first."""
    rows = tx.execute(select(events).where(events.c.call_id == call_id).order_by(events.c.seq)).all()
    return [codec.event_record(row) for row in rows]
