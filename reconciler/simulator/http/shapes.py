"""The types of requests and answers: requests are decoded into them, and the OpenAPI document is made from them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
KEY_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"

Id = Annotated[str, Meta(pattern=UUID_PATTERN, extra_json_schema={"format": "uuid"})]
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Key = Annotated[str, Meta(pattern=KEY_PATTERN)]
TableKind = Literal["generic", "company", "people"]
TableScope = Literal["personal", "organization"]
ColumnKind = Literal[
    "input", "agent", "criterion_grade", "criteria_grade_score", "company_people_finder", "discovery_scores",
    "company_name", "company_website", "company_profile", "email_finder", "phone_finder", "reverse_email_lookup",
    "linkedin",
]  # fmt: skip
UNTITLED = "Untitled Table"
Mode = Literal["new", "all", "failed"]


class ColumnConfig(Struct, omit_defaults=True):
    """The configuration of a column."""

    kind: ColumnKind
    name: Name
    key: Key
    value: dict[str, Any] | None = None
    email_column_key: str | None = None
    column_weights: dict[str, int | float] | None = None


class ColumnPatch(Struct):
    """The parts of a column's configuration to replace."""

    kind: ColumnKind | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    key: Key | UnsetType = UNSET
    value: dict[str, Any] | UnsetType | None = UNSET
    email_column_key: str | UnsetType | None = UNSET
    column_weights: dict[str, int | float] | UnsetType | None = UNSET


class NewColumns(Struct):
    """The body of `POST …/columns`."""

    column_configs: Annotated[list[ColumnConfig], Meta(min_length=1)]
    insert_after: bool | Id = True
    """The column after which they come; true for the last one, false to put them before all others [D]."""


class NewTable(Struct):
    """The body of `POST /v1/tables`."""

    name: Name = UNTITLED
    kind: TableKind = "generic"
    description: str | None = None
    tags: list[str] | None = None
    settings: dict[str, Any] | None = None
    notify: bool = False
    scope: TableScope = "personal"
    column_configs: list[ColumnConfig] = []


class TablePatch(Struct):
    """The body of `PATCH /v1/tables/{id}`."""

    name: Name | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    notify: bool | UnsetType = UNSET
    columns_order: list[Id] | UnsetType = UNSET
    """Ids of columns; the others follow in their previous order."""


class NewRow(Struct):
    """One row to create."""

    data: dict[str, Any]
    metadata: dict[str, Any] = {}


class NewRows(Struct):
    """The body of `POST …/rows`."""

    rows: list[NewRow]
    run: bool = False


class ChangedRow(Struct):
    """One row to update, or to create if it names no id."""

    id: Id | None = None
    data: dict[str, Any] = {}
    metadata: dict[str, Any] | UnsetType = UNSET


class ChangedRows(Struct):
    """The body of `PATCH …/rows`."""

    rows: list[ChangedRow]
    run: bool = False


class DeletedRows(Struct):
    """The body of `DELETE …/rows`."""

    rows: list[Id]


class RunRequest(Struct):
    """The body of `POST …/run`."""

    mode: Mode = "new"
    rows: list[Id] | None = None
    columns: list[Id] | None = None


class Owner(Struct):
    """The owner of a table."""

    id: Id
    email: str


class Relationship(Struct):
    """A link between a company table and its people."""

    table_id: Id
    relationship_type: Literal["company_people"]


class Status(Struct):
    """The progress of a table."""

    num_rows: Count
    num_columns: Count
    num_output_columns: Count
    num_input_columns: Count
    num_cells_completed: Count
    num_cells_in_progress: Count
    run_status: Literal["idle", "running"]


class Column(Struct):
    """A column of a table."""

    id: Id
    created_at: Moment
    config: ColumnConfig


class TableHeader(Struct):
    """A table without its rows."""

    id: Id
    created_at: Moment
    updated_at: Moment
    name: str
    description: str | None
    tags: list[str]
    kind: TableKind
    settings: dict[str, Any]
    notify: bool
    scope: TableScope
    columns: list[Column]
    owner: Owner
    child_relationships: list[Relationship]
    parent_relationships: list[Relationship]
    status: Status


class Row(Struct):
    """A row with its cells by column key."""

    id: Id
    created_at: Moment
    parent_row_id: Id | None
    is_missing_inputs: bool
    data: dict[str, Any]
    metadata: dict[str, Any]
    parent_data: dict[str, Any]


class DiscoveryTask(Struct):
    """A search that fills a table with companies [D]."""

    id: Id
    created_at: Moment
    status: Literal["created", "in_progress", "done", "failed"]
    query: str
    desired_num_results: Count
    is_exhausted: bool
    num_results_discovered: Count
    num_results_enriched: Count
    num_results_evaluated: Count
    num_results: Count
    table_id: Id
    auto_data_sources: bool
    data_sources: list[str]
    criteria: list[dict[str, Any]]


class TableData(TableHeader):
    """A table with rows."""

    discovery_tasks: list[DiscoveryTask]
    rows: list[Row]


class TableSummary(Struct):
    """A table as it appears in the list."""

    id: Id
    created_at: Moment
    updated_at: Moment
    name: str
    description: str | None
    tags: list[str]
    kind: TableKind
    settings: dict[str, Any]
    scope: TableScope
    owner: Owner
    num_rows: Count


class Identified(Struct):
    """The id of something deleted."""

    id: Id


class RunReceipt(Struct):
    """The answer to `POST …/run`."""

    id: Id
    created_at: Moment
    status: Literal["created", "in_progress", "done", "failed"]
    rows: list[Id] | None
    columns: list[Id] | None
    num_requested_cells: Count
    mode: Mode


class User(Struct):
    """The answer to `GET /v1/user`: the token's user, organization and credits [D]."""

    user_id: Id
    id: Id
    """The same, under its name in earlier versions of this stand-in."""
    email: str
    available_credits: Count
    organization_id: Id
    organization_name: str
    organization_slug: str
    organization_is_active: bool
    has_unlimited_credits: bool | UnsetType = UNSET
    credit_cap: Count | UnsetType | None = UNSET
    subscription_plan_credits: Count | UnsetType | None = UNSET


class BilledUser(Struct):
    """The token's user in the billing answer [V]."""

    id: Id
    email: str
    organization_id: Id
    organization_is_active: bool


class Billing(Struct):
    """The answer to `GET /v1/billing`."""

    user: BilledUser
    subscription: dict[str, Any]


class Health(Struct):
    """The answer to `GET /v1/healthcheck`."""

    status: Literal["ok"]


class Message(Struct):
    """An error in words."""

    detail: str


class InvalidItem(Struct):
    """One problem with a request."""

    loc: list[str | int]
    msg: str
    type: str


class Invalid(Struct):
    """The answer to an invalid request."""

    detail: list[InvalidItem]


class PaymentProblem(Struct):
    """The reason why a run cannot be paid for."""

    error: Literal["plan_required", "payment_failed", "insufficient_credits"]
    message: str


class PaymentRequired(Struct):
    """The answer to a run that cannot be paid for."""

    detail: PaymentProblem


# msgspec prepares a type on first use, and two threads that do so at once crash the interpreter.
_PREPARED = [
    msgspec.json.Decoder(shape)
    for shape in tuple(globals().values())
    if isinstance(shape, type) and issubclass(shape, Struct)
]
