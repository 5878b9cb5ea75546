"""Reads that meet trouble: what is tried again and how patiently, what is not, and what stops everything."""

import gzip
import json
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.client import Reader, SpendClient
from reconciler.client.http.connection import LARGEST_ANSWER
from reconciler.client.http.retry import RetryTiming, wait_seconds
from reconciler.client.http.retry_after import retry_after_seconds
from reconciler.errors import ApiError, BadResponse, Refused
from reconciler.model.observed import TableSnapshot
from tests.client.live_tables import SECRET, TABLE, Api, LiveTable, column, options, read_status, read_table, uid
from tests.client.run_call_outcomes import call
from tests.client.wire_server import Exchange, WireServer

CERTIFICATE = Path(__file__).parent / "self_signed.pem"


def table(rows: int = 2) -> LiveTable:
    return LiveTable([column(2, "a")]).add_rows([{"a": None}] * rows)


def read(url: str, waits: list[float], *, chance: float = 0.5, **changes: float) -> TableSnapshot | ApiError:
    """Read one table with time and chance in hand: `waits` takes down each wait instead of waiting."""
    with Reader(options(url, **changes), sleep=waits.append, random=lambda: chance, clock=lambda: sum(waits)) as reader:
        found = reader.read_tables({TABLE: frozenset()})[TABLE]
    if isinstance(found, ApiError):
        assert SECRET not in "".join(traceback.format_exception(found)) + found.message + found.hint
        assert found.__context__ is None
        assert found.__traceback__ is None
    return found


def failing_at_first(times: int, how: Callable[[Exchange], None]) -> Callable[[Exchange], None]:
    api = Api(table())

    def behave(exchange: Exchange) -> None:
        if exchange.number < times:
            how(exchange)
        else:
            api(exchange)

    return behave


def half(exchange: Exchange) -> None:
    exchange.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id"')
    exchange.close()


def garbage(exchange: Exchange) -> None:
    exchange.raw(b"no HTTP " + SECRET.encode() + b"\r\n\r\n")
    exchange.close()


@pytest.mark.parametrize(
    "how",
    [
        Exchange.close,
        Exchange.reset,
        half,
        garbage,
        lambda exchange: exchange.answer(408),
        lambda exchange: exchange.answer(429),
        lambda exchange: exchange.answer(500, b"<html>"),
        lambda exchange: exchange.answer(503),
    ],
)
def test_a_failure_that_may_pass_is_tried_again(how: Callable[[Exchange], None]) -> None:
    """Twice in trouble, then whole: two waits, full jitter under a doubling cap."""
    waits: list[float] = []
    with WireServer(failing_at_first(2, how)) as server:
        assert isinstance(read(server.url, waits), TableSnapshot)
        assert len(server.requests) == 4
        assert {seen.method for seen in server.requests} == {"GET"}
    assert waits == [0.5, 1.0]


def test_a_timeout_is_tried_again() -> None:
    """An answer that does not come within `timeout_seconds` is asked for once more."""
    waits: list[float] = []
    with WireServer(failing_at_first(1, Exchange.hang)) as server:
        assert isinstance(read(server.url, waits, timeout_seconds=0.2), TableSnapshot)
    assert waits == [0.5]


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Refused), (500, BadResponse), (502, BadResponse), (503, BadResponse)]
)
def test_trouble_that_stays_is_given_up_after_five_tries(status: int, kind: type[ApiError]) -> None:
    """The error names the status and the tries, and no query."""
    waits: list[float] = []
    with WireServer(lambda exchange: exchange.answer(status)) as server:
        found = read(server.url, waits, chance=1.0)
        assert len(server.requests) == 5
    assert type(found) is kind
    assert found.status == status
    assert found.message.startswith(f"GET /v1/tables/{TABLE}: {status}")
    assert found.message.endswith("(5 of 5 tries)")
    assert waits == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("60", 60.0), ("86400", 60.0), ("0", 0.5), ("soon", 0.5)])
