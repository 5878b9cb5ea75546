"""What becomes of a run call, over real sockets: every row of the failure table of `spend.md`."""

import json
import logging
import os
import signal
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from reconciler.client import SpendClient
from reconciler.errors import ApiError, InDoubt, NotSent, Refused
from reconciler.manifest import Mode
from reconciler.outcome import Receipt
from reconciler.plan import Call, Reason
from tests.client.tables import SECRET, TABLE, options, uid
from tests.client.wire_server import Exchange, WireServer

CERTIFICATE = Path(__file__).parent / "self_signed.pem"
RECEIPT = {"id": uid(9), "status": "created", "rows": [uid(1)], "columns": [uid(2)], "num_requested_cells": 1}


def call(*, rows: tuple[str, ...] = (uid(1),), table: str = TABLE, identity: str = "0123456789abcdef" * 2) -> Call:
    return Call(
        id=identity,
        address="target-accounts/fill",
        table_id=table,
        mode=Mode.NEW,
        revision=None,
        columns=(uid(2),),
        column_keys=("funding",),
        rows=rows,
        cells=1,
        credits=Decimal(1),
        reason=Reason.CELLS_EMPTY,
    )


def outcome(url: str, *, seconds: float = 5, sent: Call | None = None) -> Receipt | ApiError:
    found: Receipt | ApiError
    try:
        found = SpendClient(options(url, call_seconds=seconds)).send(sent or call())
    except ApiError as error:
        found = error
    if isinstance(found, ApiError):
        assert SECRET not in "".join(traceback.format_exception(found)) + repr(found) + found.hint + found.message
        assert found.__context__ is None
        assert found.__cause__ is None
    return found


def answering(status: int, body: object = b"") -> Callable[[Exchange], None]:
    return lambda exchange: exchange.answer(status, body)


def test_the_request_is_exactly_what_the_api_documents() -> None:
    """Method, path, body and headers are those of the reference, plus the call's id; nothing else is said."""
    with WireServer(answering(200, RECEIPT)) as server:
        assert outcome(server.url, sent=call(rows=(uid(1), uid(3)))) == Receipt(uid(9), 1)
    (seen,) = server.requests
    assert (seen.method, seen.target) == ("POST", f"/v1/tables/{TABLE}/run")
    assert json.loads(seen.body) == {"mode": "new", "rows": [uid(1), uid(3)], "columns": [uid(2)]}
    assert seen.headers["authorization"] == f"Bearer {SECRET}"
    assert seen.headers["idempotency-key"] == "0123456789abcdef" * 2
    assert seen.headers["connection"] == "close"
    assert seen.headers["content-type"] == "application/json"


def test_each_call_has_its_own_connection() -> None:
    """A kept-alive connection that dies makes a paid call ambiguous, so none is kept."""
    with WireServer(answering(200, RECEIPT)) as server:
        client = SpendClient(options(server.url))
        for _ in range(3):
            client.send(call())
        assert (len(server.requests), server.connections) == (3, 3)


@pytest.mark.parametrize(
    ("body", "receipt"),
    [
        (RECEIPT, Receipt(uid(9), 1)),
        ({**RECEIPT, "status": "failed"}, Receipt(uid(9), 1)),
        ({"id": uid(10).upper()}, Receipt(uid(10), None)),
        ({}, Receipt("", None)),
        ({"id": 7, "num_requested_cells": -1}, Receipt("", None)),
        ({"num_requested_cells": True}, Receipt("", None)),
        ({"num_requested_cells": "3"}, Receipt("", None)),
        ({"num_requested_cells": 1.5}, Receipt("", None)),
        ({"num_requested_cells": 10**12}, Receipt("", None)),
        ({"num_requested_cells": 0}, Receipt("", 0)),
        ({"id": f"\x1b[31m{SECRET}"}, Receipt("\\x1b[31m[token]", None)),
        (b'{"id": "raw\x01control", "num_requested_cells": 4}', Receipt("raw\\x01control", 4)),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_2xx_with_an_object_is_accepted(status: int, body: object, receipt: Receipt) -> None:
    """It is paid for, whatever else the object says or leaves out."""
    with WireServer(answering(status, body)) as server:
        assert outcome(server.url) == receipt


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"<html>", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_a_2xx_that_cannot_be_read_is_in_doubt(body: bytes) -> None:
    """A 200 of a proxy's error page says nothing of what the API did."""
    with WireServer(answering(200, body)) as server:
        found = outcome(server.url)
        assert isinstance(found, InDoubt)
        assert found.status == 200
        assert len(server.requests) == 1


def test_a_204_is_in_doubt() -> None:
    """No body, no receipt."""
    with WireServer(answering(204)) as server:
        assert isinstance(outcome(server.url), InDoubt)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 413, 422, 429, 451])
