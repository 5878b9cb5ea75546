"""A 200 is an answer only if it is whole and the API's own: anything else is asked for again, and named in the end."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.client import Reader
from reconciler.errors import ApiError, BadResponse, Refused
from reconciler.model.observed import TableSnapshot
from tests.client.live_tables import TABLE, Api, LiveTable, column, options, read_status, read_table, uid
from tests.client.wire_server import Exchange, WireServer

HTML = b"<!DOCTYPE html>\n<html><body>Sign in to go on: \xe9\xe8</body></html>"
MARK = b"\xef\xbb\xbf"
GZIP = {"Content-Encoding": "gzip"}


def table(rows: int = 2) -> LiveTable:
    return LiveTable([column(2, "a")]).add_rows([{"a": None}] * rows)


def shown(exchange: Exchange) -> bytes:
    """Return the bytes of the answer that the request wants."""
    live = table()
    live.name = "Zürich"
    whole = live.page(**exchange.request.query) if exchange.request.query else live.header()
    return json.dumps(whole, ensure_ascii=False).encode()


def unbounded(exchange: Exchange, data: bytes, *headers: str) -> None:
    """Answer without a length: only the end of the connection says where the body ends."""
    exchange.raw("\r\n".join(["HTTP/1.1 200 OK", "Connection: close", *headers, "", ""]).encode() + data)
    exchange.close()


def cut_chunks(exchange: Exchange) -> None:
    data = shown(exchange)
    unbounded(exchange, b"%x\r\n%b\r\n100\r\nhalf" % (len(data), data), "Transfer-Encoding: chunked")


CUT = {
    "html": (lambda exchange: exchange.answer(200, HTML), "the answer is an HTML page, not JSON"),
    "xml": (lambda exchange: exchange.answer(200, b"<Error/>"), "the answer is HTML or XML, not JSON"),
    "words": (lambda exchange: exchange.answer(200, b"OK"), "the answer is not JSON"),
    "nothing": (lambda exchange: exchange.answer(200, b""), "the answer is empty"),
    "half": (lambda exchange: unbounded(exchange, shown(exchange)[:150]), "the JSON of the answer ends early"),
    "one byte less": (lambda exchange: exchange.answer(200, shown(exchange)[:-1]), "the JSON of the answer ends early"),
    "half a word": (lambda exchange: exchange.answer(200, b'{"a": tr'), "the JSON of the answer ends early"),
    "half an escape": (lambda exchange: exchange.answer(200, b'{"a": "\\u00'), "the JSON of the answer ends early"),
    "half a character": (
        lambda exchange: exchange.answer(200, '{"a": "ü'.encode()[:-1]),
        "the answer ends in the middle of a character",
    ),
    "length": (
        lambda exchange: unbounded(exchange, shown(exchange), "Content-Length: 9999"),
        "the answer breaks off (5",
    ),
    "chunks": (cut_chunks, "the answer breaks off (5"),
    "headers": (
        lambda exchange: (exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Le"), exchange.close()),
        "the answer breaks off (5",
    ),
    "no colon": (
        lambda exchange: unbounded(exchange, shown(exchange), "Content-Length"),
        "MalformedAnswer: the answer has a malformed header",
    ),
    "a blank before the colon": (
        lambda exchange: unbounded(exchange, shown(exchange), "Content-Length : 9"),
        "MalformedAnswer: the answer has a malformed header",
    ),
    "headers without end": (
        lambda exchange: unbounded(exchange, shown(exchange), *["X-More: yes"] * 100),
        "MalformedAnswer: the answer has more than 100 headers",
    ),
    "one long header": (
        lambda exchange: unbounded(exchange, shown(exchange), "X-More: " + "y" * 70_000),
        "MalformedAnswer: the answer has a line of more than 65,536 bytes",
    ),
    "another version": (
        lambda exchange: (exchange.raw(b"HTTP/2 200 OK\r\n\r\n"), exchange.close()),
        "MalformedAnswer: the answer begins with 'HTTP/2 200 OK'",
    ),
    "chunked twice": (
        lambda exchange: unbounded(exchange, b"0\r\n\r\n", *["Transfer-Encoding: chunked"] * 2),
        "MalformedAnswer: the answer has an unknown transfer encoding",
    ),
    "unclear length": (
        lambda exchange: unbounded(exchange, shown(exchange), "Content-Length: 9", "Content-Length: 99"),
        "MalformedAnswer: the answer has an unclear length",
    ),
    "no length": (
        lambda exchange: unbounded(exchange, shown(exchange), "Content-Length: -9"),
        "MalformedAnswer: the answer has an unclear length",
    ),
    "length and chunks": (
        lambda exchange: unbounded(exchange, b"0\r\n\r\n", "Content-Length: 5", "Transfer-Encoding: chunked"),
        "MalformedAnswer: the answer has an unclear length",
    ),
    "encoded twice": (
        lambda exchange: unbounded(exchange, b"0\r\n\r\n", "Transfer-Encoding: gzip, chunked"),
        "MalformedAnswer: the answer has an unknown transfer encoding",
    ),
    "gzip": (
        lambda exchange: exchange.answer(200, gzip.compress(shown(exchange))[:-20], GZIP),
        "the compressed answer breaks off",
    ),
    "further gzip": (
        lambda exchange: exchange.answer(200, gzip.compress(shown(exchange)[:90]) + gzip.compress(b"x")[:-9], GZIP),
        "the compressed answer breaks off",
    ),
    "no gzip": (lambda exchange: exchange.answer(200, shown(exchange), GZIP), "the compressed answer is damaged"),
}
CUTS = pytest.mark.parametrize(("how", "words"), CUT.values(), ids=list(CUT))


def read(url: str, waits: list[float], **changes: Any) -> TableSnapshot | ApiError:
    """Read one table without waiting."""
    with Reader(options(url, **changes), sleep=waits.append, random=lambda: 0.5, clock=lambda: sum(waits)) as reader:
        return reader.read_tables({TABLE: frozenset()})[TABLE]


@CUTS
def test_an_answer_that_is_not_whole_is_asked_for_again(how: Callable[[Exchange], None], words: str) -> None:
    """Like a lost connection: for the header and for a page alike."""
    api, waits = Api(table()), list[float]()

    def behave(exchange: Exchange) -> None:
        (how if exchange.number in (0, 2, 3) else api)(exchange)

    with WireServer(behave) as server:
        found = read(server.url, waits)
        assert len(server.requests) == 5
    assert isinstance(found, TableSnapshot), words
    assert waits == [0.5, 0.5, 1.0]


@CUTS
def test_an_answer_that_is_never_whole_is_named_as_what_came(how: Callable[[Exchange], None], words: str) -> None:
    """After five tries, with what to look at; never with what it said."""
    waits: list[float] = []
    with WireServer(how) as server:
        found = read(server.url, waits)
        assert len(server.requests) == 5
    assert type(found) is BadResponse
    assert found.message.startswith(f"GET /v1/tables/{TABLE}: {words}")
    assert found.message.endswith("(5 of 5 tries)")
    assert "base URL" in found.hint
    assert "Sign in" not in str(found)


def test_whole_json_that_is_not_the_api_s_is_not_asked_for_again() -> None:
    """Its shape will be the same the next time."""
    for body in (b"[]", b"{}", b'{"id": NaN}'):
        with WireServer(lambda exchange, body=body: exchange.answer(200, body)) as server:  # type: ignore[misc]
            assert isinstance(read(server.url, []), BadResponse)
            assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("pack", "headers"),
    [
        (lambda data: MARK + data, {}),
        (lambda data: gzip.compress(MARK + data), GZIP),
        (lambda data: gzip.compress(data[:77]) + gzip.compress(b"") + gzip.compress(data[77:]), GZIP),
        (lambda data: b"".join(gzip.compress(data[at : at + 1]) for at in range(len(data))), GZIP),
    ],
    ids=["mark", "packed mark", "three members", "many members"],
)
def test_other_ways_to_write_the_same_answer_are_read(pack: Callable[[bytes], bytes], headers: dict[str, str]) -> None:
    """A byte-order mark in front; gzip in several members, as proxies join it."""
    with WireServer(lambda exchange: exchange.answer(200, pack(shown(exchange)), headers)) as server:
        found = read(server.url, [])
        assert len(server.requests) == 2
    assert isinstance(found, TableSnapshot)
    assert found.name == "Zürich"
    assert len(found.row_ids) == 2


HEADS = {
    "version 1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n", 2),
    "version 1.0, kept": (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: %d\r\n\r\n", 1),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n", 1),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length:%d\n\n", 1),
    "twice the same length": (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\ncontent-length:\t%d \r\n\r\n", 1),
    "a folded header": (b"HTTP/1.1 200 OK\r\nX-Long: one\r\n  : two\r\nContent-Length: %d\r\n\r\n", 1),
    "a foreign header": (b"HTTP/1.1 200 OK\r\nX-Name: \xfcber\r\nContent-Length: %d\r\n\r\n", 1),
}


@pytest.mark.parametrize(("head", "connections"), HEADS.values(), ids=list(HEADS))
def test_an_unusual_head_is_read(head: bytes, connections: int) -> None:
    """As old servers write it; and the connection is kept if the head says so."""

    def behave(exchange: Exchange) -> None:
        data = shown(exchange)
        exchange.raw(head % ((len(data),) * head.count(b"%d")) + data)
        if connections == 2:
            exchange.close()

    with WireServer(behave) as server:
        assert isinstance(read(server.url, []), TableSnapshot)
        assert (len(server.requests), server.connections) == (2, connections)


def test_hints_before_the_answer_are_skipped() -> None:
    """Any number of 1xx may come first, together with the answer or before it."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"

    def behave(exchange: Exchange) -> None:
        exchange.raw(hint * exchange.number + b"HTTP/1.1 100 Continue\r\n\r\n" + hint)
        exchange.answer(200, shown(exchange))

    with WireServer(behave) as server:
        assert isinstance(read(server.url, []), TableSnapshot)
        assert server.connections == 1


