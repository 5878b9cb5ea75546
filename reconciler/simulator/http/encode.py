"""Tables and rows as JSON bytes, one chunk at a time, so that a large table is never in memory as text."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import msgspec

from reconciler.simulator.world.answers import done_cell, generated_input, is_plain, plain_template
from reconciler.simulator.world.clock import stamp
from reconciler.simulator.world.table import Column, State, Table

ROWS_A_CHUNK = 128
_encode = msgspec.json.encode
_PENDING = b'{"status":"pending","value":null}'
_REQUESTED = b'{"status":"requested","value":null}'
_ROW = (
    b'{"id":"%b","created_at":"%b","parent_row_id":%b,"is_missing_inputs":%b,'
    b'"data":{%b},"metadata":%b,"parent_data":%b}'
)
_EMPTY: Mapping[str, bytes | None] = {"absent": None, "null": b"null", "pending": _PENDING}
_WORDS: Mapping[int, bytes] = {
    State.FAILED: b'{"status":"failed","value":null}',
    State.QUEUED: _PENDING,
    State.RUNNING: b'{"status":"in_progress","value":null}',
    State.STUCK: _PENDING,
}


class Assumptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choices for behaviour that the documentation leaves open."""

    new_takes_failed: bool = False
    """Mode `new` also takes failed cells."""
    new_takes_running: bool = True
    """Mode `new` also pays again for cells in progress: the reading that costs a careless client most."""
    completed_includes_failed: bool = True
    """`num_cells_completed` counts failed cells too."""
    empty_cells: Literal["absent", "null", "pending"] = "pending"
    """How a cell that never ran is shown."""
    input_cells: Literal["object", "bare"] = "object"
    """Whether an input cell is `{"status", "value"}` or the bare value."""
    control_characters: bool = False
    """Generated texts contain raw control characters, which strict JSON parsers refuse."""
    credits_in: Literal["subscription", "user", "body"] = "subscription"
    """Where the billing answer has `available_credits`."""
    user_fields: Literal["current", "older"] = "older"
    """Whether `GET /v1/user` also has the fields of an older copy of the reference, such as `has_unlimited_credits`."""
    queued_cells: Literal["pending", "requested"] = "pending"
    """The status of a cell that was requested but has not started."""
    stalled_cells: Literal["pending", "in_progress"] = "pending"
    """The status of a cell that hangs; `in_progress` keeps its table running."""
    built_in_kinds: Literal["agent", "own"] = "agent"
    """Whether the built-in columns of a company table are agent columns or of kinds of their own."""


def status(table: Table, assumptions: Assumptions) -> dict[str, Any]:
    """Return the counters of a table."""
    inputs = sum(column.is_input for column in table.columns)
    in_progress = table.count(State.QUEUED, State.RUNNING)
    completed = table.count(State.DONE)
    if assumptions.completed_includes_failed:
        completed += table.count(State.FAILED)
    return {
        "num_rows": len(table.order),
        "num_columns": len(table.columns),
        "num_output_columns": len(table.columns) - inputs,
        "num_input_columns": inputs,
        "num_cells_completed": completed,
        "num_cells_in_progress": in_progress,
        "run_status": "running" if in_progress else "idle",
    }


def column_json(column: Column) -> dict[str, Any]:
    """Return a column as the API shows it."""
    return {"id": column.id, "created_at": stamp(column.created_at), "config": column.config}


def _link(table_id: str) -> dict[str, str]:
    return {"table_id": table_id, "relationship_type": "company_people"}


def summary(table: Table, owner: Mapping[str, str]) -> dict[str, Any]:
    """Return a table as it appears in the list."""
    return {
        "id": table.id,
        "created_at": stamp(table.created_at),
        "updated_at": stamp(table.updated_at),
        "name": table.name,
        "description": table.description,
        "tags": table.tags,
        "kind": table.kind,
        "settings": table.settings,
        "scope": table.scope,
        "owner": owner,
        "num_rows": len(table.order),
    }