def test_a_4xx_is_refused_with_its_status(status: int) -> None:
    """The API said no and started nothing; the message says where and why, the hint what next."""
    with WireServer(answering(status, {"detail": f"because\x1b[2J\n{SECRET}"})) as server:
        found = outcome(server.url)
        assert isinstance(found, Refused)
        assert found.status == status
        assert found.message.startswith(f"POST /v1/tables/{TABLE}/run: {status}, ")
        assert found.message.endswith("(because\\x1b[2J [token])")
        assert found.hint
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("plan_required", "plan does not include this"),
        ("payment_failed", "last payment failed"),
        ("insufficient_credits", "not enough credits"),
        ("something_new", "wants to be paid first (something_new: m)"),
    ],
)
def test_a_402_says_which(error: str, words: str) -> None:
    """`detail.error` names the reason, and each has its own way out."""
    with WireServer(answering(402, {"detail": {"error": error, "message": "m"}})) as server:
        found = outcome(server.url)
    assert isinstance(found, Refused)
    assert words in found.message
    assert found.hint


def test_a_422_names_the_first_problem() -> None:
    """The list of problems is shortened to one line."""
    problem = {"loc": ["body", "rows", 0], "msg": "not a uuid", "type": "uuid"}
    with WireServer(answering(422, {"detail": [problem, problem]})) as server:
        found = outcome(server.url)
    assert isinstance(found, Refused)
    assert "(body.rows.0: not a uuid and 1 more)" in found.message


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"detail": [[1]]}', b'{"detail": {"error": [1]}}', b"x" * 1_000_000])
def test_a_4xx_with_any_body_is_refused(body: bytes) -> None:
    """The status decides; the body is only for the message, and a long one never reaches it."""
    with WireServer(answering(402, body)) as server:
        found = outcome(server.url)
    assert isinstance(found, Refused)
    assert len(found.message) < 400


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_in_doubt_and_not_followed(status: int) -> None:
    """Whoever redirects a POST may have acted on it; and the token would go along."""
    with WireServer(answering(200, RECEIPT)) as other:
        location = {"Location": f"{other.url}/v1/tables/{TABLE}/run"}
        with WireServer(lambda exchange: exchange.answer(status, b"", location)) as server:
            found = outcome(server.url)
            assert isinstance(found, InDoubt)
            assert (len(server.requests), len(other.requests)) == (1, 0)


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 599])
def test_a_5xx_is_in_doubt_and_not_repeated(status: int) -> None:
    """The work may have been done before the gateway gave up."""
    headers = {"Retry-After": "1"}
    with WireServer(lambda exchange: exchange.answer(status, b"oops", headers)) as server:
        found = outcome(server.url)
        assert isinstance(found, InDoubt)
        assert found.status == status
        assert len(server.requests) == 1


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


def test_a_4xx_whose_body_hangs_is_still_refused() -> None:
    """The status line said it all."""

    def behave(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 402 Payment Required\r\nContent-Length: 100\r\n\r\n{")
        exchange.hang()

    with WireServer(behave) as server:
        found = outcome(server.url, seconds=0.4)
    assert isinstance(found, Refused)
    assert found.status == 402


@pytest.mark.parametrize(
    "odd",
    [
        call(rows=()),
        call(table="../../admin/keys"),
        call(table="https://evil.example/v1"),
        call(identity="a\r\nX-Injected: 1"),
        call(identity=""),
    ],
)
def test_a_call_that_could_ask_for_something_else_is_not_sent(odd: Call) -> None:
    """No rows could mean all rows; an id could be another path or another header."""
    with WireServer(answering(200, RECEIPT)) as server:
        found = outcome(server.url, sent=odd)
        assert isinstance(found, Refused)
        assert found.status is None
        assert server.connections == 0


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A proxy variable or a netrc must not carry the call, or the token, elsewhere."""
    with WireServer(answering(200, RECEIPT)) as proxy, WireServer(answering(200, RECEIPT)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login someone password else\n")
        monkeypatch.setenv("NETRC", str(netrc))
        assert isinstance(outcome(server.url), Receipt)
        assert proxy.connections == 0
        assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"


def test_no_log_shows_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """Not even with every library at its most talkative."""
    caplog.set_level(logging.DEBUG)
    with WireServer(answering(200, RECEIPT)) as server:
        outcome(server.url)
    assert caplog.records
    assert SECRET not in caplog.text


def test_calls_may_be_sent_from_several_threads() -> None:
    """Each has its own event loop and its own connection."""
    with WireServer(answering(200, RECEIPT)) as server:
        client = SpendClient(options(server.url))
        found: list[Receipt] = []
        threads = [threading.Thread(target=lambda: found.append(client.send(call()))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [Receipt(uid(9), 1)] * 8
        assert len(server.requests) == 8


def test_an_interrupt_is_not_swallowed() -> None:
    """Ctrl-C in the middle of a call goes through: the ledger's intent stays open, which is in doubt."""

    def behave(exchange: Exchange) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        exchange.hang()

    with WireServer(behave) as server, pytest.raises(KeyboardInterrupt):
        SpendClient(options(server.url)).send(call())
