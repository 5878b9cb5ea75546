"""The documented endpoints over a world: a request in, an answer out."""

import copy
import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import msgspec
from msgspec import UNSET, to_builtins

from reconciler.simulator import columns as kinds
from reconciler.simulator import encode, shapes
from reconciler.simulator.clock import stamp
from reconciler.simulator.table import SETTLED, Column, State, Table
from reconciler.simulator.wire import (
    JSON,
    Endpoint,
    Query,
    RejectedError,
    Request,
    Response,
    answer,
    invalid,
    message,
    path_id,
    read_body,
)
from reconciler.simulator.world import UnaffordableError, World

LIST_LIMIT: Final = 50
LIST_LIMIT_AT_MOST: Final = 100
KINDS: Final = ("generic", "company", "people")
SCOPES: Final = ("personal", "organization")
SORTS: Final = ("-created_at", "created_at", "name", "-name", "num_rows", "-num_rows")
AT_ONCE: Final = 200
"""A page of at most so many rows is one body with its length; a longer one streams."""

_encode = msgspec.json.encode


class Api:
    """The endpoints; each call sees the world as it is at that moment."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Endpoint]:
        """Return the endpoints by method and path."""
        one = "/v1/tables/{table_id}"
        return {
            "GET /v1/healthcheck": self.healthcheck,
            "GET /v1/billing": self.billing,
            "GET /v1/user": self.user,
            "GET /v1/tables": self.list_tables,
            "POST /v1/tables": self.create_table,
            f"GET {one}": self.get_table,
            f"PATCH {one}": self.update_table,
            f"DELETE {one}": self.delete_table,
            f"POST {one}/clone": self.clone_table,
            f"GET {one}/data": self.get_data,
            f"POST {one}/run": self.run_table,
            f"POST {one}/rows": self.create_rows,
            f"PATCH {one}/rows": self.update_rows,
            f"DELETE {one}/rows": self.delete_rows,
            f"GET {one}/rows/{{row_id}}": self.get_row,
            f"POST {one}/columns": self.add_columns,
            f"PATCH {one}/columns/{{column_id}}": self.update_column,
            f"DELETE {one}/columns/{{column_id}}": self.delete_column,
        }

    def reading(self) -> AbstractContextManager[object]:
        """Return the lock under which the world is looked at."""
        return self._world.lock

    def _table(self, table_id: str) -> Table:
        identity = path_id("table_id", table_id)
        if identity not in self._world.tables:
            raise RejectedError(message(404, "Table not found"))
        return self._world.tables[identity]

    def _column(self, table: Table, column_id: str) -> Column:
        identity = path_id("column_id", column_id)
        for column in table.columns:
            if column.id == identity:
                return column
        raise RejectedError(message(404, "Column not found"))

    def _header(self, table: Table) -> dict[str, Any]:
        return encode.header(table, self._world.owner, self._world.assumptions)

    def healthcheck(self, _request: Request, _one: str, _two: str) -> Response:
        """Say that the service is up; needs no token."""
        return answer({"status": "ok"})

    def _user(self) -> dict[str, Any]:
        active = self._world.billing.organization_is_active
        return {**self._world.owner, "organization_id": self._world.organization, "organization_is_active": active}

    def user(self, _request: Request, _one: str, _two: str) -> Response:
        """Say who is asking."""
        return answer(self._user())

    def billing(self, _request: Request, _one: str, _two: str) -> Response:
        """Say who is asking and what may be spent."""
        billing = self._world.billing
        available = 1_000_000 if billing.credits is None else billing.credits
        plan = {"requires_subscription": billing.requires_subscription, "plan_tier": billing.plan_tier}
        body: dict[str, Any] = {"user": self._user(), "subscription": plan}
        where = self._world.assumptions.credits_in
        (body if where == "body" else body[where])["available_credits"] = available
        return answer(body)

    def list_tables(self, request: Request, _one: str, _two: str) -> Response:
        """List root tables, filtered, sorted, a page of them."""
        query = Query(request.query)
        offset = query.whole("offset", 0, 0) or 0
        limit = query.whole("limit", LIST_LIMIT, 1, LIST_LIMIT_AT_MOST) or LIST_LIMIT
        kind, scope = query.choice("kind", KINDS), query.choice("scope", SCOPES)
        sort = query.choice("sort", SORTS) or "-created_at"
        search, tags = (query.last("search") or "").casefold(), set(query.all("tags"))
        found = [
            table
            for table in self._world.tables.values()
            if table.parent_table is None
            and (kind is None or table.kind == kind)
            and (scope != "personal" or table.scope == "personal")
            and (not tags or tags.intersection(table.tags))
            and (not search or search in table.name.casefold() or search in (table.description or "").casefold())
        ]
        field = sort.lstrip("-")
        if field == "name":
            found.sort(key=lambda table: table.name, reverse=sort[0] == "-")
        elif field == "num_rows":
            found.sort(key=lambda table: len(table.order), reverse=sort[0] == "-")
        else:
            found.sort(key=lambda table: table.created_at, reverse=sort[0] == "-")
        return answer([encode.summary(table, self._world.owner) for table in found[offset : offset + limit]])

    def create_table(self, request: Request, _one: str, _two: str) -> Response:
        """Create a table with the columns of its kind and those that are asked for."""
        body = read_body(request, shapes.NewTable)
        configs = [to_builtins(config) for config in body.column_configs]
        brought = [copy.deepcopy(config) for config in kinds.BUILT_IN[body.kind]]
        _check_columns(body.kind, brought, configs, ("body", "column_configs"))
        table = self._world.add_table(body.name, body.kind)
        table.description, table.tags, table.settings, table.scope = (
            body.description,
            body.tags,
            body.settings,
            body.scope,
        )
        for config in (*brought, *configs):
            self._world.add_column(table, config)
        table.connect()
        return answer(self._header(table))

    def get_table(self, _request: Request, table_id: str, _two: str) -> Response:
        """Give a table without its rows."""
        return answer(self._header(self._table(table_id)))

    def update_table(self, request: Request, table_id: str, _two: str) -> Response:
        """Change a table's name, description, tags or settings."""
        table = self._table(table_id)
        body = read_body(request, shapes.TablePatch)
        for name in body.__struct_fields__:
            value = getattr(body, name)
            if value is not UNSET:
                setattr(table, name, value)
        table.updated_at = self._world.clock.now()
        return answer(self._header(table))

    def delete_table(self, _request: Request, table_id: str, _two: str) -> Response:
        """Delete a table and the people tables under it."""
        table = self._table(table_id)
        shown = {"id": table.id}
        self._world.remove_table(table)
        return answer(shown)

    def clone_table(self, request: Request, table_id: str, _two: str) -> Response:
        """Copy a table: its columns, and unless `schema_only` its rows and what stands in them."""
        source = self._table(table_id)
        schema_only = Query(request.query).flag("schema_only")
        copied = self._world.add_table(f"{source.name} (copy)", source.kind)
        copied.description, copied.tags, copied.scope = source.description, list(source.tags), source.scope
        copied.settings, copied.cell_bytes = copy.deepcopy(source.settings), source.cell_bytes
        for column in source.columns:
            added = self._world.add_column(copied, copy.deepcopy(column.config), outcome=copy.copy(column.outcome))
            added.credits = column.credits
        copied.connect()
        if not schema_only:
            slots = self._world.add_rows(copied, len(source.order))
            for old, new in zip(source.columns, copied.columns, strict=True):
                for born, slot in zip(slots, source.order, strict=True):
                    _copy_cell(old, slot, new, born)
        return answer(self._header(copied))

    def get_data(self, request: Request, table_id: str, _two: str) -> Response:
        """Give a table with its rows: a page, or all of them as one stream."""
        query = Query(request.query)
        offset = query.whole("offset", 0, 0) or 0
        limit = query.whole("limit", None, 1)
        table = self._table(table_id)
        slots = table.order[offset : None if limit is None else offset + limit]
        if request.shuffle is not None:
            random.Random(request.shuffle).shuffle(slots)  # noqa: S311 - chance that repeats is the point
        head = _encode(self._header(table))
        chunks = encode.data(head, table, slots, self._world.assumptions, self.reading)
        if limit is not None and len(slots) <= AT_ONCE:
            return Response(200, b"".join(chunks), (JSON,))
        return Response(200, chunks, (JSON,))

    def run_table(self, request: Request, table_id: str, _two: str) -> Response:
        """Start a run; once it is answered it has been paid for."""
        table = self._table(table_id)
        body = read_body(request, shapes.RunRequest, optional=True)
        _check_rows(table, body.rows or (), ("body", "rows"))
        known = {column.id for column in table.columns}
        for index, column_id in enumerate(body.columns or ()):
            if column_id not in known:
                raise invalid(["body", "columns", index], f"no column {column_id} in this table")
        try:
            run = self._world.run(table, body.mode, body.rows, body.columns)
        except UnaffordableError as error:
            return _payment_required(error)
        return answer(
            {
                "id": run.id,
                "created_at": stamp(run.created_at),
                "status": "created" if run.cells else "done",
                "rows": run.rows,
                "columns": run.columns,
                "num_requested_cells": len(run.cells),
                "mode": run.mode,
            }
        )

    def _rows(self, table: Table, slots: Sequence[int]) -> Response:
        rows = encode.rows(table, slots, self._world.assumptions)
        return Response(200, b"[" + b",".join(rows) + b"]", (JSON,))

    def create_rows(self, request: Request, table_id: str, _two: str) -> Response:
        """Add rows, and run them where that is asked for; answers with the rows."""
        table = self._table(table_id)
        body = read_body(request, shapes.NewRows)
        _check_data(table, [row.data for row in body.rows])
        slots = self._world.add_rows(table, len(body.rows))
        for slot, row in zip(slots, body.rows, strict=True):
            self._world.write(table, slot, row.data)
        if body.run and body.rows:
            try:
                self._world.run(table, "new", [table.row_ids[slot] for slot in slots], None)
            except UnaffordableError as error:
                table.remove_rows(slots)
                return _payment_required(error)
        table.updated_at = self._world.clock.now()
        return self._rows(table, slots)

    def update_rows(self, request: Request, table_id: str, _two: str) -> Response:
        """Change input cells; answers with the rows."""
        table = self._table(table_id)
        body = read_body(request, shapes.ChangedRows)
        _check_rows(table, [row.id for row in body.rows], ("body", "rows"))
        _check_data(table, [row.data for row in body.rows])
        for row in body.rows:
            self._world.write(table, table.slots[row.id], row.data)
        if body.run and body.rows:
            try:
                self._world.run(table, "new", [row.id for row in body.rows], None)
            except UnaffordableError as error:
                return _payment_required(error)
        table.updated_at = self._world.clock.now()
        return self._rows(table, [table.slots[row.id] for row in body.rows])

    def delete_rows(self, request: Request, table_id: str, _two: str) -> Response:
        """Delete rows by id; answers with their ids."""
        table = self._table(table_id)
        body = read_body(request, shapes.DeletedRows)
        _check_rows(table, body.rows, ("body", "rows"))
        gone = list(dict.fromkeys(body.rows))
        table.remove_rows([table.slots[row_id] for row_id in gone])
        table.updated_at = self._world.clock.now()
        return answer([{"id": row_id} for row_id in gone])

    def get_row(self, _request: Request, table_id: str, row_id: str) -> Response:
        """Give one row."""
        table = self._table(table_id)
        slot = table.slots.get(path_id("row_id", row_id))
        if slot is None:
            raise RejectedError(message(404, "Row not found"))
        return Response(200, encode.rows(table, [slot], self._world.assumptions)[0], (JSON,))

    def add_columns(self, request: Request, table_id: str, _two: str) -> Response:
        """Add columns; answers with them."""
        table = self._table(table_id)
        body = read_body(request, shapes.NewColumns)
        configs = [to_builtins(config) for config in body.column_configs]
        standing = [column.config for column in table.columns]
        _check_columns(table.kind, standing, configs, ("body", "column_configs"))
        added = [self._world.add_column(table, config) for config in configs]
        table.connect()
        table.updated_at = self._world.clock.now()
        return answer([encode.column_json(column) for column in added])

    def update_column(self, request: Request, table_id: str, column_id: str) -> Response:
        """Change a column's configuration; its cells stay."""
        table = self._table(table_id)
        column = self._column(table, column_id)
        body = to_builtins(read_body(request, shapes.ColumnPatch))
        config = {**column.config, **body}
        config = {name: value for name, value in config.items() if value is not None}
        if (config["kind"] == kinds.INPUT) != column.is_input or (config["kind"] == kinds.PEOPLE_FINDER) != (
            column.kind == kinds.PEOPLE_FINDER
        ):
            raise invalid(["body", "kind"], f"a column of kind {column.kind} cannot become {config['kind']}")
        standing = [each.config for each in table.columns if each is not column]
        _check_columns(table.kind, standing, [config], ("body",))
        column.config = config
        table.connect()
        table.updated_at = self._world.clock.now()
        return answer(encode.column_json(column))

    def delete_column(self, _request: Request, table_id: str, column_id: str) -> Response:
        """Delete a column; answers with it."""
        table = self._table(table_id)
        column = self._column(table, column_id)
        table.remove_column(column)
        table.updated_at = self._world.clock.now()
        return answer(encode.column_json(column))