def test_retry_after_is_honoured_up_to_a_minute(status: int, asked: str, waited: float) -> None:
    """Exactly as long as the server asks, not a jitter of it; nonsense falls back to the backoff."""
    waits: list[float] = []
    behave = failing_at_first(1, lambda exchange: exchange.answer(status, b"", {"Retry-After": asked}))
    with WireServer(behave) as server:
        assert isinstance(read(server.url, waits), TableSnapshot)
    assert waits == [waited]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("-7", None),
        ("7.5", None),
        ("٧", None),
        ("9" * 400, float("inf")),
        ("Thu, 01 Jan 1970 00:16:47 GMT", 7.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 99999 00:00:00 GMT", None),
        ("not a date", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    """A date counts from now, by the clock that is given."""
    assert retry_after_seconds(text, lambda: 1000.0) == seconds


def test_no_wait_is_longer_than_its_cap() -> None:
    """Backoff ends at ten seconds, what a server asks for at sixty."""
    timing = RetryTiming(sleep=lambda _seconds: None, random=lambda: 1.0, now=lambda: 0.0)
    assert wait_seconds(timing, 30, None) == 10.0
    assert wait_seconds(timing, 1, "9" * 400) == 60.0


@pytest.mark.parametrize("status", [400, 404, 409, 410, 418, 422])
def test_a_4xx_is_not_tried_again(status: int) -> None:
    """The API has said no; it will not change its mind."""
    waits: list[float] = []
    with WireServer(lambda exchange: exchange.answer(status, {"detail": "no"})) as server:
        found = read(server.url, waits)
        assert len(server.requests) == 1
    assert isinstance(found, Refused)
    assert found.status == status
    assert waits == []


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 303, 304, 307, 308])
def test_an_answer_of_an_unknown_kind_is_an_error_at_once(status: int) -> None:
    """Only a 200 is an answer. A redirect is not followed: the token would go along."""
    waits: list[float] = []
    with WireServer(Api(table())) as other:
        location = {"Location": f"{other.url}/v1/tables/{TABLE}"}

        def behave(exchange: Exchange) -> None:
            exchange.answer(status, b"", location)
            exchange.close()

        with WireServer(behave) as server:
            found = read(server.url, waits)
            assert (len(server.requests), len(other.requests)) == (1, 0)
    assert isinstance(found, BadResponse)
    assert waits == []


