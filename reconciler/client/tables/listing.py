"""The list of a workspace's tables, and single tables without their rows, to find tables whose id is not known.

The list has no cursor [D]. It is requested oldest first, so that new tables appear at its end, one page after another
until a page has nothing new: so a server with smaller pages loses nothing, and one that repeats itself does not keep us
forever.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.client.http.lenient_json import check_utf8, is_plain, parse, shown_text
from reconciler.client.http.request import Query
from reconciler.client.http.urls import as_uuid, table_path
from reconciler.client.tables.pages import Header, read_header
from reconciler.errors import ApiError, BadResponse
from reconciler.model.observed import ListedTable, TableHeader

PATH = "/v1/tables"
PAGE_TABLES = 100
"""The highest allowed `limit` [D]."""
MOST_TABLES = 100_000
"""A longer list is refused, because a server might continue forever."""


@dataclass(frozen=True, slots=True)
class ListRequest:
    """One GET of the list."""

    offset: int
    search: str
    tags: tuple[str, ...]

    @property
    def is_large(self) -> bool:
        """Never: no rows come along."""
        return False

    @property
    def path(self) -> str:
        """Return the path below the base URL."""
        return PATH

    @property
    def query(self) -> Query:
        """Return the query parameters [D]."""
        query: dict[str, Any] = {"offset": self.offset, "limit": PAGE_TABLES, "sort": "created_at"}
        if self.search:
            query["search"] = self.search
        if self.tags:
            query["tags"] = self.tags
        return query

    def decode(self, body: memoryview) -> tuple[ListedTable, ...]:
        """Reduce the body to the tables in it. Raises BadResponse."""
        check_utf8(body)
        shown = parse(body)
        if not isinstance(shown, list):
            raise BadResponse("the answer is not a JSON list")
        return tuple(map(_listed, shown))


@dataclass(slots=True)
class Listing:
    """The reading of the whole list."""

    search: str = ""
    tags: tuple[str, ...] = ()
    outcome: tuple[ListedTable, ...] | ApiError | None = None
    _found: dict[str, ListedTable] = field(default_factory=dict)
    _offset: int = 0
    _out: bool = False

    @property
    def is_done(self) -> bool:
        """True once there is an outcome."""
        return self.outcome is not None

    def result(self) -> tuple[ListedTable, ...] | ApiError:
        """Return the outcome of a reading that is done."""
        assert self.outcome is not None
        return self.outcome

    def next_request(self, *, large: bool = True) -> ListRequest | None:
        """Return the next page's GET, one at a time: the length of a page determines where the next begins."""
        if self._out:
            return None
        self._out = True
        return ListRequest(self._offset, self.search, self.tags)

    def take(self, _request: ListRequest | None, answer: tuple[ListedTable, ...] | ApiError) -> None:
        """Take a page; one with nothing new is the last."""
        self._out = False
        if isinstance(answer, ApiError):
            self.outcome = answer
            return
        before = len(self._found)
        self._offset += len(answer)
        # Tables without an id count by name, so a repeated page of them is nothing new either.
        self._found.update((table.id or f"? {table.name}", table) for table in answer)
        if len(self._found) == before:
            # A server that ignores `tags` must not make us import everything.
            wanted = frozenset(self.tags)
            self.outcome = tuple(
                table for table in self._found.values() if not wanted or wanted.intersection(table.tags)
            )
        elif len(self._found) > MOST_TABLES:
            self.outcome = BadResponse(f"GET {PATH}: the list has more than {MOST_TABLES:,} tables")


@dataclass(frozen=True, slots=True)
class HeaderRequest:
    """One GET of a table's header."""

    table_id: str

    @property
    def is_large(self) -> bool:
        """Never: no rows come along."""
        return False

    @property
    def path(self) -> str:
        """Return the path below the base URL."""
        return table_path(self.table_id)

    @property
    def query(self) -> Query:
        """Return no parameters."""
        return {}

    def decode(self, body: memoryview) -> Header:
        """Decode the header. Raises BadResponse."""
        return read_header(body, self.table_id)


@dataclass(slots=True)
class HeaderRead:
    """The reading of one table without its rows."""

    table_id: str
    outcome: TableHeader | ApiError | None = None
    _asked: bool = False

    @property
    def is_done(self) -> bool:
        """True once there is an outcome."""
        return self.outcome is not None

    def result(self) -> TableHeader | ApiError:
        """Return the outcome of a reading that is done."""
        assert self.outcome is not None
        return self.outcome

    def next_request(self, *, large: bool = True) -> HeaderRequest | None:
        """Return the one GET, once."""
        if self._asked:
            return None
        self._asked = True
        return HeaderRequest(self.table_id)

    def take(self, _request: HeaderRequest | None, answer: Header | ApiError) -> None:
        """Take the answer, which is the outcome."""
        if isinstance(answer, ApiError):
            self.outcome = answer
        else:
            self.outcome = TableHeader(answer.table_id, answer.name, answer.kind, answer.columns, answer.children)


def _listed(shown: object) -> ListedTable:
    """Return one table of the list, with the readable parts of it."""
    table = shown if isinstance(shown, dict) else {"name": 0}
    tags = table.get("tags")
    return ListedTable(
        id=as_uuid(table.get("id")) or "",
        name=_text(table, "name"),
        kind=_text(table, "kind") or "",
        tags=tuple(tag for tag in tags if isinstance(tag, str) and is_plain(tag)) if isinstance(tags, list) else (),
    )


def _text(shown: Mapping[str, Any], key: str) -> str | None:
    """Return a string, empty if it is absent; None if it is not a string."""
    text = shown.get(key)
    if text is None:
        return ""
    return shown_text(text) if isinstance(text, str) else None
