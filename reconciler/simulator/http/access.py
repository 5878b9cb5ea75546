"""How the endpoints reach a world: they resolve ids in paths, charge for runs, and show tables."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from reconciler.simulator.http import encode
from reconciler.simulator.http.routing import Endpoint
from reconciler.simulator.http.wire import JSON, RejectedError, Request, Response, invalid, message, path_id
from reconciler.simulator.world.table import Column, Table
from reconciler.simulator.world.world import PaymentError, Run, UnaffordableError, World


class Access:
    """One world, as the endpoints see it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def reading(self) -> AbstractContextManager[object]:
        """Return the lock to hold while reading the world."""
        return self.world.lock

    def table(self, table_id: str) -> Table:
        """Return the table of a path; a 404 if it does not exist."""
        identity = path_id("table_id", table_id)
        if identity not in self.world.tables:
            raise RejectedError(message(404, "Table not found"))
        return self.world.tables[identity]

    def column(self, table: Table, column_id: str) -> Column:
        """Return the column of a path; a 404 if it does not exist."""
        identity = path_id("column_id", column_id)
        for column in table.columns:
            if column.id == identity:
                return column
        raise RejectedError(message(404, "Column not found"))

    def row(self, table: Table, row_id: str) -> int:
        """Return the slot of a path's row; a 404 if it does not exist."""
        slot = table.slots.get(path_id("row_id", row_id))
        if slot is None:
            raise RejectedError(message(404, "Row not found"))
        return slot

    def header(self, table: Table) -> dict[str, Any]:
        """Return a table without its rows, as the API shows it."""
        return encode.header(table, self.world.owner, self.world.assumptions)

    def rows(self, table: Table, slots: Sequence[int]) -> Response:
        """Answer with rows."""
        rows = encode.rows(table, slots, self.world.assumptions)
        return Response(200, b"[" + b",".join(rows) + b"]", (JSON,))

    def run(self, table: Table, mode: str, rows: list[str] | None, columns: list[str] | None) -> Run:
        """Start a run and charge for it; a 402 if it cannot be paid for, without starting anything."""
        try:
            return self.world.run(table, mode, rows, columns)
        except UnaffordableError as error:
            raise _payment_required(error.error, str(error)) from None

    def with_a_plan(self, endpoint: Endpoint) -> Endpoint:
        """Wrap an endpoint that changes something: a 402 if the organization's plan does not allow it [V]."""

        def gated(request: Request, **ids: str) -> Response:
            if not self.world.billing.has_plan:
                raise _payment_required("plan_required", "A paid plan is required to change or run tables.")
            return endpoint(request, **ids)

        return gated


def _payment_required(error: PaymentError, text: str) -> RejectedError:
    return RejectedError(message(402, {"error": error, "message": text}))


def check_rows(table: Table, rows: Iterable[str], at: tuple[str, ...]) -> None:
    """Refuse ids of rows that are not in the table."""
    for index, row_id in enumerate(rows):
        if row_id not in table.slots:
            raise invalid([*at, index], f"no row {row_id} in this table")


def check_columns(table: Table, columns: Iterable[str], at: tuple[str, ...]) -> None:
    """Refuse ids of columns that are not in the table."""
    known = {column.id for column in table.columns}
    for index, column_id in enumerate(columns):
        if column_id not in known:
            raise invalid([*at, index], f"no column {column_id} in this table")
