"""Connections that are kept: closed by the server whenever it likes, and never a source of another request's answer."""

import errno
import io
import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.client import Reader
from reconciler.client.http.buffers import Buffers
from reconciler.client.http.connection import Connection
from reconciler.client.http.failures import no_answer_hint
from reconciler.client.http.response import MalformedAnswer, Response
from reconciler.client.http.trust import tls_context
from reconciler.errors import ApiError
from reconciler.model.network import Network
from tests.client.live_tables import LiveTable, column, options, uid
from tests.client.proxies import TRUSTED, server_context
from tests.client.wire_server import Exchange, WireServer

TABLES = [uid(number) for number in range(1, 9)]
BODY = b'{"answer": "0123456789012345678901234567890"}'
Admit = Callable[[], None] | None
HOW: dict[str, Admit] = {"in one thread": None, "in workers": lambda: None}


def shown(table: str, name: str = "Honest") -> bytes:
    live = LiveTable([column(2, "a")], id=table, name=name)
    return json.dumps(live.header()).encode()


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.mark.parametrize("admit", HOW.values(), ids=HOW)
@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_is_closed_when_a_request_comes_costs_no_try(admit: Admit, reset: bool) -> None:
    """The server closes it at the very moment: the request is sent again, at once and once."""
    served: set[int] = set()
    waits: list[float] = []

    def behave(exchange: Exchange) -> None:
        if id(exchange.sock) not in served:
            served.add(id(exchange.sock))
            kept.append(exchange.sock)
            exchange.answer(200, shown(exchange.request.path.rpartition("/")[2]))
        elif reset:
            exchange.reset()
        else:
            exchange.close()

    kept: list[object] = []
    with (
        WireServer(behave) as server,
        Reader(options(server.url, concurrency=1), sleep=waits.append, admit=admit) as reader,
    ):
        found = reader.read_headers(TABLES)
    assert [each.id for each in found.values() if not isinstance(each, ApiError)] == TABLES
    assert waits == []
    assert len(server.requests) == 2 * len(TABLES) - 1


@pytest.mark.parametrize("size", [200, 12_000, 30_000])
@pytest.mark.parametrize("tls", [None, server_context()], ids=["plain", "TLS"])
@pytest.mark.parametrize("admit", HOW.values(), ids=HOW)
def test_an_unasked_answer_is_never_taken_for_another(admit: Admit, tls: ssl.SSLContext | None, size: int) -> None:
    """It came together with one that was, and is for the table that is asked for next."""

    def behave(exchange: Exchange) -> None:
        asked = exchange.request.path.rpartition("/")[2]
        following = TABLES[(TABLES.index(asked) + 1) % len(TABLES)]
        exchange.raw(answer(shown(asked)) + answer(shown(following, "Forged" * (size // 6))))

    trusting = Network(trust=TRUSTED)
    waits: list[float] = []
    with (
        WireServer(behave, tls=tls) as server,
        Reader(options(server.url, concurrency=1, network=trusting), sleep=waits.append, admit=admit) as reader,
    ):
        found = reader.read_headers(TABLES)
    assert waits == []
    assert [each.name for each in found.values() if not isinstance(each, ApiError)] == ["Honest"] * len(TABLES)


ENDS = {
    "length": answer(BODY),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0a\r\n%b\r\n010;a=0\r\n%b\r\n0013\r\n%b\r\n000\r\nA: 0\r\n\r\n" % (BODY[:10], BODY[10:26], BODY[26:]),
}


@pytest.mark.parametrize("whole", ENDS.values(), ids=ENDS)
def test_an_answer_that_is_cut_is_never_taken_for_whole(whole: bytes) -> None:
    """Wherever it is cut: half the size of a chunk must not pass for the end of all."""
    for cut in range(len(whole) + 1):
        response = Response(io.BytesIO(whole[:cut]))
        try:
            response.begin()
            body = b"".join(response.pieces(7))
        except (MalformedAnswer, ConnectionResetError):
            assert cut < len(whole)
        else:
            assert body == BODY, cut


@pytest.mark.parametrize("size", [b"0x5", b"+5", b"-5", b" 5", b"5_0", b"", b";a", b"g"])
def test_a_size_that_another_reader_may_read_differently_is_refused(size: bytes) -> None:
    """Python reads `0x5`, `+5` and `5_0` as numbers; something on the way may not."""
    response = Response(
        io.BytesIO(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\nhello\r\n0\r\n\r\n" % size)
    )
    response.begin()
    with pytest.raises(MalformedAnswer):
        b"".join(response.pieces(100))


@pytest.mark.parametrize("tls", [None, server_context()], ids=["plain", "TLS"])
def test_a_connection_is_one_open_file(tls: ssl.SSLContext | None) -> None:
    """Some machines allow 64."""

    def files() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    with WireServer(lambda exchange: exchange.answer(200, b"{}"), tls=tls) as server:
        how = options(server.url, network=Network(trust=TRUSTED))
        connections = [Connection(how, tls_context(how), Buffers()) for _ in range(5)]
        before = files()
        for each in connections:
            each.get("/v1", {}, bytes)
        assert files() - before == 2 * len(connections)  # theirs and ours
        for each in connections:
            each.close()


def test_too_many_open_files_are_called_that() -> None:
    """It is not the network."""
    assert "ulimit" in no_answer_hint(OSError(errno.EMFILE, "Too many open files"))
