"""Moving a ledger between stores as JSON lines: a header, every table, call and event, a last line that counts them.

Leases are left behind: they belong to the store whose clock they run by. Their fencing numbers come along, and never
shrink.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Table, Text, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from reconciler.errors import Corrupt, LedgerError, TooNew
from reconciler.ledger import codec
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import LEASE_COLUMNS, LEDGER_ID, SCHEMA_VERSION, calls, events, meta, tables
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import EventKind, Loaded
from reconciler.model.manifest import Mode
from reconciler.model.plan import Reason
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line

FORMAT = "reconciler-ledger"
_BATCH = 200
_SINCE: Mapping[int, frozenset[str]] = {2: frozenset({"token", "boot", "booted_at"})}
"""Schema → the fields of calls that older exports lack."""
_ORDER: tuple[tuple[str, Table], ...] = (("table", tables), ("call", calls), ("event", events))
_KINDS = dict(_ORDER)
_JSON: Mapping[str, type] = {
    "columns": list,
    "column_keys": list,
    "rows": list,
    "covered": list,
    "before": dict,
    "configs": dict,
    "labels": dict,
    "detail": dict,
}
_WORDS: Mapping[str, type] = {"mode": Mode, "state": CallState, "kind": EventKind}


def export(tx: Transaction) -> Iterator[str]:
    """Yield the ledger line by line, without line ends, from one consistent view."""
    own = tx.execute(select(meta.c.value).where(meta.c.key == LEDGER_ID)).scalar()
    yield codec.encode({"type": FORMAT, "schema": SCHEMA_VERSION, "exported_at": tx.now(), "ledger": own})
    counts = {}
    for kind, table in _ORDER:
        columns = [column for column in table.c if column.name not in LEASE_COLUMNS or table is not tables]
        rows = tx.stream(select(*columns).order_by(*table.primary_key.columns), _BATCH)
        counts[kind] = 0
        for row in rows:
            counts[kind] += 1
            yield codec.encode({"type": kind} | {name: _said(name, value) for name, value in row._mapping.items()})
    yield codec.encode({"type": "end"} | counts)


def _said(name: str, value: Any) -> Any:
    return json.loads(value) if name in _JSON else value


def load(tx: Transaction, lines: Iterable[str]) -> Loaded:
    """Add what an export holds. What is there already must be the same; nothing is ever changed. Raises LedgerError."""
    added = dict.fromkeys(_KINDS, 0)
    seen = dict.fromkeys(_KINDS, 0)
    batch: list[dict[str, Any]] = []
    now, batched, ended, lacking = "", "", False, frozenset[str]()
    for number, line in enumerate(tx.untimed(lines), 1):
        if not line.strip():
            continue
        entry = _parsed(line, number)
        if number == 1:
            lacking = _check_header(entry)
            _take_over(tx, entry.get("ledger"))
            continue
        now = _type_of(entry, number)
        if ended:
            raise LedgerError(f"line {number}: the export goes on after its end")
        if batch and (now != batched or len(batch) == _BATCH):
            added[batched] += _store(tx, _KINDS[batched], batch)
            batch = []
        if now == "end":
            ended = True
            _check_counts(entry, seen, number)
        elif now in _KINDS:
            seen[now] += 1
            batch.append(_values(_KINDS[now], entry, number, lacking))
            batched = now
        else:
            raise LedgerError(f"line {number}: a ledger does not hold entries of type {quote(now)}")
    if not ended:
        raise LedgerError("the export is cut off: its last line is missing", hint="Export it again.")
    return Loaded(tables=added["table"], calls=added["call"], events=added["event"])


def _parsed(line: str, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LedgerError(f"line {number} is not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise LedgerError(f"line {number} is not a JSON object")
    return entry


def _type_of(entry: dict[str, Any], number: int) -> str:
    kind = entry.pop("type", None)
    if not isinstance(kind, str):
        raise LedgerError(f"line {number} does not say of which type it is")
    return kind


def _check_header(entry: dict[str, Any]) -> frozenset[str]:
    """Return the fields of calls that an export of its age does not have."""
    schema = entry.get("schema")
    if entry.get("type") != FORMAT or type(schema) is not int:
        raise LedgerError("this is not an export of a ledger", hint="`reconciler ledger export` writes one.")
    if schema > SCHEMA_VERSION:
        raise TooNew(
            f"the export was written by a newer version of the program "
            f"(schema {schema}; this one knows {SCHEMA_VERSION})",
            hint="Upgrade: pip install --upgrade extruct-reconciler.",
        )

    return frozenset[str]().union(*(names for since, names in _SINCE.items() if since > schema))


def _take_over(tx: Transaction, ledger_id: object) -> None:
    """Let a ledger that holds nothing yet go on as the one that was exported: plans made with that one stay good."""
    if isinstance(ledger_id, str) and ledger_id and tx.execute(select(calls.c.id).limit(1)).first() is None:
        tx.execute(update(meta).where(meta.c.key == LEDGER_ID).values(value=codec.storable_text(ledger_id)))


def _check_counts(entry: dict[str, Any], seen: dict[str, int], number: int) -> None:
    if entry != seen:
        message = f"line {number}: the export should hold {one_line(str(entry))}, and holds {seen}"
        raise LedgerError(message, hint="Export it again.")


def _values(table: Table, entry: dict[str, Any], number: int, lacking: frozenset[str]) -> dict[str, Any]:
    expected = {column.name for column in table.c}
    if table is tables:
        expected -= set(LEASE_COLUMNS)
    elif table is calls:
        expected -= lacking
    if entry.keys() != expected:
        wrong = ", ".join(sorted(entry.keys() ^ expected))
        raise LedgerError(f"line {number}: fields are missing or unknown: {one_line(wrong)}")
    for name, value in entry.items():
        if not _fits(table, name, value):
            raise LedgerError(f"line {number}: {name} cannot be {one_line(repr(value), 60)}")
    return {name: codec.encode(value) if name in _JSON else value for name, value in entry.items()}


def _fits(table: Table, name: str, value: Any) -> bool:
    column = table.c[name]
    if value is None:
        return bool(column.nullable)
    if name in _JSON:
        return isinstance(value, _JSON[name])
    if name in _WORDS:
        return value in [word.value for word in _WORDS[name]]  # type: ignore[attr-defined]
    if name == "reason" and value not in list(Reason):
        return False
    if isinstance(column.type, Text):
        return (
            isinstance(value, str) and codec.storable_text(value) == value and (name != "credits" or _is_price(value))
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if column.type.python_type is float:
        return math.isfinite(value)
    return isinstance(value, int) and codec.storable(value) == value


def _is_price(text: str) -> bool:
    try:
        known = codec.price(text)
    except ArithmeticError:
        return False
    return known is not None and known.is_finite()


def _store(tx: Transaction, table: Table, batch: Sequence[dict[str, Any]]) -> int:
    """Insert what is missing of `batch`; return how much that was."""
    keys = list(table.primary_key.columns)
    names = [key.name for key in keys]
    wanted = [tuple(values[name] for name in names) for values in batch]
    if len(set(wanted)) != len(wanted):
        raise LedgerError("the export holds something twice")
    there = {
        tuple(row._mapping[name] for name in names): row
        for row in tx.execute(select(table).where(tuple_(*keys).in_(wanted)))
    }
    missing = []
    for key, values in zip(wanted, batch, strict=True):
        row = there.get(key)
        if row is None:
            missing.append(values)
        elif table is tables and row.version == values["version"]:
            fence = max(row.fence, values["fence"])
            tx.execute(update(tables).where(tables.c.table_id == row.table_id).values(fence=fence))
        else:
            _require_same(table, row, values)
    try:
        if missing:
            tx.execute(insert(table), missing)
    except IntegrityError as error:
        raise Corrupt(
            "the export contradicts itself: an entry belongs to a table or call that it does not hold"
        ) from error
    return len(missing)


def _require_same(table: Table, row: Row[Any], values: dict[str, Any]) -> None:
    different = sorted(name for name, value in values.items() if row._mapping[name] != value)
    if different:
        name = one_line(values.get("id") or values["table_id"])
        raise LedgerError(
            f"the ledger already holds {table.name[:-1]} {name}, and differently: {', '.join(different)}",
            hint="Nothing was imported. Import into an empty ledger.",
        )
