"""A description of a world: tables, columns, rows and cell states, as a dictionary or a YAML file."""

import copy
import random
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from reconciler.simulator.faults import Fault
from reconciler.simulator.http.encode import Assumptions
from reconciler.simulator.http.shapes import UUID_PATTERN, ColumnKind, Key, TableKind, TableScope
from reconciler.simulator.world import columns as kinds
from reconciler.simulator.world.clock import Clock, stamp
from reconciler.simulator.world.schedule import Pace, cell_number
from reconciler.simulator.world.table import Column, Outcome, State, Table
from reconciler.simulator.world.world import Billing, World

TOKEN = "simulator-token"  # noqa: S105 - it opens nothing but a simulator
Share = Annotated[float, Meta(ge=0, le=1)]
At = tuple[str | int, ...]

_STATES: Mapping[str, State] = {
    "done": State.DONE,
    "failed": State.FAILED,
    "empty": State.EMPTY,
    "pending": State.STUCK,
    "in_progress": State.RUNNING,
}
_UUID = re.compile(UUID_PATTERN)


class Shares(Struct, frozen=True, forbid_unknown_fields=True):
    """The initial states of generated cells; the rest is empty."""

    done: Share = 0.0
    failed: Share = 0.0
    pending: Share = 0.0


class ColumnSpec(Struct, forbid_unknown_fields=True):
    """A column; only its key is required."""

    key: Key
    kind: ColumnKind = "agent"
    name: str | None = None
    value: dict[str, Any] | None = None
    email_column_key: str | None = None
    column_weights: dict[str, int | float] | None = None
    id: str | None = None
    fails: Share = 0.0
    stalls: Share = 0.0
    fail_first: Annotated[int, Meta(ge=0)] = 0
    price: Annotated[int, Meta(ge=0)] | None = None
    shares: Shares | None = None

    def config(self) -> dict[str, Any]:
        """Return the configuration as the API shows it."""
        name = self.name or self.key.replace("_", " ").title()
        config: dict[str, Any] = {"kind": self.kind, "name": name, "key": self.key}
        if self.value is not None:
            config["value"] = copy.deepcopy(self.value)
        elif self.kind == kinds.GRADE:
            config["value"] = {"criterion": f"Grade the {name}."}
        elif self.kind == kinds.AGENT:
            config["value"] = {"agent_type": "llm", "prompt": f"Find the {name}.", "output_format": "text"}
        if self.email_column_key is not None:
            config["email_column_key"] = self.email_column_key
        if self.column_weights is not None:
            config["column_weights"] = dict(self.column_weights)
        return config


class CellSpec(Struct, forbid_unknown_fields=True):
    """A cell with a given value."""

    status: str
    value: Any = None


class RowSpec(Struct, forbid_unknown_fields=True):
    """A row; without `data` its inputs are made up."""

    id: str | None = None
    data: dict[str, Any] | None = None
    cells: dict[str, str | CellSpec | None] = {}
    missing_inputs: bool | None = None
    metadata: dict[str, Any] = {}


class TableSpec(Struct, forbid_unknown_fields=True):
    """A table."""

    name: str
    id: str | None = None
    kind: TableKind = "generic"
    description: str | None = None
    tags: list[str] = []
    settings: dict[str, Any] = {}
    notify: bool = False
    discovery_tasks: list[dict[str, Any]] = []
    scope: TableScope = "personal"
    built_in: bool = True
    columns: list[ColumnSpec] = []
    rows: Annotated[int, Meta(ge=0)] | list[RowSpec] = 0
    shares: Shares = Shares()
    missing_inputs: Share = 0.0
    cell_bytes: Annotated[int, Meta(ge=0)] = 0


