"""The list of a workspace's tables and tables without their rows, over real sockets."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reconciler.client import Reader
from reconciler.client.tables.listing import MOST_TABLES
from reconciler.errors import BadResponse, Refused
from reconciler.model.observed import ListedTable, TableHeader
from tests.client.live_tables import TABLE, Api, LiveTable, column, options, uid
from tests.client.wire_server import Exchange, WireServer


def shown(number: int, **more: Any) -> dict[str, Any]:
    """Return a table as the list shows it."""
    return {"id": uid(number), "name": f"Table {number}", "kind": "company", "tags": [], **more}


def asked(exchange: Exchange) -> dict[str, list[str]]:
    """Return the query's parameters."""
    return parse_qs(urlsplit(exchange.request.target).query)


def serving(tables: list[Any], most: int = 100) -> Callable[[Exchange], None]:
    """Return a server of that list, in pages of `most` at most."""

    def answer(exchange: Exchange) -> None:
        offset = int(asked(exchange)["offset"][0])
        exchange.answer(200, tables[offset : offset + min(most, int(asked(exchange)["limit"][0]))])

    return answer


def listed(server: WireServer, *arguments: Any) -> tuple[ListedTable, ...]:
    """Return the tables that a reader lists."""
    with Reader(options(server.url), random=lambda: 0.0) as reader:
        return reader.list_tables(*arguments)


@pytest.mark.parametrize(("tables", "most", "requests"), [(0, 100, 1), (7, 100, 2), (100, 100, 2), (120, 50, 4)])
def test_every_table_is_listed_once(tables: int, most: int, requests: int) -> None:
    """In the server's order, also where its pages are smaller than what was asked for."""
    with WireServer(serving([shown(number) for number in range(tables)], most)) as server:
        assert [table.id for table in listed(server)] == [uid(number) for number in range(tables)]
        assert len(server.requests) == requests


def test_the_list_is_asked_for_as_documented() -> None:
    """Oldest first, a hundred at a time, a tag repeated for each; special characters arrive as they are."""
    queries: list[dict[str, list[str]]] = []

    def answer(exchange: Exchange) -> None:
        queries.append(asked(exchange))
        exchange.answer(200, [])

    with WireServer(answer) as server:
        listed(server, "a & b=ü", ["x", "y/z"])
    expected = {"offset": ["0"], "limit": ["100"], "sort": ["created_at"]}
    assert queries == [{**expected, "search": ["a & b=ü"], "tags": ["x", "y/z"]}]


def test_a_server_that_knows_no_tags_imports_nothing_else() -> None:
    """A table that comes back without the tag is left out."""
    with WireServer(serving([shown(1, tags=["a"]), shown(2, tags=None), shown(3, tags=["b", 7])])) as server:
        assert [table.id for table in listed(server, "", ["a", "b"])] == [uid(1), uid(3)]


def test_a_server_that_repeats_itself_comes_to_an_end() -> None:
    """One that does not know `offset` gives the same page for ever; one that counts on is stopped."""
    with WireServer(lambda exchange: exchange.answer(200, [shown(1)])) as server:
        assert len(listed(server)) == 1
        assert len(server.requests) == 2


def test_a_list_without_end_is_refused() -> None:
    """It must not be followed for ever, whatever the server's pages hold."""
    half = MOST_TABLES // 2 + 1

    def answer(exchange: Exchange) -> None:
        offset = int(asked(exchange)["offset"][0])
        exchange.answer(200, [shown(number) for number in range(offset, offset + half)])

    with WireServer(answer) as server:
        with pytest.raises(BadResponse, match="the list has more than"):
            listed(server)
        assert len(server.requests) == 2


def test_an_answer_of_another_shape_is_a_bad_response() -> None:
    """Nothing is guessed."""
    with WireServer(lambda exchange: exchange.answer(200, {"tables": []})) as server, pytest.raises(BadResponse):
        listed(server)


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        (None, ("", None, "")),
        (7, ("", None, "")),
        ({"id": "../../admin", "name": "Leads"}, ("", "Leads", "")),
        ({"name": "Leads"}, ("", "Leads", "")),
        (shown(1, name=7), (uid(1), None, "company")),
        (shown(1, kind=["x"]), (uid(1), "Table 1", "")),
        (shown(1, name=None), (uid(1), "", "company")),
    ],
)
def test_of_an_odd_entry_is_kept_what_can_be_read(entry: Any, kept: tuple[str, str | None, str]) -> None:
    """The other tables are found all the same, and whoever looks for a name knows that one is not known."""
    with WireServer(serving([entry, shown(2), entry], most=1)) as server:
        odd, other = listed(server)
    assert (odd.id, odd.name, odd.kind) == kept
    assert other == ListedTable(uid(2), "Table 2", "company", ())


def test_a_refused_token_is_said() -> None:
    """401 ends it at once."""
    with WireServer(lambda exchange: exchange.answer(401, {})) as server, pytest.raises(Refused):
        listed(server)


def test_headers_are_read_without_rows() -> None:
    """One GET a table; what cannot be read, or is not an id, is an error in its place."""
    table = LiveTable([column(1, "site", "input"), column(2, "news")]).add_rows({"news": None} for _ in range(3))
    with WireServer(Api(table)) as server, Reader(options(server.url), random=lambda: 0.0) as reader:
        found = reader.read_headers([TABLE, uid(9), "../x"])
        header = found[TABLE]
        assert isinstance(header, TableHeader)
        assert (header.name, [each.key for each in header.columns]) == ("Target Accounts", ["site", "news"])
        assert isinstance(found[uid(9)], Refused)
        assert isinstance(found["../x"], Refused)
        assert sorted(seen.target for seen in server.requests) == [f"/v1/tables/{uid(9)}", f"/v1/tables/{TABLE}"]
