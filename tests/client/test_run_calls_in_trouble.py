"""Run calls over connections that fail: what proves that nothing was sent, and what leaves doubt."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.client import SpendClient
from reconciler.errors import ApiError, InDoubt, NotSent, Refused
from reconciler.model.attempt import Receipt
from tests.client.live_tables import SECRET, options, uid
from tests.client.run_call_outcomes import RECEIPT, answering, call, outcome
from tests.client.wire_server import Exchange, WireServer

CERTIFICATE = Path(__file__).parent / "self_signed.pem"


def half(exchange: Exchange) -> None:
    exchange.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id": "')
    exchange.close()


def half_unmeasured(exchange: Exchange) -> None:
    exchange.raw(b'HTTP/1.1 200 OK\r\n\r\n{"id": "')
    exchange.close()


def half_in_chunks(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
    exchange.close()


def half_of_the_headers(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Le")
    exchange.close()


def garbage(exchange: Exchange) -> None:
    exchange.raw(b"\x00\x01\x02 not http at all " + SECRET.encode() + b"\r\n\r\n")
    exchange.close()


def bad_gzip(exchange: Exchange) -> None:
    exchange.answer(200, b"not gzip", {"Content-Encoding": "gzip"})


def bad_length(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}")
    exchange.close()


def switching_protocols(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    exchange.close()


def early_hints_only(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    exchange.close()


def endless_headers(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: yes\r\n" * 20_000)
    exchange.close()


@pytest.mark.parametrize(
    "behaviour",
    [
        Exchange.close,
        Exchange.reset,
        half,
        half_unmeasured,
        half_in_chunks,
        half_of_the_headers,
        garbage,
        bad_gzip,
        bad_length,
        switching_protocols,
        early_hints_only,
        endless_headers,
    ],
)
def test_a_request_that_was_read_and_not_answered_well_is_in_doubt(behaviour: Callable[[Exchange], None]) -> None:
    """The server had the whole request: it is paid for, as far as anyone knows."""
    with WireServer(behaviour) as server:
        assert isinstance(outcome(server.url), InDoubt)
        assert len(server.requests) == 1


def test_a_1xx_before_the_answer_is_passed_over() -> None:
    """100 and 103 are not answers."""

    def behave(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")
        exchange.answer(200, RECEIPT)

    with WireServer(behave) as server:
        assert outcome(server.url) == Receipt(uid(9), 1)


def test_a_connection_closed_before_the_request_is_read_is_in_doubt() -> None:
    """The client cannot know how much was read, so it must not say that nothing was."""
    with WireServer(answering(200, RECEIPT), refuse_to_read=True) as server:
        found = outcome(server.url)
        assert isinstance(found, InDoubt)
        assert len(server.requests) == 0


def test_a_refused_connection_is_not_sent() -> None:
    """Nobody listens, so nobody was asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = outcome(f"http://127.0.0.1:{port}")
    assert isinstance(found, NotSent)
    assert "refused" in found.message.lower()
    assert found.message.endswith("nothing was sent")


def test_a_name_that_does_not_exist_is_not_sent() -> None:
    """DNS failed before there was a connection."""
    assert isinstance(outcome("https://no-such-host.invalid"), NotSent)


def test_a_lookup_that_hangs_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver's own patience is longer than T; the call does not wait for it, and nothing was sent."""
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: release.wait(20) and [])
    began = time.monotonic()
    found = outcome("https://hangs.invalid", seconds=0.3)
    took = time.monotonic() - began
    release.set()
    assert isinstance(found, NotSent)
    assert took < 2


@pytest.fixture
def self_signed() -> ssl.SSLContext:
    """A server's TLS that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def test_a_certificate_that_nobody_trusts_is_not_sent(self_signed: ssl.SSLContext) -> None:
    """The handshake failed, so the request, and the token in it, stayed here."""
    with WireServer(answering(200, RECEIPT), tls=self_signed) as server:
        found = outcome(server.url)
        assert isinstance(found, NotSent)
        assert "certificate is not trusted" in found.message
        assert server.requests == []


def test_a_server_that_does_not_speak_tls_is_not_sent() -> None:
    """Plain HTTP where TLS was expected fails in the handshake."""
    with WireServer(answering(200, RECEIPT), refuse_to_read=True) as server:
        assert isinstance(outcome(server.url.replace("http:", "https:")), NotSent)


@pytest.fixture
def full_backlog() -> Iterator[int]:
    """A port that answers no SYN: its queue of connections is full and nobody accepts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        yield port
        for sock in waiting:
            sock.close()