def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    """Each answer says that the connection stays open, and it is closed after it: no request is lost on the way."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, shown(exchange), {"Connection": "keep-alive"})
        exchange.close()

    waits: list[float] = []
    with WireServer(behave) as server, Reader(options(server.url, concurrency=1), sleep=waits.append) as reader:
        for number in range(1, 4):
            read_status(reader)
            server.wait_until_closed(number)
            assert server.connections == number
    assert waits == []


def test_unasked_bytes_are_not_taken_for_the_next_answer() -> None:
    """Bytes that a server sends after its answer belong to no request."""

    def behave(exchange: Exchange) -> None:
        data = shown(exchange)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data)
        exchange.raw(head + data + b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    with WireServer(behave) as server, Reader(options(server.url, concurrency=1)) as reader:
        for _ in range(3):
            assert read_status(reader).run_status == "idle"


def test_a_refusal_behind_a_byte_order_mark_keeps_its_words() -> None:
    """A person needs the API's own words."""
    with WireServer(lambda exchange: exchange.answer(404, MARK + b'{"detail": "gone since May"}')) as server:
        found = read(server.url, [])
    assert isinstance(found, Refused)
    assert "gone since May" in found.message


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 305, 399])
@pytest.mark.parametrize("headers", [{}, {"Location": "/elsewhere"}])
def test_only_a_redirect_is_called_one(status: int, headers: dict[str, str]) -> None:
    """Another odd status has nothing to do with the base URL."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(status, b"", headers)
        exchange.close()

    with WireServer(behave) as server:
        found = read(server.url, [])
    assert isinstance(found, BadResponse)
    assert (f": {status} instead of an answer" in found.message, found.hint) == (True, "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_called_one_if_it_says_where(status: int) -> None:
    """Without a `Location` it leads nowhere."""
    for headers, is_hinted in (({"Location": "/elsewhere"}, True), ({}, False)):
        with WireServer(lambda exchange, headers=headers: exchange.answer(status, b"", headers)) as server:  # type: ignore[misc]
            found = read(server.url, [])
            assert len(server.requests) == 1
        assert isinstance(found, BadResponse)
        assert ("redirects are not followed" in found.hint) is is_hinted


@pytest.mark.parametrize("most", [2, 3, 100, 249])
def test_a_server_that_gives_less_than_was_asked_for_is_followed(most: int) -> None:
    """Whatever it cuts its pages to, and however many rows there are: each comes, in its place."""
    for rows in (most, most + 1, 263):
        live = table(rows)

        def cut(exchange: Exchange, live: LiveTable = live) -> bool:
            query = exchange.request.query
            if query:
                exchange.answer(200, live.page(query["offset"], min(query["limit"], most)))
            return bool(query)

        with WireServer(Api(live, before=cut)) as server:
            found = read(server.url, [], page_rows=250, concurrency=4)
            assert len(server.requests) <= 3 + rows / (most - 1)
        assert isinstance(found, TableSnapshot)
        assert found.row_ids == tuple(row["id"] for row in live.rows)


def test_a_server_whose_pages_vary_is_followed() -> None:
    """One that cuts by bytes, say."""
    live = table(400)

    def cut(exchange: Exchange) -> bool:
        query = exchange.request.query
        if query:
            exchange.answer(200, live.page(query["offset"], min(query["limit"], 2 + query["offset"] * 7 % 50)))
        return bool(query)

    with WireServer(Api(live, before=cut)) as server:
        found = read(server.url, [], page_rows=150, concurrency=4)
    assert isinstance(found, TableSnapshot)
    assert found.row_ids == tuple(row["id"] for row in live.rows)


@pytest.mark.parametrize("most", [0, 1])
def test_pages_too_small_to_follow_name_the_setting(most: int) -> None:
    """A page that brings no row beyond the one it shares leads nowhere."""
    live = table(9)

    def cut(exchange: Exchange) -> bool:
        query = exchange.request.query
        if query:
            exchange.answer(200, live.page(query["offset"], min(query["limit"], most)))
        return bool(query)

    with WireServer(Api(live, before=cut)) as server:
        found = read(server.url, [])
        assert len(server.requests) == 6
    assert isinstance(found, BadResponse)
    assert f"a page held {most} of the 9 rows that were requested" in found.message
    assert ("set `api.page_rows` to 1" if most else "lower `api.page_rows`") in found.hint


def test_a_server_of_single_rows_is_followed_as_the_hint_says() -> None:
    """One row a page is slow, but it is whole."""
    live = table(9)

    def cut(exchange: Exchange) -> bool:
        query = exchange.request.query
        if query:
            exchange.answer(200, live.page(query["offset"], 1))
        return bool(query)

    with WireServer(Api(live, before=cut)) as server:
        found = read(server.url, [], page_rows=1)
    assert isinstance(found, TableSnapshot)
    assert found.row_ids == tuple(row["id"] for row in live.rows)


@pytest.mark.parametrize("page_rows", [4, 100])
def test_a_server_that_ignores_the_offset_is_named(page_rows: int) -> None:
    """It is not a table that moves, and no number of rows would help."""
    live = table(page_rows + 3)

    def repeat(exchange: Exchange) -> bool:
        query = exchange.request.query
        if query:
            exchange.answer(200, live.page(0, page_rows))
        return bool(query)

    with WireServer(Api(live, before=repeat)) as server:
        found = read(server.url, [], page_rows=page_rows, concurrency=1)
    assert isinstance(found, BadResponse)
    assert "as if the server ignored `offset`" in found.message
    assert "page_rows" not in found.hint


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_server_that_objects_to_the_size_of_a_page_names_the_setting(status: int) -> None:
    """A limit beyond its own is an error to it; the header has no such limit."""
    detail = [{"loc": ["query", "limit"], "msg": "must be 100 at most"}]

    def object_to(exchange: Exchange) -> bool:
        if exchange.request.query:
            exchange.answer(status, {"detail": detail})
        return bool(exchange.request.query)

    with WireServer(Api(table(), before=object_to)) as server:
        found = read(server.url, [])
    assert isinstance(found, Refused)
    assert "query.limit: must be 100 at most" in found.message
    assert "api.page_rows" in found.hint
    with WireServer(lambda exchange: exchange.answer(status, {"detail": detail})) as server:
        found = read(server.url, [])
    assert isinstance(found, Refused)
    assert "api.page_rows" not in found.hint


def test_half_a_character_in_a_name_is_shown_as_one_that_is_missing() -> None:
    """In the list, in a header, in a column: it is only for people, and the table is read like any other."""
    live = table()
    live.name = "Half \ud83d"
    live.columns[0]["config"]["name"] = "\ude00 Column"
    listed = [
        {"id": live.id, "name": live.name, "kind": "\ud83d"},
        {"id": uid(7), "name": "Whole 😀", "kind": "people"},
    ]

    def behave(exchange: Exchange) -> None:
        if exchange.request.path == "/v1/tables":
            exchange.answer(200, [] if "offset=2" in exchange.request.target else listed)
        else:
            Api(live)(exchange)

    with WireServer(behave) as server, Reader(options(server.url)) as reader:
        tables = reader.list_tables()
        found = read_table(reader, None)
        header = reader.read_headers([TABLE])[TABLE]
    assert [(each.name, each.kind) for each in tables] == [("Half \ufffd", "\ufffd"), ("Whole 😀", "people")]
    assert not isinstance(header, ApiError)
    assert found.name == header.name == "Half \ufffd"
    assert found.columns[0].name == header.columns[0].name == "\ufffd Column"
