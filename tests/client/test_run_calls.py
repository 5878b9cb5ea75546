"""Run calls over real sockets: what is sent, and what each status of the answer means."""

import gzip
import json
import logging
import os
import signal
import threading
from pathlib import Path

import pytest

from reconciler.client import SpendClient
from reconciler.client.http.api_messages import refusal
from reconciler.client.run_call import LARGEST_RECEIPT
from reconciler.errors import InDoubt, Refused
from reconciler.model.attempt import Receipt
from reconciler.model.plan import Call
from tests.client.live_tables import SECRET, TABLE, options, uid
from tests.client.run_call_outcomes import RECEIPT, answering, call, outcome
from tests.client.wire_server import Exchange, WireServer

CERTIFICATE = Path(__file__).parent / "self_signed.pem"


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
        (b'\xef\xbb\xbf{"num_requested_cells": 4}', Receipt("", 4)),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_2xx_with_an_object_is_accepted(status: int, body: object, receipt: Receipt) -> None:
    """It is paid for, whatever else the object says or leaves out."""
    with WireServer(answering(status, body)) as server:
        assert outcome(server.url) == receipt


def test_a_receipt_is_unpacked_as_a_page_is() -> None:
    """A server may compress unasked, each of its pieces by itself: it is paid for all the same."""
    body = json.dumps(RECEIPT).encode()
    packed = gzip.compress(body[:20]) + gzip.compress(body[20:])
    with WireServer(lambda exchange: exchange.answer(200, packed, {"Content-Encoding": "gzip"})) as server:
        assert outcome(server.url) == Receipt(uid(9), 1)


@pytest.mark.parametrize(
    ("packed", "encoding", "words"),
    [
        (gzip.compress(json.dumps(RECEIPT).encode())[:-9], "gzip", "the compressed answer breaks off"),
        (b"not gzip", "gzip", "the compressed answer is damaged"),
        (b"{}", "zstd", "a compression that was not requested"),
        (gzip.compress(bytes(LARGEST_RECEIPT + 1), 1), "gzip", "the answer is too large"),
    ],
    ids=["cut", "damaged", "another way", "too large"],
)
def test_a_receipt_that_cannot_be_unpacked_is_in_doubt(packed: bytes, encoding: str, words: str) -> None:
    """Its meaning is unknown; the message says why."""
    with WireServer(lambda exchange: exchange.answer(200, packed, {"Content-Encoding": encoding})) as server:
        found = outcome(server.url)
        assert isinstance(found, InDoubt)
        assert words in found.message


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


DOCUMENTED = [400, 401, 402, 403, 404, 405, 409, 410, 411, 413, 414, 415, 422, 429]


@pytest.mark.parametrize("status", DOCUMENTED)
def test_a_status_that_refuses_is_refused_with_its_status(status: int) -> None:
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
        ("insufficient_credits", "does not have enough credits"),
        ("something_new", "payment required (something_new: m)"),
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
def test_a_refusal_with_any_body_is_refused(body: bytes) -> None:
    """The status decides; the body is only for the message, and a long one never reaches it."""
    with WireServer(answering(402, body)) as server:
        found = outcome(server.url)
    assert isinstance(found, Refused)
    assert len(found.message) < 400


@pytest.mark.parametrize("body", ['{"detail": [{"loc": [%s], "msg": "m"}]}', '{"detail": {"error": %s}}'])
def test_a_refusal_may_be_nested_as_deeply_as_can_be_read(body: str) -> None:
    """That may be deeper than Python can write, by a little or by far."""
    for depth in (*range(800, 1000), *range(5_000, 100_000, 5_000)):
        nested = body % ("[" * depth + "]" * depth)
        assert refusal(402, nested.encode(), where="POST", options=options("http://127.0.0.1")).status == 402


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_in_doubt_and_not_followed(status: int) -> None:
    """Whoever redirects a POST may have acted on it; and the token would go along."""
    with WireServer(answering(200, RECEIPT)) as other:
        location = {"Location": f"{other.url}/v1/tables/{TABLE}/run"}
        with WireServer(lambda exchange: exchange.answer(status, b"", location)) as server:
            found = outcome(server.url)
            assert isinstance(found, InDoubt)
            assert (len(server.requests), len(other.requests)) == (1, 0)


@pytest.mark.parametrize("hundred", range(2, 10))
def test_every_other_status_is_in_doubt_and_not_repeated(hundred: int) -> None:
    """Whoever stands before the API may have given up, or not have understood, once the work was done."""
    statuses = [status for status in range(100 * hundred, 100 * hundred + 100) if status not in DOCUMENTED]
    left = iter(statuses)

    def behave(exchange: Exchange) -> None:
        exchange.answer(next(left), b"" if hundred == 2 else {"detail": "late"}, {"Retry-After": "1"})

    with WireServer(behave) as server:
        found = [outcome(server.url) for _ in statuses]
        assert {type(each) for each in found} == {InDoubt}
        assert [each.status for each in found if isinstance(each, InDoubt)] == statuses
        assert len(server.requests) == len(statuses)
        if hundred > 3:
            assert {str(each).rpartition("receipt")[2] for each in found if isinstance(each, InDoubt)} == {" (late)"}


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
