"""The OpenAPI document of the simulated endpoints, made from the types that decode requests."""

from typing import Any, Final

import msgspec

from reconciler.simulator.http import shapes
from reconciler.simulator.http.tables_api import KINDS, LIST_LIMIT, LIST_LIMIT_AT_MOST, SCOPES, SORTS

_COMPONENTS: Final = (
    shapes.NewTable, shapes.TablePatch, shapes.NewRows, shapes.ChangedRows, shapes.DeletedRows, shapes.NewColumns,
    shapes.ColumnPatch, shapes.RunRequest, shapes.TableHeader, shapes.TableData, shapes.TableSummary, shapes.Row,
    shapes.Column, shapes.Identified, shapes.RunReceipt, shapes.User, shapes.Billing, shapes.Health, shapes.Message,
    shapes.Invalid, shapes.PaymentRequired,
)  # fmt: skip
_Schema = dict[str, Any]


def document() -> dict[str, Any]:
    """Return the document."""
    _, components = msgspec.json.schema_components(_COMPONENTS, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Extruct tables API, simulated",
            "version": "1",
            "description": "A local stand-in for tests. If the documentation is silent, it follows its workspace.",
        },
        "paths": _paths(),
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _reference(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(name: str) -> _Schema:
    return {"type": "array", "items": _reference(name)}


def _answer(text: str, schema: _Schema) -> _Schema:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _identity(name: str) -> _Schema:
    schema = {"type": "string", "format": "uuid", "pattern": shapes.UUID_PATTERN}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(name: str, schema: _Schema, text: str) -> _Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def _whole(least: int, most: int | None = None) -> _Schema:
    # Larger numbers have more digits than any number of rows.
    return {"type": "integer", "minimum": least, "maximum": 10**18 - 1 if most is None else most}


def _operation(
    name: str,
    summary: str,
    gives: _Schema,
    *,
    takes: _Schema | None = None,
    parameters: tuple[_Schema, ...] = (),
    refuses: str = "401 404",
) -> _Schema:
    """Return one operation that answers with the statuses of `refuses`, and with 422 if a request can be invalid."""
    responses: dict[str, _Schema] = {"200": _answer("Done.", gives)}
    for status in refuses.split():
        responses[status] = _answer(*_REFUSALS[status])
    if "404" in responses or takes or parameters:
        responses["422"] = _answer("The request is invalid.", _reference("Invalid"))
    operation: _Schema = {"operationId": name, "summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = list(parameters)
    if takes:
        operation["requestBody"] = takes
    if "401" not in responses:
        operation["security"] = []
    return operation


def _body(schema: str, *, required: bool = True) -> _Schema:
    return {"required": required, "content": {"application/json": {"schema": _reference(schema)}}}


_REFUSALS = {
    "401": ("The token is missing or wrong.", _reference("Message")),
    "402": ("It cannot be paid for; nothing was done.", _reference("PaymentRequired")),
    "404": ("No such table, row or column in this workspace.", _reference("Message")),
}
_PAID = "401 402 404"


def _paths() -> dict[str, _Schema]:
    table, row, column = _identity("table_id"), _identity("row_id"), _identity("column_id")
    one = "/v1/tables/{table_id}"
    listing = (
        _parameter("offset", {**_whole(0), "default": 0}, "Tables to skip."),
        _parameter("limit", {**_whole(1, LIST_LIMIT_AT_MOST), "default": LIST_LIMIT}, "Tables to return."),
        _parameter("kind", {"type": "string", "enum": list(KINDS)}, "Tables of this kind."),
        _parameter(
            "scope", {"type": "string", "enum": list(SCOPES)}, "Whose tables; personal ones are organization ones too."
        ),
        _parameter("search", {"type": "string"}, "Text in the name or the description, in any case."),
        _parameter("tags", {"type": "array", "items": {"type": "string"}}, "Tables with any of these tags."),
        _parameter("sort", {"type": "string", "enum": list(SORTS), "default": "-created_at"}, "The order."),
    )
    paging = (
        _parameter("offset", {**_whole(0), "default": 0}, "Rows to skip."),
        _parameter("limit", _whole(1), "Rows to return; by default all, as one stream."),
    )
    schema_only = (_parameter("schema_only", {"type": "boolean", "default": False}, "Leave the rows out."),)
    header, data = _reference("TableHeader"), _reference("TableData")
    paths: dict[str, _Schema] = {
        "/v1/healthcheck": {
            "get": _operation("healthcheck", "Report that the service is up.", _reference("Health"), refuses="")
        },
        "/v1/billing": {"get": _operation("billing", "Return the balance.", _reference("Billing"), refuses="401")},
        "/v1/user": {"get": _operation("user", "Return the token's user.", _reference("User"), refuses="401")},
        "/v1/tables": {
            "get": _operation(
                "list_tables", "List root tables.", _list_of("TableSummary"), parameters=listing, refuses="401"
            ),
            "post": _operation("create_table", "Create a table.", header, takes=_body("NewTable"), refuses="401 402"),
        },
        one: {
            "parameters": [table],
            "get": _operation("get_table", "Return a table without its rows.", header),
            "patch": _operation("update_table", "Change a table.", header, takes=_body("TablePatch"), refuses=_PAID),
            "delete": _operation("delete_table", "Delete a table.", header, refuses=_PAID),
        },
        f"{one}/clone": {
            "parameters": [table],
            "post": _operation("clone_table", "Copy a table.", header, parameters=schema_only, refuses=_PAID),
        },
        f"{one}/data": {
            "parameters": [table],
            "get": _operation("get_data", "Return a table with its rows.", data, parameters=paging),
        },
        f"{one}/run": {
            "parameters": [table],
            "post": _operation(
                "run_table",
                "Run cells; an accepted run is paid for.",
                _reference("RunReceipt"),
                takes=_body("RunRequest", required=False),
                refuses=_PAID,
            ),
        },
        f"{one}/rows": {
            "parameters": [table],
            "post": _operation("create_rows", "Add rows.", _list_of("Row"), takes=_body("NewRows"), refuses=_PAID),
            "patch": _operation(
                "update_rows", "Change rows, or add them.", _list_of("Row"), takes=_body("ChangedRows"), refuses=_PAID
            ),
            "delete": _operation(
                "delete_rows", "Delete rows.", _list_of("Identified"), takes=_body("DeletedRows"), refuses=_PAID
            ),
        },
        f"{one}/rows/{{row_id}}": {
            "parameters": [table, row],
            "get": _operation("get_row", "Return one row.", _reference("Row")),
        },
        f"{one}/columns": {
            "parameters": [table],
            "post": _operation(
                "add_columns", "Add columns.", _list_of("Column"), takes=_body("NewColumns"), refuses=_PAID
            ),
        },
        f"{one}/columns/{{column_id}}": {
            "parameters": [table, column],
            "patch": _operation(
                "update_column",
                "Change a column's configuration.",
                _reference("Column"),
                takes=_body("ColumnPatch"),
                refuses=_PAID,
            ),
            "delete": _operation("delete_column", "Delete a column.", _reference("Column"), refuses=_PAID),
        },
    }
    made = {
        name: {"operationId": name, "parameters": {"table_id": "$response.body#/id"}}
        for name in ("get_table", "get_data", "clone_table", "run_table", "create_rows", "add_columns", "delete_table")
    }
    one_row = {"table_id": "$request.path.table_id", "row_id": "$response.body#/0/id"}
    one_column = {"table_id": "$request.path.table_id", "column_id": "$response.body#/0/id"}
    _link(paths["/v1/tables"]["post"], made)
    _link(paths[f"{one}/rows"]["post"], {"get_row": {"operationId": "get_row", "parameters": one_row}})
    _link(
        paths[f"{one}/columns"]["post"],
        {name: {"operationId": name, "parameters": one_column} for name in ("update_column", "delete_column")},
    )
    return paths


def _link(operation: _Schema, links: _Schema) -> None:
    """Declare which operations accept the ids that this one returns."""
    operation["responses"]["200"]["links"] = links
