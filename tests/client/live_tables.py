"""Tables as a test writes them down, and as the API shows them."""

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.client import ApiOptions, Reader, Token
from reconciler.errors import ApiError
from reconciler.model.observed import TableSnapshot, TableStatus
from tests.client.wire_server import Exchange

SECRET = "sk-live-0123456789abcdef"  # the token of every test: it must never be seen anywhere but in its header
TABLE = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"


def uid(number: int) -> str:
    """Return a UUID that is easy to recognise."""
    return str(uuid.UUID(int=number))


def options(url: str, **changes: Any) -> ApiOptions:
    """Return options for a test server."""
    return ApiOptions(base_url=url, token=Token(SECRET), **{"timeout_seconds": 5, "call_seconds": 5, **changes})


def column(number: int, key: str, kind: str = "agent", **value: Any) -> dict[str, Any]:
    """Return a column as the API shows it."""
    return {
        "id": uid(number),
        "created_at": "2026-01-01T00:00:00Z",
        "config": {"kind": kind, "name": key.title(), "key": key, "value": {"prompt": "", **value}},
    }


@dataclass
class LiveTable:
    """A table that a test server shows; a test may change it while it is read."""

    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    id: str = TABLE
    name: str = "Target Accounts"
    run_status: str = "idle"
    in_progress: int = 0
    completed: int = 0

    def add_rows(self, cells: Iterable[Mapping[str, Any]]) -> "LiveTable":
        """Append rows whose ids count up from 1000."""
        for data in cells:
            self.rows.append({"id": uid(1000 + len(self.rows)), "is_missing_inputs": False, "data": dict(data)})
        return self

    def header(self) -> dict[str, Any]:
        """Return the answer to `GET /v1/tables/{id}`."""
        return {
            "id": self.id,
            "created_at": "2026-01-01T00:00:00Z",
            "name": self.name,
            "kind": "company",
            "columns": self.columns,
            "status": {
                "num_rows": len(self.rows),
                "num_columns": len(self.columns),
                "num_cells_completed": self.completed,
                "num_cells_in_progress": self.in_progress,
                "run_status": self.run_status,
            },
        }

    def page(self, offset: int, limit: int) -> dict[str, Any]:
        """Return the answer to `GET /v1/tables/{id}/data?offset&limit`."""
        return {**self.header(), "rows": self.rows[offset : offset + limit]}


class Api:
    """The behaviour of a well-meaning API over some tables; `before` may meddle with each exchange first."""

    def __init__(
        self, *tables: LiveTable, before: Callable[[Exchange], bool] | None = None, ascii_only: bool = True
    ) -> None:
        self._tables = {table.id: table for table in tables}
        self._before = before
        self._ascii_only = ascii_only
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        """Answer one request; `before` returning True has answered it already."""
        with self._lock:
            if self._before is not None and self._before(exchange):
                return
            parts = exchange.request.path.split("/")
            table = self._tables.get(parts[3]) if len(parts) > 3 else None
            if table is None:
                exchange.answer(404, {"detail": "Table not found"})
                return
            shown = table.page(**exchange.request.query) if parts[4:] == ["data"] else table.header()
            exchange.answer(200, json.dumps(shown, ensure_ascii=self._ascii_only).encode("utf-8", "surrogatepass"))


def read_table(reader: Reader, digests: frozenset[str] | None = frozenset()) -> TableSnapshot:
    """Read the table. Raises what went wrong with it."""
    found = reader.read_tables({TABLE: digests})[TABLE]
    if isinstance(found, ApiError):
        raise found
    return found


def read_status(reader: Reader) -> TableStatus:
    """Look at the table's status. Raises what went wrong with it."""
    found = reader.read_statuses([TABLE])[TABLE]
    if isinstance(found, ApiError):
        raise found
    return found