def test_a_connection_that_does_not_come_about_in_time_is_not_sent(full_backlog: int) -> None:
    """The deadline fell before there was anyone to send to."""
    began = time.monotonic()
    found = outcome(f"http://127.0.0.1:{full_backlog}", seconds=0.3)
    assert isinstance(found, NotSent)
    assert time.monotonic() - began < 2


def test_a_handshake_that_hangs_is_not_sent() -> None:
    """TLS was not up yet, so not a byte of the request can have gone."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = outcome(f"https://127.0.0.1:{silent.getsockname()[1]}", seconds=0.3)
    assert isinstance(found, NotSent)


def hang_in_the_body(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    exchange.hang()


def trickling_body(exchange: Exchange) -> None:
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    exchange.trickle(b" " * 1000, 0.02)


def trickling_headers(exchange: Exchange) -> None:
    exchange.trickle(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: y\r\n" * 100, 0.02)


@pytest.mark.parametrize("behaviour", [Exchange.hang, hang_in_the_body, trickling_body, trickling_headers])
def test_one_deadline_bounds_the_whole_call(behaviour: Callable[[Exchange], None]) -> None:
    """An answer that hangs or trickles beyond T is in doubt when T is over, not when the server is done."""
    with WireServer(behaviour) as server:
        began = time.monotonic()
        found = outcome(server.url, seconds=0.4)
        took = time.monotonic() - began
        assert isinstance(found, InDoubt)
        assert 0.35 < took < 2
        assert len(server.requests) == 1


def test_a_request_that_cannot_be_written_in_time_is_in_doubt() -> None:
    """Part of it went out; nobody knows how much arrived."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(5)
        rows = tuple(uid(number) for number in range(200_000))
        found = outcome(f"http://127.0.0.1:{deaf.getsockname()[1]}", seconds=0.5, sent=call(rows=rows))
    assert isinstance(found, InDoubt)


def test_a_refusal_whose_body_hangs_is_still_refused() -> None:
    """The status line said it all."""

    def behave(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 402 Payment Required\r\nContent-Length: 100\r\n\r\n{")
        exchange.hang()

    with WireServer(behave) as server:
        found = outcome(server.url, seconds=0.4)
    assert isinstance(found, Refused)
    assert found.status == 402


def abandoned(client: SpendClient, under_way: threading.Event) -> Receipt | ApiError:
    """Send a call, abandon it once it is under way, and return what came of it."""
    found: list[Receipt | ApiError] = []

    def send() -> None:
        try:
            found.append(client.send(call()))
        except ApiError as error:
            found.append(error)

    sending = threading.Thread(target=send)
    sending.start()
    assert under_way.wait(10)
    client.abandon()
    sending.join(10)
    return found[0]


def test_a_call_that_is_abandoned_after_it_was_sent_is_in_doubt() -> None:
    """The server had all of it; a later call of the same client does not leave any more."""
    arrived = threading.Event()

    def behave(exchange: Exchange) -> None:
        arrived.set()
        exchange.hang()

    with WireServer(behave) as server:
        client = SpendClient(options(server.url, call_seconds=3600))
        found = abandoned(client, arrived)
        assert isinstance(found, InDoubt)
        assert found.message.endswith("the apply was stopped, before there was an answer")
        with pytest.raises(NotSent, match="nothing was sent"):
            client.send(call())
        assert len(server.requests) == 1


def test_a_call_that_is_abandoned_before_a_byte_left_was_not_sent() -> None:
    """In the handshake: the connection stands, TLS does not."""
    arrived = threading.Event()

    def accept() -> None:
        with silent.accept()[0]:
            arrived.set()
            ended.wait(10)

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = threading.Thread(target=accept)
        server.start()
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        found = abandoned(SpendClient(options(url, call_seconds=3600)), arrived)
        ended.set()
        server.join(10)
    assert isinstance(found, NotSent)
    assert found.message.endswith("the apply was stopped; nothing was sent")


def test_no_lookup_holds_up_the_end_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver may take minutes: nothing at the end of the interpreter waits for the thread that asked it."""
    asked, release = threading.Event(), threading.Event()

    def ask(*_arguments: object, **_more: object) -> list[object]:
        asked.set()
        release.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    found = abandoned(SpendClient(options("https://hangs.invalid", call_seconds=3600)), asked)
    lookups = [thread for thread in threading.enumerate() if "lookup" in thread.name]
    release.set()
    assert isinstance(found, NotSent)
    assert [thread.daemon for thread in lookups] == [True]
