"""Tables and rows as JSON bytes, a chunk at a time, so that a large table is never in memory as text."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

import msgspec

from reconciler.simulator.answers import done_cell, generated_input
from reconciler.simulator.clock import stamp
from reconciler.simulator.table import Column, State, Table

ROWS_A_CHUNK = 128
_encode = msgspec.json.encode
_PENDING = b'{"status":"pending","value":null}'
_ROW = (
    b'{"id":"%b","created_at":"%b","parent_row_id":%b,"is_missing_inputs":%b,'
    b'"data":{%b},"metadata":{},"parent_data":%b}'
)
_WORDS: Mapping[int, bytes] = {
    State.FAILED: b'{"status":"failed","value":null}',
    State.QUEUED: _PENDING,
    State.RUNNING: b'{"status":"in_progress","value":null}',
    State.STUCK: _PENDING,
}


class Assumptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which way the simulator turns where the documentation is silent."""

    new_takes_failed: bool = False
    """Mode `new` also takes failed cells."""
    new_takes_running: bool = True
    """Mode `new` also pays again for cells that are on their way: the reading that costs a careless client most."""
    completed_includes_failed: bool = True
    """`num_cells_completed` counts failed cells too."""
    empty_cells: Literal["absent", "null", "pending"] = "pending"
    """How a cell that never ran looks."""
    input_cells: Literal["object", "bare"] = "object"
    """Whether an input cell is `{"status", "value"}` or the bare value."""
    control_characters: bool = False
    """Generated texts hold raw control characters, which strict JSON parsers refuse."""
    credits_in: Literal["subscription", "user", "body"] = "subscription"
    """Where `available_credits` stands in the answer of billing."""


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
    """Return a table as the list shows it."""
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
    shown["columns"] = [column_json(column) for column in table.columns]
    shown["child_relationships"] = [_link(child) for child in table.children]
    shown["parent_relationships"] = [_link(table.parent_table)] if table.parent_table else []
    shown["status"] = status(table, assumptions)
    return shown


def cell(table: Table, column: Column, slot: int, assumptions: Assumptions) -> bytes | None:
    """Return a cell's JSON, or None where the key is absent."""
    state = column.states[slot]
    if state == State.DONE:
        if column.is_input and assumptions.input_cells == "bare":
            return _encode(input_value(table, column, slot))
        if column.values and slot in column.values:
            given = column.values[slot]
            return _encode({"status": "done", "value": {"answer": given} if column.is_input else given})
        return done_cell(table, column, slot, controls=assumptions.control_characters)
    if state == State.EMPTY:
        return {"absent": None, "null": b"null", "pending": _PENDING}[assumptions.empty_cells]
    if state == State.ODD:
        return _encode({"status": column.odd.get(slot), "value": column.values.get(slot)})
    if column.values and slot in column.values:
        word = msgspec.json.decode(_WORDS[state])["status"]
        return _encode({"status": word, "value": column.values[slot]})
    return _WORDS[state]


def input_value(table: Table, column: Column, slot: int) -> Any:
    """Return what an input cell holds; None where it is missing."""
    if column.states[slot] != State.DONE:
        return None
    return column.values[slot] if slot in column.values else generated_input(table, column, slot)


def row(table: Table, slot: int, assumptions: Assumptions) -> bytes:
    """Return a row's JSON."""
    parent = table.parents.get(slot)
    cells = []
    for column in table.columns:
        shown = cell(table, column, slot, assumptions)
        if shown is not None:
            cells.append(b'"%b":%b' % (column.key.encode(), shown))
    return _ROW % (
        table.row_ids[slot].encode(),
        stamp(table.row_times[slot]).encode(),
        b'"%b"' % parent.row_id.encode() if parent else b"null",
        b"true" if table.is_missing_inputs(slot) else b"false",
        b",".join(cells),
        _encode(parent.data) if parent else b"{}",
    )  # fmt: skip


def data(
    head: bytes,
    table: Table,
    slots: list[int],
    assumptions: Assumptions,
    reading: Callable[[], AbstractContextManager[object]],
) -> Iterator[bytes]:
    """Yield a table with rows; each chunk is the truth of its moment, and rows deleted meanwhile are left out."""
    yield head[:-1] + b',"rows":['
    first = True
    for start in range(0, len(slots), ROWS_A_CHUNK):
        with reading():
            live = [slot for slot in slots[start : start + ROWS_A_CHUNK] if table.is_live(slot)]
            rows = b",".join([row(table, slot, assumptions) for slot in live])
        if rows:
            yield rows if first else b"," + rows
            first = False
    yield b"]}"
