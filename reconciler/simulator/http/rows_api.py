"""The endpoints of rows."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import UNSET

from reconciler.simulator.http import shapes
from reconciler.simulator.http.access import Access, check_rows
from reconciler.simulator.http.routing import Endpoint
from reconciler.simulator.http.wire import RejectedError, Request, Response, answer, invalid, read_body
from reconciler.simulator.world.table import Table


class Rows:
    """The endpoints; each call sees the world at that moment."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._world = access.world

    def routes(self) -> dict[str, Endpoint]:
        """Return the endpoints by method and path."""
        rows = "/v1/tables/{table_id}/rows"
        return {
            f"GET {rows}/{{row_id}}": self.get,
            f"POST {rows}": self.create,
            f"PATCH {rows}": self.update,
            f"DELETE {rows}": self.delete,
        }

    def get(self, _request: Request, table_id: str, row_id: str) -> Response:
        """Return one row."""
        table = self._access.table(table_id)
        shown = self._access.rows(table, [self._access.row(table, row_id)])
        assert isinstance(shown.body, bytes), "rows are not streamed"
        return Response(200, shown.body[1:-1])

    def create(self, request: Request, table_id: str) -> Response:
        """Add rows, run them if requested, and return them."""
        table = self._access.table(table_id)
        body = read_body(request, shapes.NewRows)
        return self._write(table, [shapes.ChangedRow(None, row.data, row.metadata) for row in body.rows], body.run)

    def update(self, request: Request, table_id: str) -> Response:
        """Change input cells and metadata, add the rows without an id [D], and return the rows."""
        table = self._access.table(table_id)
        body = read_body(request, shapes.ChangedRows)
        for index, row in enumerate(body.rows):
            if row.id is not None and row.id not in table.slots:
                raise invalid(["body", "rows", index, "id"], f"no row {row.id} in this table")
        return self._write(table, body.rows, body.run)

    def _write(self, table: Table, rows: list[shapes.ChangedRow], run: bool) -> Response:
        _check_data(table, [row.data for row in rows])
        born = self._world.add_rows(table, sum(row.id is None for row in rows))
        fresh = iter(born)
        slots = [next(fresh) if row.id is None else table.slots[row.id] for row in rows]
        for slot, row in zip(slots, rows, strict=True):
            self._world.write(table, slot, row.data)
            if row.metadata is not UNSET and (row.metadata or slot in table.metadata):
                table.metadata[slot] = row.metadata
        if run and rows:
            try:
                self._access.run(table, "new", [table.row_ids[slot] for slot in slots], None)
            except RejectedError:
                table.remove_rows(born)
                raise
        table.updated_at = self._world.clock.now()
        return self._access.rows(table, slots)

    def delete(self, request: Request, table_id: str) -> Response:
        """Delete rows by id and return their ids."""
        table = self._access.table(table_id)
        body = read_body(request, shapes.DeletedRows)
        check_rows(table, body.rows, ("body", "rows"))
        gone = list(dict.fromkeys(body.rows))
        table.remove_rows([table.slots[row_id] for row_id in gone])
        table.updated_at = self._world.clock.now()
        return answer([{"id": row_id} for row_id in gone])


def _check_data(table: Table, given: Iterable[Mapping[str, Any]]) -> None:
    inputs = {column.key for column in table.columns if column.is_input}
    for index, data in enumerate(given):
        for key in data:
            if key not in inputs:
                raise invalid(["body", "rows", index, "data", key], f"no input column `{key}` in this table")