@pytest.mark.parametrize("header", ["Content-Length: 9", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_is_not_waited_for(status: int, header: str) -> None:
    """Whatever its head says: a 304 names the length of what it does not send."""

    def behave(exchange: Exchange) -> None:
        exchange.raw(f"HTTP/1.1 {status} Whatever\r\n{header}\r\n\r\n".encode())

    with WireServer(behave) as server:
        found = read(server.url, [], timeout_seconds=5)
    assert isinstance(found, BadResponse)
    assert found.status == status


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_token_stops_all_reading(status: int) -> None:
    """Hundreds of tables are wanted; at most one request a worker goes out, and none afterwards."""
    wanted: dict[str, frozenset[str] | None] = {uid(number): None for number in range(300)}
    waits: list[float] = []
    with (
        WireServer(lambda exchange: exchange.answer(status)) as server,
        Reader(options(server.url, concurrency=4), sleep=waits.append) as reader,
    ):
        with pytest.raises(Refused) as caught:
            reader.read_tables(wanted)
        assert caught.value.status == status
        sent = len(server.requests)
        assert sent <= 8
        with pytest.raises(Refused) as again:
            read_status(reader)
        assert again.value.status == status
        assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert len(server.requests) <= 8
    assert waits == []


def test_a_wrong_token_wakes_those_who_wait() -> None:
    """A worker in the middle of a minute's `Retry-After` gives up, and sends nothing more."""
    waiting, other = threading.Event(), threading.Event()

    def behave(exchange: Exchange) -> None:
        if exchange.request.path.endswith(uid(1)):
            other.wait(5)  # else a `Retry-After` would hold that one back
            exchange.answer(429, b"", {"Retry-After": "60"})
            waiting.set()
        else:
            other.set()
            waiting.wait(5)
            exchange.answer(401)

    began = time.monotonic()
    with WireServer(behave) as server, Reader(options(server.url, concurrency=2)) as reader:
        with pytest.raises(Refused):
            reader.read_tables({uid(1): None, uid(2): None})
        sent = len(server.requests)
    assert time.monotonic() - began < 5
    assert len(server.requests) == sent == 2
    assert not any(thread.name == "reconciler-read" for thread in threading.enumerate())


def test_leaving_does_not_wait_for_slow_answers() -> None:
    """Ctrl-C, or any error in the middle: the reader is gone within seconds, the threads are daemons."""

    def behave(exchange: Exchange) -> None:
        if exchange.request.path.endswith(uid(1)):
            exchange.hang()
        else:
            exchange.answer(403)

    began = time.monotonic()
    with WireServer(behave) as server:
        with pytest.raises(Refused), Reader(options(server.url, timeout_seconds=30)) as reader:
            reader.read_tables({uid(1): None, uid(2): None})
        assert time.monotonic() - began < 4


def test_a_server_that_is_not_there_is_not_asked_for_every_table() -> None:
    """Those already begun try as often as they may; the hundreds after them are not asked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    waits: list[float] = []
    wanted: dict[str, frozenset[str] | None] = {uid(number): None for number in range(300)}
    opened = Reader(options(f"http://127.0.0.1:{port}", concurrency=2), sleep=waits.append, random=lambda: 0.0)
    with opened as reader:
        found = reader.read_tables(wanted)
    assert len(found) == 300
    assert all(isinstance(one, BadResponse) and "Connection refused" in one.message for one in found.values())
    assert len(waits) <= 12


def test_a_certificate_that_is_not_trusted_is_not_tried_again() -> None:
    """It will be no better in a second."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    waits: list[float] = []
    with WireServer(Api(table()), tls=context) as server:
        found = read(server.url, waits)
        assert server.requests == []
    assert isinstance(found, BadResponse)
    assert "certificate is not trusted" in found.message
    assert waits == []


def test_a_compressed_answer_is_read() -> None:
    """gzip is asked for, and understood."""

    def behave(exchange: Exchange) -> None:
        assert exchange.request.headers["accept-encoding"] == "gzip"
        shown = table().page(**exchange.request.query) if exchange.request.query else table().header()
        exchange.answer(200, gzip.compress(json.dumps(shown).encode()), {"Content-Encoding": "gzip"})

    with WireServer(behave) as server:
        assert isinstance(read(server.url, []), TableSnapshot)


@pytest.mark.parametrize(
    ("pack", "headers"),
    [(bytes, {}), (gzip.compress, {"Content-Encoding": "gzip"})],
    ids=["plain", "packed"],
)
def test_an_answer_without_end_is_refused_while_it_streams(
    pack: Callable[[bytes], bytes], headers: dict[str, str]
) -> None:
    """Also one that is small until it is unpacked."""
    body = pack(bytes(LARGEST_ANSWER + 1))
    with WireServer(lambda exchange: exchange.answer(200, body, headers)) as server:
        found = read(server.url, [])
    assert isinstance(found, BadResponse)
    assert f"larger than {LARGEST_ANSWER:,} bytes" in found.message


def test_an_answer_that_trickles_comes_to_an_end() -> None:
    """Each byte comes in time, the whole never would."""

    def behave(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        exchange.trickle(b" " * 100_000, 0.02)

    with WireServer(behave) as server:
        found = read(server.url, [], timeout_seconds=0.1)
    assert isinstance(found, BadResponse)
    assert "still not complete" in found.message


def test_headers_that_trickle_come_to_an_end() -> None:
    """No wait is long, and no header is the last; on a connection that was used before too."""
    api = Api(table())

    head = b"HTTP/1.1 200 OK\r\n" + b"X-More: yes\r\n" * 10_000

    def behave(exchange: Exchange) -> None:
        if exchange.request.query:
            exchange.trickle(head, 0.02)
        else:
            api(exchange)

    for behaviour, asked in ((behave, 2), (lambda exchange: exchange.trickle(head, 0.02), 1)):
        with WireServer(behaviour) as server:
            found = read(server.url, [], timeout_seconds=0.1)
            assert len(server.requests) == asked
        assert isinstance(found, BadResponse)
        assert "still not complete" in found.message


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy variable must not see the token."""
    with WireServer(Api(table())) as proxy, WireServer(Api(table())) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert isinstance(read(server.url, []), TableSnapshot)
        assert proxy.connections == 0


def test_no_log_shows_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """Not even with every library at its most talkative."""
    caplog.set_level(logging.DEBUG)
    with WireServer(failing_at_first(1, Exchange.close)) as server:
        read(server.url, [])
        SpendClient(options(server.url)).send(call())
    assert caplog.records
    assert SECRET not in caplog.text


def test_a_bug_in_a_worker_reaches_the_caller() -> None:
    """Rather than leave it waiting for ever."""

    def break_down() -> float:
        raise ZeroDivisionError

    with (
        WireServer(lambda exchange: exchange.answer(500)) as server,
        Reader(options(server.url), random=break_down) as reader,
        pytest.raises(ZeroDivisionError),
    ):
        read_table(reader)
