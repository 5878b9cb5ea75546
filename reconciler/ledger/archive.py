"""Moving the audit trail of old calls out of a ledger, into a file; what planning needs of them stays in checkpoints.

The file is an export of these calls, their events and the balances of that time alone. They are deleted only once it is
safely written, and only as they are in it: a crash in between leaves them in both, and whoever reads both counts them
once.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Row, delete, func, select, true

from reconciler.errors import LedgerError
from reconciler.ledger import codec, export_lines, leases, transfer
from reconciler.ledger.clocks import Moment
from reconciler.ledger.column_yields import Told, keep_told
from reconciler.ledger.extents import EVERYTHING, WITH_ROWS, Extent
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import applies, balances, calls, events, table_counts, units
from reconciler.model.ledger_entries import CallRecord
from reconciler.model.submitted import Phase
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

MOST_CALLS = 500
"""Deleted in one transaction."""


@dataclass(slots=True)
class Archived:
    """The contents of an archive of the time before a moment; only they are deleted."""

    before: float
    calls: dict[str, dict[str, int]] = field(default_factory=dict)
    """Table → call → the number of its events. With more of them since, it is not what was archived."""
    balances: int = 0
    """How many there are."""

    @property
    def count(self) -> int:
        """The number of calls."""
        return sum(map(len, self.calls.values()))

    def portions(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield the calls by table, as many at once as one transaction deletes."""
        for table_id, of_table in sorted(self.calls.items()):
            listed = list(of_table.items())
            for start in range(0, len(listed), MOST_CALLS):
                yield table_id, dict(listed[start : start + MOST_CALLS])


def export(tx: Transaction, archived: Archived) -> Iterator[str]:
    """Yield an archive line by line, and note what is in it: folded calls, their events, and balances.

    Raises LedgerError for a time that has not come: an archive is of what is over.
    """
    before = archived.before
    if before > tx.now():
        raise LedgerError("the date of an archive cannot lie in the future", hint="Name a date that is over.")
    yield transfer.header(tx, **{transfer.ARCHIVED_BEFORE: before})
    old = (calls.c.folded == true()) & (calls.c.begun_at < before) & calls.c.id.not_in(_newest()) & _is_told()
    for row in tx.execute(_with_events(calls.c.table_id, calls.c.id).where(old)):
        archived.calls.setdefault(row.table_id, {})[row.id] = row.events
    of_events = select(events).join(calls, calls.c.id == events.c.call_id).where(old)
    queries = {
        "call": select(*EVERYTHING).select_from(WITH_ROWS).where(old).order_by(calls.c.id),
        "event": of_events.order_by(events.c.table_id, events.c.seq),
        "balance": transfer.every(balances).where(balances.c.at < before),
        "counts": transfer.every(table_counts).where(table_counts.c.at < before),
    }
    counts = {"table": 0}
    for kind, query in queries.items():
        counts[kind] = 0
        for line in transfer.lines(tx, kind, export_lines.KINDS[kind], query):
            counts[kind] += 1
            yield line
    archived.balances = counts["balance"]
    yield transfer.end(counts)


def _with_events(*columns: Any) -> Any:
    """Return the query for columns of calls, and the number of each call's events."""
    number = func.count(events.c.seq).label("events")
    return select(*columns, number).outerjoin_from(calls, events, events.c.call_id == calls.c.id).group_by(*columns)


def _newest() -> Any:
    """The call of each table's last event stays: events are numbered from it on."""
    last = select(events.c.table_id, func.max(events.c.seq).label("seq")).group_by(events.c.table_id).subquery()
    is_last = (last.c.table_id == events.c.table_id) & (last.c.seq == events.c.seq)
    return select(events.c.call_id).join(last, is_last).where(events.c.call_id.is_not(None))


def _is_told() -> Any:
    """Leave out what an apply that still runs has bought: its receipt is to come."""
    running = select(units.c.apply_id).where(units.c.phase.in_([phase.value for phase in Phase if not phase.is_over]))
    return calls.c.apply_id.is_(None) | calls.c.apply_id.not_in(running)


def forget(tx: Transaction, table_id: str, archived: Mapping[str, int]) -> None:
    """Delete calls of a table that were archived with so many events each, their events and the applies they were of.

    Such an apply would have a receipt that hides what it bought.
    """
    leases.lock_one(tx, table_id)
    found = _with_events(calls.c.id, calls.c.apply_id).where(calls.c.id.in_(archived), calls.c.folded == true())
    rows = [row for row in tx.execute(found) if row.events == archived[row.id]]
    known, ended = [row.id for row in rows], {row.apply_id for row in rows if row.apply_id}
    tx.execute(delete(events).where(events.c.call_id.in_(known)))
    tx.execute(delete(calls).where(calls.c.id.in_(known)))
    tx.execute(delete(units).where(units.c.apply_id.in_(ended)))
    tx.execute(delete(applies).where(applies.c.id.in_(ended)))


@dataclass(slots=True)
class Moved:
    """The calls that archives tell of, each once."""

    calls: dict[str, CallRecord] = field(default_factory=dict)
    """By id."""
    told: Told = field(default_factory=dict)

    def read(self, lines: Iterable[str]) -> None:
        """Add an archive, or any export. Raises LedgerError."""
        lacking: frozenset[str] = frozenset()

        def begin(header: dict[str, Any]) -> Collection[str]:
            nonlocal lacking
            lacking = export_lines.lacking_in(export_lines.check_header(header))
            return export_lines.KINDS

        for kind, entry, number in export_lines.entries(lines, begin):
            if kind in ("call", "event"):
                export_lines.check(kind, entry, number, lacking)
            if kind == "call":
                self.calls[entry["id"]] = _record(entry, number, lacking)
            elif kind == "event":
                keep_told(self.told, entry["call_id"], entry["kind"], entry["detail"])


def _record(entry: Mapping[str, Any], number: int, lacking: frozenset[str]) -> CallRecord:
    listed = {name: codec.encode(entry[name]) for name in ("columns", "column_keys")}
    listed["covered"] = _covered(entry, number)
    row = SimpleNamespace(**dict.fromkeys(lacking), **export_lines.values("call", entry), **listed)
    return codec.call_record(cast("Row[Any]", row), Moment(0.0))


def _covered(entry: Mapping[str, Any], number: int) -> str:
    try:
        return str(Extent.of_document(entry).values()["covered"])
    except (ValueError, TypeError, LookupError, AttributeError):
        message = f"line {number}: the cells of call {one_line(entry['id'])} contradict themselves"
        raise LedgerError(message, hint=export_lines.AN_EXPORT, code=Code.NOT_AN_EXPORT) from None
