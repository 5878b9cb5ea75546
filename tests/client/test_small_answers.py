"""Small answers, which one thread awaits over all connections: in trouble, the same comes of them as in a worker."""

import gzip
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from reconciler.client import Reader
from reconciler.client.http.early import MOST_BYTES, Early, NotPlainError
from reconciler.errors import ApiError, Refused
from reconciler.model.network import Network
from reconciler.model.observed import TableStatus
from reconciler.model.reading import ReadProgress
from tests.client.live_tables import LiveTable, column, options, uid
from tests.client.proxies import TRUSTED, server_context
from tests.client.wire_server import Exchange, WireServer

TABLES = [uid(number) for number in range(1, 9)]
BODY = b'{"answer": "' + b"x" * 40 + b'"}'


def shown(exchange: Exchange) -> bytes:
    live = LiveTable([column(2, "a")]).add_rows([{"a": None}] * 2)
    live.id = exchange.request.path.rpartition("/")[2]
    return json.dumps(live.header()).encode()


def chunked(data: bytes, size: int = 20) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def whole(data: bytes, *headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode() + data


def sized(data: bytes, *headers: str) -> bytes:
    return whole(data, f"Content-Length: {len(data)}", *headers)


CHUNKED = "Transfer-Encoding: chunked"
PLAIN = {
    "length": sized(BODY),
    "chunks": whole(chunked(BODY), CHUNKED),
    "nothing": sized(b""),
    "closing": sized(BODY, "Connection: close"),
    "trailers": whole(chunked(BODY)[:-2] + b"Server-Timing: a\r\nExpires: 0\r\n\r\n", CHUNKED),
    "extensions": whole(chunked(BODY).replace(b"\r\n", b";a=b\r\n", 1)[:-5] + b"0;c\r\n\r\n", CHUNKED),
    "zeros before a size": whole(chunked(BODY).replace(b"14\r\n", b"0014\r\n")[:-5] + b"000\r\n\r\n", CHUNKED),
    "chunks with the end of chunks": whole(b"5\r\n0\r\n\r\n\r\n" + chunked(BODY), CHUNKED),
    "lines without returns": sized(BODY).replace(b"\r\n", b"\n"),
    "chunk lines without returns": whole(chunked(BODY), CHUNKED).replace(b"\r\n", b"\n"),
}


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


@pytest.mark.parametrize("answer", PLAIN.values(), ids=PLAIN)
def test_an_answer_is_whole_with_its_last_byte_and_not_before(answer: bytes) -> None:
    """Wherever it is cut in two."""
    for cut in range(len(answer)):
        with pair() as (ours, theirs):
            early = Early()
            theirs.sendall(answer[:cut])
            early.receive(ours)
            assert early.whole() is None
            theirs.sendall(answer[cut:])
            early.receive(ours)
            response = early.whole()
            assert response is not None
            assert b"".join(response.pieces(1 << 16)).endswith(BODY if answer != PLAIN["nothing"] else b"")


NOT_PLAIN = {
    "an error": b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 No\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "no length": whole(BODY),
    "two answers": sized(BODY) * 2,
    "too long": whole(b"", f"Content-Length: {MOST_BYTES}"),
    "a byte more": sized(BODY) + b"x",
}


@pytest.mark.parametrize("answer", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_is_begun_again_from_its_first_byte(answer: bytes) -> None:
    """By a worker, which gets what has come and then what comes."""
    with pair() as (ours, theirs):
        theirs.sendall(answer)
        early = Early()
        early.receive(ours)
        with pytest.raises(NotPlainError):
            early.whole()
        theirs.sendall(b"and the rest")
        theirs.shutdown(socket.SHUT_WR)
        ours.settimeout(5)
        with io.BufferedReader(early.followed_by(ours)) as stream:
            assert stream.read() == answer + b"and the rest"


def close_before(exchange: Exchange) -> None:
    exchange.close()


def half(exchange: Exchange) -> None:
    exchange.raw(sized(shown(exchange))[:-9])
    exchange.close()


def half_and_reset(exchange: Exchange) -> None:
    exchange.raw(sized(shown(exchange))[:-9])
    exchange.reset()


def cut_chunks(exchange: Exchange) -> None:
    exchange.raw(whole(chunked(shown(exchange))[:-30], CHUNKED))
    exchange.close()


def end_of_chunks(exchange: Exchange) -> None:
    """A first part that could be the last."""
    exchange.raw(whole(b"8\r\n   0\r\n\r\n", CHUNKED))
    exchange.raw(b"\r\n" + chunked(shown(exchange)))


def one_more(exchange: Exchange) -> None:
    exchange.raw(sized(shown(exchange)) + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


def answer_and_close(exchange: Exchange) -> None:
    """Without a word about it."""
    exchange.answer(200, shown(exchange))
    exchange.close()


def trickle(exchange: Exchange) -> None:
    exchange.trickle(sized(shown(exchange)), 0.0)
    exchange.is_open = True


TROUBLE: dict[str, Callable[[Exchange], None]] = {
    "500": lambda exchange: exchange.answer(500),
    "404": lambda exchange: exchange.answer(404, {"detail": "no such table"}),
    "422": lambda exchange: exchange.answer(422, b"<html>"),
    "429": lambda exchange: exchange.answer(429, b"", {"Retry-After": "7"}),
    "503": lambda exchange: exchange.answer(503),
    "302": lambda exchange: exchange.answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "204": lambda exchange: exchange.answer(204),
    "HTML": lambda exchange: exchange.answer(200, b"<html></html>"),
    "no JSON": lambda exchange: exchange.answer(200, b"no"),
    "another kind of JSON": lambda exchange: exchange.answer(200, b"[]"),
    "nothing": lambda exchange: exchange.answer(200),
    "closed": close_before,
    "reset": Exchange.reset,
    "half": half,
    "half, and reset": half_and_reset,
    "cut chunks": cut_chunks,
    "one more": one_more,
    "an end of chunks within them": end_of_chunks,
    "byte by byte": trickle,
    "garbage": lambda exchange: exchange.raw(b"\0\1\2\r\n\r\n"),
    "two lengths": lambda exchange: exchange.raw(whole(b"{}", "Content-Length: 2", "Content-Length: 3")),
    "damaged gzip": lambda exchange: exchange.answer(200, b"no gzip", {"Content-Encoding": "gzip"}),
    "gzip": lambda exchange: exchange.answer(200, gzip.compress(shown(exchange)), {"Content-Encoding": "gzip"}),
    "a bomb": lambda exchange: exchange.answer(200, gzip.compress(bytes(2**19)), {"Content-Encoding": "gzip"}),
    "early hints": lambda exchange: exchange.raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" + sized(shown(exchange))),
    "chunks": lambda exchange: exchange.raw(whole(chunked(shown(exchange)), CHUNKED)),
    "HTTP/1.0": lambda exchange: exchange.raw(sized(shown(exchange)).replace(b"HTTP/1.1", b"HTTP/1.0")),
}


def read(
    how: Callable[[Exchange], None], *, always: bool, admit: Callable[[], None] | None = None
) -> tuple[object, ...]:
    """Read eight tables, one after the other; the fourth and the fifth answer are in trouble, or all from there on."""
    waits: list[float] = []

    def behave(exchange: Exchange) -> None:
        if exchange.number in (3, 4) or (always and exchange.number > 3):
            how(exchange)
        else:
            exchange.answer(200, shown(exchange))

    with (
        WireServer(behave) as server,
        Reader(
            options(server.url, concurrency=1),
            sleep=waits.append,
            random=lambda: 0.5,
            clock=lambda: sum(waits),
            admit=admit,
        ) as opened,
    ):
        found = opened.read_statuses(TABLES)
        told = [
            each if isinstance(each, TableStatus) else (type(each), str(each), each.hint) for each in found.values()
        ]
        return told, waits, [each.target for each in server.requests], server.connections, opened.cost().requests


@pytest.mark.parametrize("always", [False, True], ids=["twice", "always"])
@pytest.mark.parametrize("how", TROUBLE.values(), ids=TROUBLE)
def test_in_trouble_the_same_comes_of_it_as_in_a_worker(how: Callable[[Exchange], None], always: bool) -> None:
    """The same answers and errors, after the same requests, waits and connections."""
    assert read(how, always=always) == read(how, always=always, admit=lambda: None)


def test_small_answers_need_no_workers_once_there_are_connections() -> None:
    """The first request of each connection does."""
    threads: list[str] = []

    def note(_method: str, _status: int | None) -> None:
        threads.append(threading.current_thread().name)

    with (
        WireServer(lambda exchange: exchange.answer(200, shown(exchange))) as server,
        Reader(options(server.url, concurrency=2, on_answer=note)) as reader,
    ):
        reader.read_statuses(TABLES)
    assert len(threads) == len(TABLES)
    assert threads.count("reconciler-read") == server.connections <= 2


def test_a_slow_answer_is_left_to_a_worker_with_its_timeouts() -> None:
    """Whatever comes of it."""

    def behave(exchange: Exchange) -> None:
        if exchange.number == 3:
            exchange.hang()
        else:
            exchange.answer(200, shown(exchange))

    waits: list[float] = []
    with (
        WireServer(behave) as server,
        Reader(options(server.url, concurrency=1, timeout_seconds=0.2), sleep=waits.append, random=lambda: 1) as reader,
    ):
        found = reader.read_statuses(TABLES)
    assert all(isinstance(each, TableStatus) for each in found.values())
    assert waits == [1.0]


def test_an_idle_connection_that_is_closed_costs_no_try() -> None:
    """A server may close it whenever it likes."""
    waits: list[float] = []
    with (
        WireServer(answer_and_close) as server,
        Reader(options(server.url, concurrency=2), sleep=waits.append) as reader,
    ):
        for _ in range(3):
            reader.read_statuses(TABLES[:2])
            server.wait_until_closed(server.connections)
        assert len(server.requests) == 6
        assert server.connections == 6
    assert waits == []


def test_reading_that_was_broken_off_leaves_nothing_behind() -> None:
    """No answer of then is taken for one of the reading that follows."""
    is_broken = [False]

    def break_off(_progress: ReadProgress) -> None:
        if not is_broken[0]:
            is_broken[0] = True
            raise KeyboardInterrupt

    with (
        WireServer(lambda exchange: exchange.answer(200, shown(exchange))) as server,
        Reader(options(server.url, concurrency=4), on_progress=break_off) as reader,
    ):
        reader.read_statuses(TABLES)
        with pytest.raises(KeyboardInterrupt):
            reader.read_tables(dict.fromkeys(TABLES, frozenset()))
        headers = reader.read_headers(TABLES)
    for table, header in headers.items():
        assert not isinstance(header, ApiError)
        assert header.id == table


def test_two_threads_that_read_at_once_do_so_in_turn() -> None:
    """A reader is for one; with two nothing is mixed up."""
    with (
        WireServer(lambda exchange: exchange.answer(200, shown(exchange))) as server,
        Reader(options(server.url, concurrency=4)) as reader,
        ThreadPoolExecutor(2) as threads,
    ):
        for headers in threads.map(lambda _: reader.read_headers(TABLES), range(40)):
            assert [each.id for each in headers.values() if not isinstance(each, ApiError)] == TABLES


def test_a_wrong_token_stops_the_others() -> None:
    """On connections that are open already, too."""

    def behave(exchange: Exchange) -> None:
        if exchange.number < 4:
            exchange.answer(200, shown(exchange))
        else:
            exchange.answer(401)

    with WireServer(behave) as server, Reader(options(server.url, concurrency=2)) as reader:
        with pytest.raises(Refused):
            reader.read_statuses(TABLES)
        sent = len(server.requests)
        assert sent <= 4 + 3
        with pytest.raises(Refused):
            reader.read_statuses(TABLES)
        assert len(server.requests) == sent


def test_over_tls_too() -> None:
    """A record at a time."""
    trusting = Network(trust=TRUSTED)

    def behave(exchange: Exchange) -> None:
        answer = sized(shown(exchange))
        for at in range(0, len(answer), 100):
            exchange.raw(answer[at : at + 100])

    with (
        WireServer(behave, tls=server_context()) as server,
        Reader(options(server.url, concurrency=2, network=trusting)) as reader,
    ):
        found = reader.read_statuses(TABLES)
    assert all(isinstance(each, TableStatus) for each in found.values())
    assert server.connections <= 2
