"""The endpoints of columns, with the checks of a column's configuration."""

from typing import Any

from msgspec import to_builtins

from reconciler.simulator.http import encode, shapes
from reconciler.simulator.http.access import Access
from reconciler.simulator.http.routing import Endpoint
from reconciler.simulator.http.wire import Request, Response, answer, invalid, read_body
from reconciler.simulator.world import columns as kinds
from reconciler.simulator.world.table import Table


class Columns:
    """The endpoints; each call sees the world at that moment."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._world = access.world

    def routes(self) -> dict[str, Endpoint]:
        """Return the endpoints by method and path."""
        columns = "/v1/tables/{table_id}/columns"
        return {
            f"POST {columns}": self.add,
            f"PATCH {columns}/{{column_id}}": self.update,
            f"DELETE {columns}/{{column_id}}": self.delete,
        }

    def add(self, request: Request, table_id: str) -> Response:
        """Add columns and return them."""
        table = self._access.table(table_id)
        body = read_body(request, shapes.NewColumns)
        configs = [to_builtins(config) for config in body.column_configs]
        standing = [column.config for column in table.columns]
        check_configs(table.kind, standing, configs, ("body", "column_configs"))
        after = _place(table, body.insert_after)
        added = [self._world.add_column(table, config) for config in configs]
        table.order_columns(added, after)
        table.updated_at = self._world.clock.now()
        return answer([encode.column_json(column) for column in added])

    def update(self, request: Request, table_id: str, column_id: str) -> Response:
        """Change a column's configuration; its cells stay."""
        table = self._access.table(table_id)
        column = self._access.column(table, column_id)
        body = to_builtins(read_body(request, shapes.ColumnPatch))
        config = {**column.config, **body}
        config = {name: value for name, value in config.items() if value is not None}
        if (config["kind"] == kinds.INPUT) != column.is_input or (config["kind"] == kinds.PEOPLE_FINDER) != (
            column.kind == kinds.PEOPLE_FINDER
        ):
            raise invalid(["body", "kind"], f"a column of kind {column.kind} cannot become {config['kind']}")
        standing = [each.config for each in table.columns if each is not column]
        check_configs(table.kind, standing, [config], ("body",))
        column.config = config
        table.connect()
        table.updated_at = self._world.clock.now()
        return answer(encode.column_json(column))

    def delete(self, _request: Request, table_id: str, column_id: str) -> Response:
        """Delete a column and return it."""
        table = self._access.table(table_id)
        column = self._access.column(table, column_id)
        table.remove_column(column)
        table.updated_at = self._world.clock.now()
        return answer(encode.column_json(column))


def _place(table: Table, insert_after: bool | str) -> int:
    """Return how many columns come before the new ones."""
    if isinstance(insert_after, bool):
        return len(table.columns) if insert_after else 0
    for index, column in enumerate(table.columns):
        if column.id == insert_after:
            return index + 1
    raise invalid(["body", "insert_after"], f"no column {insert_after} in this table")


def check_configs(
    table_kind: str, standing: list[dict[str, Any]], added: list[dict[str, Any]], at: tuple[str, ...]
) -> None:
    """Refuse configurations that are invalid together with the table's columns."""
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