def _payment_required(error: UnaffordableError) -> Response:
    return message(402, {"error": error.error, "message": str(error)})


def _check_rows(table: Table, rows: Iterable[str], at: tuple[str, ...]) -> None:
    for index, row_id in enumerate(rows):
        if row_id not in table.slots:
            raise invalid([*at, index], f"no row {row_id} in this table")


def _check_data(table: Table, given: Iterable[Mapping[str, Any]]) -> None:
    inputs = {column.key for column in table.columns if column.is_input}
    for index, data in enumerate(given):
        for key in data:
            if key not in inputs:
                raise invalid(["body", "rows", index, "data", key], f"no input column `{key}` in this table")


def _check_columns(
    table_kind: str, standing: list[dict[str, Any]], added: list[dict[str, Any]], at: tuple[str, ...]
) -> None:
    """Refuse configurations that make no sense beside the columns that stand."""
    many = at[-1] == "column_configs"
    known = [str(config["key"]) for config in standing]
    keys = [*known, *(str(config["key"]) for config in added)]
    for index, config in enumerate(added):
        here: list[str | int] = [*at, index] if many else [*at]
        if config["key"] in (*known, *(each["key"] for each in added[:index])):
            raise invalid([*here, "key"], f"the key `{config['key']}` is taken")
        for place, text in kinds.problems(config, table_kind, keys):
            raise invalid([*here, *place], text)
    graph = {config["key"]: kinds.upstream_keys(config, table_kind, keys) for config in (*standing, *added)}
    circle = kinds.cycle(graph)
    if circle:
        raise invalid(list(at), f"columns wait for each other: {' → '.join(circle)}")


def _copy_cell(old: Column, slot: int, new: Column, born: int) -> None:
    state = old.states[slot]
    settled = state in SETTLED
    new.move(born, State(state) if settled else State.EMPTY)
    new.tries[born] = old.tries[slot]
    if settled and slot in old.values:
        new.values[born] = copy.deepcopy(old.values[slot])
    if settled and slot in old.odd:
        new.odd[born] = old.odd[slot]