def header(table: Table, owner: Mapping[str, str], assumptions: Assumptions) -> dict[str, Any]:
    """Return a table without rows."""
    shown = summary(table, owner)
    del shown["num_rows"]
    shown["notify"] = table.notify
    if not table.columns_json:
        table.columns_json = _encode([column_json(column) for column in table.columns])
    shown["columns"] = msgspec.Raw(table.columns_json)
    shown["child_relationships"] = [_link(child) for child in table.children]
    shown["parent_relationships"] = [_link(table.parent_table)] if table.parent_table else []
    shown["status"] = status(table, assumptions)
    return shown


def cell(table: Table, column: Column, slot: int, assumptions: Assumptions) -> bytes | None:
    """Return a cell's JSON, or None if the key is absent."""
    state = column.states[slot]
    if state == State.DONE:
        if column.is_input and assumptions.input_cells == "bare":
            return _encode(input_value(table, column, slot))
        if column.values and slot in column.values:
            given = column.values[slot]
            return _encode({"status": "done", "value": {"answer": given} if column.is_input else given})
        return done_cell(table, column, slot, controls=assumptions.control_characters)
    if state == State.EMPTY:
        return _EMPTY[assumptions.empty_cells]
    if state == State.ODD:
        return _encode({"status": column.odd.get(slot), "value": column.values.get(slot)})
    if column.values and slot in column.values:
        word = msgspec.json.decode(_word(state, assumptions))["status"]
        return _encode({"status": word, "value": column.values[slot]})
    return _word(state, assumptions)


def _word(state: int, assumptions: Assumptions) -> bytes:
    return _REQUESTED if state == State.QUEUED and assumptions.queued_cells == "requested" else _WORDS[state]


def input_value(table: Table, column: Column, slot: int) -> Any:
    """Return an input cell's value; None if it is missing."""
    if column.states[slot] != State.DONE:
        return None
    return column.values[slot] if slot in column.values else generated_input(table, column, slot)


def _column_cells(table: Table, column: Column, slots: Sequence[int], assumptions: Assumptions) -> list[bytes]:
    """Return `"key":cell` for each row; empty if the key is absent."""
    key = b'"%b":' % column.key.encode()
    controls = assumptions.control_characters
    if column.values or column.odd or not is_plain(column):
        shown = [cell(table, column, slot, assumptions) for slot in slots]
        return [b"" if each is None else key + each for each in shown]
    template = key + plain_template(table, column, controls=controls)
    words = {int(state): key + _word(state, assumptions) for state in _WORDS}
    never = _EMPTY[assumptions.empty_cells]
    words[State.EMPTY] = b"" if never is None else key + never
    states, tries, done = column.states, column.tries, int(State.DONE)
    return [template % (tries[slot], slot, slot) if states[slot] == done else words[states[slot]] for slot in slots]


def rows(table: Table, slots: Sequence[int], assumptions: Assumptions) -> list[bytes]:
    """Return the JSON of rows."""
    found = []
    columns = [_column_cells(table, column, slots, assumptions) for column in table.columns]
    for slot, cells in zip(slots, zip(*columns, strict=True) if columns else [()] * len(slots), strict=True):
        parent = table.parents.get(slot)
        found.append(
            _ROW
            % (
                table.row_ids[slot].encode(),
                stamp(table.row_times[slot]).encode(),
                b'"%b"' % parent.row_id.encode() if parent else b"null",
                b"true" if table.is_missing_inputs(slot) else b"false",
                b",".join(filter(None, cells)),
                _encode(table.metadata[slot]) if slot in table.metadata else b"{}",
                _encode(parent.data) if parent else b"{}",
            )
        )
    return found


def data(
    head: bytes,
    table: Table,
    slots: list[int],
    assumptions: Assumptions,
    reading: Callable[[], AbstractContextManager[object]],
) -> Iterator[bytes]:
    """Yield a table with rows; each chunk shows its own moment, and rows deleted by then are left out."""
    yield head[:-1] + b',"rows":['
    first = True
    for start in range(0, len(slots), ROWS_A_CHUNK):
        with reading():
            live = [slot for slot in slots[start : start + ROWS_A_CHUNK] if table.is_live(slot)]
            chunk = b",".join(rows(table, live, assumptions))
        if chunk:
            yield chunk if first else b"," + chunk
            first = False
    yield b"]}"
