"""Moving the audit trail of old calls out of a ledger, into a file; what planning needs of them stays in checkpoints.

The file is an export of these calls and their events alone. They are deleted only once it is safely written, and only
those that are in it: a crash in between leaves them in both, and whoever reads both counts them once.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Row, delete, func, select, true

from reconciler.errors import LedgerError
from reconciler.ledger import codec, export_lines, leases, transfer
from reconciler.ledger.clocks import Moment
from reconciler.ledger.extents import EVERYTHING, WITH_ROWS, Extent
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import calls, events
from reconciler.model.ledger_entries import CallRecord
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

MOST_CALLS = 500
"""Deleted in one transaction."""


def export(tx: Transaction, before: float, archived: list[tuple[str, str]]) -> Iterator[str]:
    """Yield an archive of the folded calls that began before a time, line by line; note each call and its table.

    Raises LedgerError for a time that has not come: an archive is of what is over.
    """
    if before > tx.now():
        raise LedgerError("the date of an archive cannot lie in the future", hint="Name a date that is over.")
    yield transfer.header(tx, **{transfer.ARCHIVED_BEFORE: before})
    old = (calls.c.folded == true()) & (calls.c.begun_at < before) & calls.c.id.not_in(_newest())
    of_calls = select(*EVERYTHING).select_from(WITH_ROWS).where(old).order_by(calls.c.id)
    of_events = (
        select(events).join(calls, calls.c.id == events.c.call_id).where(old).order_by(events.c.table_id, events.c.seq)
    )
    counts = {"call": 0, "event": 0}
    for line in transfer.lines(tx, "call", calls, of_calls):
        counts["call"] += 1
        yield line
    archived += [(row.table_id, row.id) for row in tx.execute(select(calls.c.table_id, calls.c.id).where(old))]
    for line in transfer.lines(tx, "event", events, of_events):
        counts["event"] += 1
        yield line
    yield transfer.end({"table": 0} | counts)


def _newest() -> Any:
    """The call of each table's last event stays: events are numbered from it on."""
    last = select(events.c.table_id, func.max(events.c.seq).label("seq")).group_by(events.c.table_id).subquery()
    is_last = (last.c.table_id == events.c.table_id) & (last.c.seq == events.c.seq)
    return select(events.c.call_id).join(last, is_last).where(events.c.call_id.is_not(None))


def forget(tx: Transaction, table_id: str, call_ids: Collection[str]) -> None:
    """Delete calls of a table that were archived, and their events."""
    leases.lock_one(tx, table_id)
    of_them = calls.c.id.in_(call_ids) & (calls.c.folded == true())
    known = list(tx.execute(select(calls.c.id).where(of_them)).scalars())
    tx.execute(delete(events).where(events.c.call_id.in_(known)))
    tx.execute(delete(calls).where(calls.c.id.in_(known)))


def records(lines: Iterable[str]) -> Iterator[CallRecord]:
    """Yield the calls of an archive, or of any export. Raises LedgerError."""
    lacking: frozenset[str] = frozenset()
    is_whole = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        entry = export_lines.parsed(line, number)
        if number == 1:
            lacking = export_lines.lacking_in(transfer.check_header(entry))
            continue
        kind = export_lines.type_of(entry, number)
        is_whole = kind == "end"
        if kind == "call":
            export_lines.check(kind, entry, number, lacking)
            stored = export_lines.values(kind, entry)
            listed = {name: codec.encode(entry[name]) for name in ("columns", "column_keys")}
            listed["covered"] = _covered(entry, number)
            row = SimpleNamespace(**dict.fromkeys(lacking), **stored, **listed)
            yield codec.call_record(cast("Row[Any]", row), Moment(0.0))
    if not is_whole:
        raise LedgerError(
            "the archive is cut off: its last line is missing",
            hint="Use a whole copy of the file.",
            code=Code.NOT_AN_EXPORT,
        )


def _covered(entry: Mapping[str, Any], number: int) -> str:
    try:
        if len(entry["columns"]) != len(entry["column_keys"]):
            raise ValueError
        return str(Extent.of_document(entry).values()["covered"])
    except (ValueError, TypeError, LookupError, AttributeError):
        message = f"line {number}: the cells of call {one_line(entry['id'])} contradict themselves"
        raise LedgerError(message, hint=export_lines.AN_EXPORT, code=Code.NOT_AN_EXPORT) from None


def portions(archived: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Yield archived calls by table, as many at once as one transaction deletes."""
    by_table: dict[str, list[str]] = {}
    for table_id, call_id in archived:
        by_table.setdefault(table_id, []).append(call_id)
    for table_id, ids in sorted(by_table.items()):
        for start in range(0, len(ids), MOST_CALLS):
            yield table_id, ids[start : start + MOST_CALLS]