class Workspace(Struct, forbid_unknown_fields=True):
    """The initial state of a world."""

    tables: list[TableSpec] = []
    token: Annotated[str, Meta(min_length=1)] = TOKEN
    billing: Billing = msgspec.field(default_factory=Billing)
    pace: Pace = Pace()
    assumptions: Assumptions = Assumptions()
    faults: list[Fault] = []

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> "Workspace":
        """Return a workspace from plain data. Raises ValueError with every problem in it."""
        try:
            workspace = msgspec.convert(dict(value), cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        found = list(workspace.problems())
        if found:
            raise ValueError("\n".join(f"{'.'.join(map(str, at))}: {message}" for at, message in found))
        return workspace

    def problems(self) -> Iterator[tuple[At, str]]:
        """Yield the problems that shapes cannot express, each with its place."""
        if self.pace.slowest < self.pace.fastest:
            yield ("pace", "slowest"), "less than `fastest`"
        ids: Counter[str] = Counter()
        for index, table in enumerate(self.tables):
            for at, message in _table_problems(table, self.assumptions, ids):
                yield ("tables", index, *at), message

    def build(self, seed: int, clock: Clock) -> World:
        """Return a new world in this initial state."""
        world = World(seed, clock, self.pace, self.assumptions, copy.copy(self.billing))
        for table in self.tables:
            _build_table(world, table)
        return world


_PREPARED = msgspec.json.Decoder(Workspace)  # as in shapes.py


def _table_problems(spec: TableSpec, assumptions: Assumptions, ids: Counter[str]) -> Iterator[tuple[At, str]]:
    columns = _all_columns(spec, own_kinds=assumptions.built_in_kinds == "own")
    rows = spec.rows if isinstance(spec.rows, list) else []
    yield from _id_problems(spec, rows, ids)
    yield from _column_problems(spec, columns)
    yield from _row_problems(rows, {column.key: column for column in columns})


def _id_problems(spec: TableSpec, rows: list[RowSpec], ids: Counter[str]) -> Iterator[tuple[At, str]]:
    given: list[tuple[At, str | None]] = [(("id",), spec.id)]
    given += [(("columns", index, "id"), column.id) for index, column in enumerate(spec.columns)]
    given += [(("rows", index, "id"), row.id) for index, row in enumerate(rows)]
    for at, identity in given:
        if identity is not None:
            ids[identity] += 1
            if not _UUID.fullmatch(identity):
                yield at, f"`{identity}` is not a lower-case UUID"
            elif ids[identity] > 1:
                yield at, f"the id {identity} is given twice"


def _column_problems(spec: TableSpec, columns: list[ColumnSpec]) -> Iterator[tuple[At, str]]:
    for index, column in enumerate(spec.columns):
        if [each.key for each in spec.columns[:index]].count(column.key):
            yield ("columns", index, "key"), f"the key `{column.key}` is given twice"
        if kinds.asks_for_too_many(column.config()):
            yield ("columns", index, "value", "max_results"), kinds.TOO_MANY
    for name, each in (("shares", spec.shares), *(("columns", column.shares) for column in spec.columns)):
        if each is not None and each.done + each.failed + each.pending > 1 + 1e-9:
            yield (name,), "the shares add up to more than 1"
    keys = [column.key for column in columns]
    circle = kinds.cycle({each.key: kinds.upstream_keys(each.config(), spec.kind, keys) for each in columns})
    if circle:
        yield ("columns",), f"columns wait for each other: {' → '.join(circle)}"


def _row_problems(rows: list[RowSpec], by_key: Mapping[str, ColumnSpec]) -> Iterator[tuple[At, str]]:
    for index, row in enumerate(rows):
        for key in row.data or {}:
            if key not in by_key or by_key[key].kind != kinds.INPUT:
                yield ("rows", index, "data", key), f"no input column `{key}`"
        for key in row.cells:
            if key not in by_key:
                yield ("rows", index, "cells", key), f"no column `{key}`"


def _all_columns(spec: TableSpec, *, own_kinds: bool) -> list[ColumnSpec]:
    """Return the built-in columns of the table's kind, with the workspace's overrides, and then its own columns."""
    own = {column.key: column for column in spec.columns}
    configs = kinds.brought(spec.kind, own_kinds=own_kinds) if spec.built_in else ()
    brought = {config["key"]: msgspec.convert(config, ColumnSpec) for config in configs}
    return list({**brought, **own}.values())


def _build_table(world: World, spec: TableSpec) -> None:
    table = world.add_table(spec.name, spec.kind, spec.id)
    table.description, table.tags, table.scope = spec.description, list(spec.tags), spec.scope
    table.settings, table.cell_bytes = copy.deepcopy(spec.settings), spec.cell_bytes
    table.notify = spec.notify
    table.discovery_tasks = [_discovery_task(world, table, given) for given in spec.discovery_tasks]
    specs = _all_columns(spec, own_kinds=world.assumptions.built_in_kinds == "own")
    for each in specs:
        outcome = Outcome(each.fails, each.fail_first, each.stalls)
        column = world.add_column(table, each.config(), each.id, outcome)
        column.credits = column.credits if each.price is None else each.price
    table.connect()
    if isinstance(spec.rows, int):
        _generate_rows(world, table, spec, {each.key: each for each in specs})
    else:
        _given_rows(world, table, spec.rows)


def _generate_rows(world: World, table: Table, spec: TableSpec, specs: Mapping[str, ColumnSpec]) -> None:
    count = int(spec.rows) if isinstance(spec.rows, int) else 0
    luck = random.Random(f"{world.seed} {table.id}")  # noqa: S311 - chance that repeats is the point
    numbers = luck.randbytes(16 * count)
    table.add_rows((_uuid(numbers[16 * each : 16 * each + 16]) for each in range(count)), world.clock.now())
    missing = bytes(luck.random() < spec.missing_inputs for _ in range(count)) if spec.missing_inputs else bytes(count)
    for column in table.columns:
        own = specs[column.key].shares
        is_brought = own is None and kinds.is_built_in(table.kind, column.config)
        if column.is_input or is_brought:
            states = bytes(State.EMPTY if absent else State.DONE for absent in missing)
        else:
            shares = own or spec.shares
            weights = (shares.done, shares.failed, shares.pending)
            drawn = (State.DONE, State.FAILED, State.STUCK, State.EMPTY)
            states = bytes(luck.choices(drawn, (*weights, max(0.0, 1 - sum(weights))), k=count)) if count else b""
        column.states[:] = states
        column.counts = [states.count(state) for state in State]
        if is_brought and column.outcome.stalls:
            for slot in range(count):
                if states[slot] == State.DONE:
                    world.fill(table, column, slot)


def _discovery_task(world: World, table: Table, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a search as `/data` shows it [D]: the workspace's keys, and the rest as if it had long ended."""
    return {
        "id": world.new_id("discovery task"),
        "created_at": stamp(world.clock.now()),
        "status": "done",
        "query": "",
        "desired_num_results": 100,
        "is_exhausted": False,
        **dict.fromkeys(("num_results_discovered", "num_results_enriched", "num_results_evaluated", "num_results"), 0),
        "table_id": table.id,
        "auto_data_sources": True,
        "data_sources": [],
        "criteria": [],
        **copy.deepcopy(dict(given)),
    }


def _uuid(number: bytes) -> str:
    """Return 16 bytes as a UUID; `uuid.UUID` would take most of the time of building a large table."""
    text = number.hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _given_rows(world: World, table: Table, rows: list[RowSpec]) -> None:
    ids = [row.id or world.new_id("row") for row in rows]
    slots = table.add_rows(ids, world.clock.now())
    for slot, row in zip(slots, rows, strict=True):
        if row.missing_inputs is not True:
            _give_inputs(table, slot, row.data)
        if row.missing_inputs is not None:
            table.claims[slot] = row.missing_inputs
        for key, cell in row.cells.items():
            _give(table.column(key), slot, cell)
        if row.metadata:
            table.metadata[slot] = copy.deepcopy(row.metadata)
        stated = row.cells.keys()
        if not table.is_missing_inputs(slot):
            for column in table.brought():
                if column.key not in stated:
                    world.fill(table, column, slot)
    _resume(world, table)


def _give_inputs(table: Table, slot: int, data: Mapping[str, Any] | None) -> None:
    for column in table.columns:
        if column.is_input and data is None:
            column.move(slot, State.DONE)
        elif column.is_input and data is not None:
            column.give(slot, data.get(column.key))


def _give(column: Column, slot: int, cell: str | CellSpec | None) -> None:
    if cell is None:
        cell = "empty"
    status, value = (cell, None) if isinstance(cell, str) else (cell.status, cell.value)
    state = _STATES.get(status, State.ODD)
    if state == State.ODD:
        column.odd[slot] = status
    if isinstance(cell, CellSpec):
        column.values[slot] = value
    column.move(slot, state)


def _resume(world: World, table: Table) -> None:
    """Schedule the end of cells that are initially in progress, and start those that wait with them."""
    begun = [
        (column, slot) for column in table.outputs() for slot in table.order if column.states[slot] == State.RUNNING
    ]
    if begun:
        waiting = [
            (column, slot)
            for column in table.outputs()
            for slot in table.order
            if column.states[slot] == State.STUCK or column.odd.get(slot) == "requested"
        ]
        for column, slot in (*begun, *waiting):
            column.move(slot, State.QUEUED)
        world.begin(table, array("Q", (cell_number(column, slot) for column, slot in (*begun, *waiting))), delay=0.0)
        world.settle()
