"""The endpoints of tables: the list, changes to tables, and their data."""

import random
from typing import Final

import msgspec
from msgspec import UNSET, to_builtins

from reconciler.simulator.http import encode, shapes
from reconciler.simulator.http.access import Access, check_columns
from reconciler.simulator.http.clone import clone
from reconciler.simulator.http.columns_api import check_configs
from reconciler.simulator.http.routing import Endpoint
from reconciler.simulator.http.wire import Request, Response, answer, choice, flag, last, read_body, whole

LIST_LIMIT: Final = 50
LIST_LIMIT_AT_MOST: Final = 100
KINDS: Final = ("generic", "company", "people")
SCOPES: Final = ("personal", "organization")
SORTS: Final = ("-created_at", "created_at", "name", "-name", "num_rows", "-num_rows")
AT_ONCE: Final = 200
"""A page of at most this many rows is one body with its length; a longer one is streamed."""

_encode = msgspec.json.encode


class Tables:
    """The endpoints; each call sees the world at that moment."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._world = access.world

    def routes(self) -> dict[str, Endpoint]:
        """Return the endpoints by method and path."""
        one = "/v1/tables/{table_id}"
        return {
            f"GET {one}": self.get,
            f"GET {one}/data": self.get_data,
            "GET /v1/tables": self.list_roots,
            "POST /v1/tables": self.create,
            f"PATCH {one}": self.update,
            f"DELETE {one}": self.delete,
            f"POST {one}/clone": self.clone,
        }

    def list_roots(self, request: Request) -> Response:
        """Return one page of root tables, filtered and sorted."""
        query = request.parameters
        offset = whole(query, "offset", 0, 0) or 0
        limit = whole(query, "limit", LIST_LIMIT, 1, LIST_LIMIT_AT_MOST) or LIST_LIMIT
        kind, scope = choice(query, "kind", KINDS), choice(query, "scope", SCOPES)
        sort = choice(query, "sort", SORTS) or "-created_at"
        search, tags = (last(query, "search") or "").casefold(), set(query.getlist("tags"))
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

    def create(self, request: Request) -> Response:
        """Create a table with the columns of its kind and those requested."""
        body = read_body(request, shapes.NewTable)
        configs = [to_builtins(config) for config in body.column_configs]
        brought = self._world.brought(body.kind)
        check_configs(body.kind, brought, configs, ("body", "column_configs"))
        table = self._world.add_table(body.name, body.kind)
        table.description, table.tags, table.settings = body.description, body.tags or [], body.settings or {}
        table.scope, table.notify = body.scope, body.notify
        for config in (*brought, *configs):
            self._world.add_column(table, config)
        table.connect()
        return answer(self._access.header(table))

    def get(self, _request: Request, table_id: str) -> Response:
        """Return a table without its rows."""
        return answer(self._access.header(self._access.table(table_id)))

    def update(self, request: Request, table_id: str) -> Response:
        """Change a table's name, description, tags, settings, notification or the order of its columns."""
        table = self._access.table(table_id)
        body = read_body(request, shapes.TablePatch)
        order = [] if body.columns_order is UNSET else body.columns_order
        check_columns(table, order, ("body", "columns_order"))
        table.order_columns(table.column(column_id) for column_id in order)
        for name in ("name", "description", "tags", "settings", "notify"):
            value = getattr(body, name)
            if value is not UNSET:
                setattr(table, name, value)
        table.updated_at = self._world.clock.now()
        return answer(self._access.header(table))

    def delete(self, _request: Request, table_id: str) -> Response:
        """Delete a table and the people tables under it; return its last header [D]."""
        table = self._access.table(table_id)
        shown = answer(self._access.header(table))
        self._world.remove_table(table)
        return shown

    def clone(self, request: Request, table_id: str) -> Response:
        """Copy a table and the people tables under it; `schema_only` leaves the rows out."""
        source = self._access.table(table_id)
        return answer(
            self._access.header(clone(self._world, source, schema_only=flag(request.parameters, "schema_only")))
        )

    def get_data(self, request: Request, table_id: str) -> Response:
        """Return a table with its rows: one page, or all as one stream."""
        query = request.parameters
        offset = whole(query, "offset", 0, 0) or 0
        limit = whole(query, "limit", None, 1)
        table = self._access.table(table_id)
        slots = table.order[offset : None if limit is None else offset + limit]
        if request.shuffle is not None:
            random.Random(request.shuffle).shuffle(slots)  # noqa: S311 - chance that repeats is the point
        head = _encode({**self._access.header(table), "discovery_tasks": table.discovery_tasks})
        chunks = encode.data(head, table, slots, self._world.assumptions, self._access.reading)
        if limit is not None and len(slots) <= AT_ONCE:
            return Response(200, b"".join(chunks))
        return Response(200, chunks)
