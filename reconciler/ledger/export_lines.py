"""The lines of an export: which fields each kind has, what they may hold, and how a row of the store is written.

They do not change with how a call is stored: its columns, its rows and its cells are always listed.
"""

import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, LargeBinary, Row, Table, Text

from reconciler.errors import LedgerError, TooNew
from reconciler.ledger import codec, row_sets
from reconciler.ledger import spent as spent_sums
from reconciler.ledger.extents import Extent
from reconciler.ledger.tables import (
    LEASE_COLUMNS,
    SCHEMA_VERSION,
    approvals,
    balances,
    calls,
    checkpoints,
    events,
    row_ids,
    spent,
    table_counts,
    tables,
)
from reconciler.model.history import CallState
from reconciler.model.ledger_entries import EventKind
from reconciler.model.manifest import Mode
from reconciler.model.observed import CellState
from reconciler.model.plan import Reason
from reconciler.text.codes import Code
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line

FORMAT = "reconciler-ledger"
AN_EXPORT = "`reconciler ledger export` writes it."
_WHOLE = "Use a whole copy of the file, or export it again."

KINDS: Mapping[str, Table] = {
    "table": tables,
    "row_ids": row_ids,
    "checkpoint": checkpoints,
    "approval": approvals,
    "spent": spent,
    "call": calls,
    "event": events,
    "balance": balances,
    "counts": table_counts,
}
"""In the order in which they stand in an export."""
SINCE: Mapping[int, frozenset[str]] = {
    2: frozenset({"token", "boot", "booted_at"}),
    5: frozenset({"counted"}),
    6: frozenset({"apply_id"}),
}
"""Schema → the fields of calls that older exports lack."""
FIRST_KINDS = frozenset({"table", "call", "event"})
KINDS_SINCE = 4
"""The schema from which on an export may hold the other kinds."""
SUMS_SINCE = 5
"""The schema from which on an export says what was spent."""
_LISTED = ("columns", "column_keys", "rows", "covered", "configs")
"""Fields of a call that stand for its shape and its row set."""
_STORED = ("shape", "row_set", "covered", "folded")
"""Columns of calls that say how they are stored."""
_ELSEWHERE = (*_LISTED, "before")
"""Fields of calls that other tables hold."""
_FIELDS = {kind: [column.name for column in table.c] for kind, table in KINDS.items()}
_FIELDS["table"] = [name for name in _FIELDS["table"] if name not in LEASE_COLUMNS]
_FIELDS["call"] = [*(name for name in _FIELDS["call"] if name not in _STORED), *_ELSEWHERE]


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _maps_to_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _are_blocks(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(block, dict) and _are_texts(block.get("columns")) and _are_texts(block.get("rows", []))
        for block in value
    )


def _are_marks(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _maps_to_texts(marks)
        if column == codec.INPUTS
        else _are_texts(marks) and all(mark.partition(":")[0] in _STATES for mark in marks)
        for column, marks in value.items()
    )


def _is_detail(value: Any) -> bool:
    """Say whether an event's detail can be kept, and what `column_yields` reads in it is what it should be."""
    try:
        codec.encode(value)
        yields, prices = value.get("yield", {}), value.get("prices", {})
        return all(
            all(type(each) is int and codec.storable(each) == each for each in (answers, changed))
            for answers, changed in yields.values()
        ) and all(price is None or _is_price(price) for price in prices.values())
    except (ValueError, TypeError, AttributeError):
        return False


_MOST_DIGITS = 18
"""Before the point of a price: sums of larger ones would overflow."""
_END_OF_TIME = 253_402_300_800.0
"""The last second that a date can be told of, and one more."""
_STATES = frozenset(str(int(state)) for state in CellState)
_JSON: Mapping[str, Callable[[Any], bool]] = {
    "columns": _are_texts,
    "column_keys": _are_texts,
    "rows": _are_texts,
    "covered": _are_blocks,
    "before": _are_marks,
    "configs": _maps_to_texts,
    "labels": _maps_to_texts,
    "detail": _is_detail,
    "words": _are_texts,
}
"""Fields that are stored as JSON, and what each may hold: what planning and reports read has to be what they expect."""
_WORDS: Mapping[str, type] = {"mode": Mode, "state": CallState, "kind": EventKind}


def lacking_in(schema: int) -> frozenset[str]:
    """Return the fields of calls that an export of a schema does not have."""
    return frozenset[str]().union(*(names for since, names in SINCE.items() if since > schema))


def said(kind: str, row: Row[Any], listed: Sequence[str] = ()) -> dict[str, Any]:
    """Return a row of the store as its line says it; `listed` are its table's row ids. Raises Corrupt."""
    try:
        extent = Extent.of_row(row, listed).document() if kind == "call" else {}
        return {name: extent[name] if name in extent else _said(name, row._mapping[name]) for name in _FIELDS[kind]}
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise codec.corrupt(kind, str(row._mapping.get("id") or row[0]), error) from error


def _said(name: str, value: Any) -> Any:
    if name == "ids":
        return list(row_sets.unpack_rows(value))
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if name == "before":
        return codec.marks_said(json.loads(value))
    return json.loads(value) if name in _JSON else value


def counted(counts: Mapping[str, int]) -> dict[str, int]:
    """Return what the last line says of the others; the kinds that came later are named if there are any."""
    return {kind: counts.get(kind, 0) for kind in KINDS if counts.get(kind) or kind in FIRST_KINDS}


def entries(
    lines: Iterable[str], begin: Callable[[dict[str, Any]], Collection[str]]
) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield the lines of a whole export or archive between the first and the last: type, what else it holds, number.

    `begin` takes the first and returns the types that there may be. Raises LedgerError, at the latest after the last:
    until then it may be half of what it was.
    """
    kinds: Collection[str] | None = None
    seen: Counter[str] = Counter()
    is_over = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        entry = parsed(line, number)
        if kinds is None:
            kinds = begin(entry)
            continue
        kind = type_of(entry, number)
        if is_over:
            raise _not_one(f"line {number}: the export goes on after its end", _WHOLE)
        if kind == "end":
            is_over, expected = True, counted(seen)
            if entry != expected:
                message = f"line {number}: the export should hold {one_line(str(entry))}, and holds {expected}"
                raise _not_one(message, _WHOLE)
        elif kind in kinds:
            seen[kind] += 1
            yield kind, entry, number
        else:
            raise _not_one(f"line {number}: a ledger does not hold entries of type {quote(kind)}")
    if not is_over:
        raise _not_one("the export is cut off: its last line is missing", _WHOLE)


def check_header(entry: dict[str, Any]) -> int:
    """Return the schema that an export was written at. Raises LedgerError, TooNew."""
    schema = entry.get("schema")
    if entry.get("type") != FORMAT or type(schema) is not int:
        raise _not_one("this is not an export of a ledger", "`reconciler ledger export` writes one.")
    if schema > SCHEMA_VERSION:
        raise TooNew(
            f"the export was written by a newer version of the program "
            f"(schema {schema}; this one knows {SCHEMA_VERSION})",
            hint="Upgrade: pip install --upgrade extruct-reconciler.",
        )
    return schema


def _not_one(message: str, hint: str = AN_EXPORT) -> LedgerError:
    return LedgerError(message, hint=hint, code=Code.NOT_AN_EXPORT)


def parsed(line: str, number: int) -> dict[str, Any]:
    """Return a line as what it holds. Raises LedgerError."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _not_one(f"line {number} is not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise _not_one(f"line {number} is not a JSON object")
    return entry


def type_of(entry: dict[str, Any], number: int) -> str:
    """Remove a line's type and return it. Raises LedgerError."""
    kind = entry.pop("type", None)
    if not isinstance(kind, str):
        raise _not_one(f"line {number} does not say its type")
    return kind


def check(kind: str, entry: dict[str, Any], number: int, lacking: frozenset[str]) -> None:
    """Raise LedgerError unless a line holds all that its kind has, and nothing that a ledger would not."""
    expected = set(_FIELDS[kind]) - (lacking if kind == "call" else frozenset())
    if entry.keys() != expected:
        wrong = ", ".join(sorted(entry.keys() ^ expected))
        raise _not_one(f"line {number}: fields are missing or unknown: {one_line(wrong)}")
    for name, value in entry.items():
        if not _fits(KINDS[kind], name, value):
            raise _not_one(f"line {number}: {name} cannot be {one_line(repr(value), 60)}")


def values(kind: str, entry: Mapping[str, Any]) -> codec.Values:
    """Return the columns that hold what a checked line says; of a call without its extent."""
    return {name: _stored(name, value) for name, value in entry.items() if not (kind == "call" and name in _ELSEWHERE)}


def _stored(name: str, value: Any) -> Any:
    if name == "ids":
        return row_sets.pack_rows(value)
    if name == "content":
        return b64decode(value)
    return codec.encode(value) if name in _JSON else value


def _fits(table: Table, name: str, value: Any) -> bool:
    if name in _JSON:
        return _JSON[name](value)
    if name == "ids":
        return _are_texts(value)
    column = table.c[name]
    if value is None:
        return bool(column.nullable)
    if name in _WORDS:
        return value in [word.value for word in _WORDS[name]]  # type: ignore[attr-defined]
    if name == "reason" and value not in list(Reason):
        return False
    return _fits_type(column, name, value)


def _fits_type(column: Column[Any], name: str, value: Any) -> bool:
    if isinstance(column.type, Text):
        if not isinstance(value, str) or codec.storable_text(value) != value:
            return False
        return {"credits": _is_cost, "available": _is_price, "counted": _is_charge}.get(name, lambda _: True)(value)
    if isinstance(column.type, LargeBinary):
        return isinstance(value, str) and _is_binary(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if column.type.python_type is float:
        return 0 <= value < _END_OF_TIME
    is_place = name in ("version", "table_version")
    return isinstance(value, int) and codec.storable(value) == value and not (is_place and value < 0)


def _is_binary(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _is_charge(text: str) -> bool:
    try:
        price = spent_sums.charge_of(text).credits
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        return False
    return price is None or _is_cost(str(price))


def _is_price(text: str) -> bool:
    try:
        known = codec.price(text)
    except ArithmeticError:
        return False
    return known is not None and known.is_finite() and known.adjusted() <= _MOST_DIGITS


def _is_cost(text: str) -> bool:
    return _is_price(text) and not text.startswith("-")
