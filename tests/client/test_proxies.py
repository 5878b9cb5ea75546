"""Through a proxy: what it is told, and for each thing that it may do whether a run call was paid for."""

import base64
import socket
import traceback
from collections.abc import Callable

import pytest

from reconciler.client import Reader, SpendClient
from reconciler.errors import ApiError, BadResponse, InDoubt, NotSent, Refused
from reconciler.model.attempt import Receipt
from reconciler.model.network import Network
from reconciler.model.observed import TableSnapshot
from tests.client.live_tables import SECRET, TABLE, Api, LiveTable, column, options, read_table
from tests.client.proxies import (
    PASSWORD,
    forward,
    half_an_answer,
    network,
    server_context,
    tunnel,
    tunnel_that_stalls,
    tunnel_to_nowhere,
    upstream_answer,
)
from tests.client.run_call_outcomes import RECEIPT, answering, call
from tests.client.wire_server import Exchange, WireServer

Behaviour = Callable[[Exchange], None]
API = "https://api.extruct.ai"
NOT_ENCRYPTED = "http://127.0.0.1:9"


def read(url: str, through: Network, waits: list[float] | None = None) -> TableSnapshot | ApiError:
    """Read one table without waiting."""
    told = [] if waits is None else waits
    opened = Reader(options(url, network=through), sleep=told.append, random=lambda: 0.5, clock=lambda: sum(told))
    with opened as reader:
        found = reader.read_tables({TABLE: frozenset()})[TABLE]
    if isinstance(found, ApiError):
        assert_discreet(found)
    return found


def send(url: str, through: Network, seconds: float = 5) -> Receipt | ApiError:
    """Send a run call."""
    try:
        return SpendClient(options(url, network=through, call_seconds=seconds)).send(call())
    except ApiError as error:
        assert_discreet(error)
        return error


def assert_discreet(error: ApiError) -> None:
    """Neither the token nor the proxy's credentials are in what people see."""
    shown = "".join(traceback.format_exception(error)) + error.message + error.hint
    for secret in (SECRET, "hunter2", base64.b64encode(f"user:{PASSWORD}".encode()).decode()):
        assert secret not in shown


def table() -> LiveTable:
    return LiveTable([column(2, "a")]).add_rows([{"a": None}] * 2)


def test_https_goes_through_a_tunnel() -> None:
    """The proxy learns the host and its own credentials; the token and everything else stay inside."""
    with WireServer(Api(table()), tls=server_context()) as api, WireServer(tunnel) as proxy:
        with Reader(options(api.url, network=network(proxy.url), concurrency=1)) as reader:
            assert len(read_table(reader).row_ids) == 2
        assert (len(api.requests), api.connections, len(proxy.requests)) == (2, 1, 1)
    basic = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    for seen in proxy.requests:
        assert (seen.method, seen.target) == ("CONNECT", f"127.0.0.1:{api.port}")
        assert seen.headers == {"host": f"127.0.0.1:{api.port}", "proxy-authorization": f"Basic {basic}"}
    assert all("proxy-authorization" not in seen.headers for seen in api.requests)
    assert all(seen.headers["authorization"] == f"Bearer {SECRET}" for seen in api.requests)


def test_plain_http_is_forwarded() -> None:
    """Which is for loopback alone: the proxy sees everything."""
    with WireServer(Api(table())) as api, WireServer(forward) as proxy:
        assert isinstance(read(api.url, network(proxy.url)), TableSnapshot)
        assert len(api.requests) == len(proxy.requests) == 2
    assert all(seen.target.startswith(f"{api.url}/v1/tables/") for seen in proxy.requests)
    assert all("proxy-authorization" in seen.headers for seen in proxy.requests)


def test_a_host_in_no_proxy_is_reached_directly() -> None:
    """Reads and run calls alike."""
    with WireServer(answering(200, RECEIPT)) as api, WireServer(forward) as proxy:
        through = network(proxy.url)
        direct = Network(https=through.https, http=through.http, exceptions="127.0.0.0/8")
        assert isinstance(send(api.url, direct), Receipt)
        assert isinstance(read(api.url, direct), BadResponse)
        assert (proxy.connections, len(api.requests)) == (0, 2)


def after_hints(exchange: Exchange) -> None:
    """Announce the tunnel with interim answers, and give its answer a body that no one sends."""
    exchange.raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
    tunnel(exchange, b"HTTP/1.0 200 OK\nContent-Length: 5\n\n")


def test_a_tunnel_may_stand_after_interim_answers() -> None:
    """For reads as for run calls."""
    with WireServer(Api(table()), tls=server_context()) as api, WireServer(after_hints) as proxy:
        assert isinstance(read(api.url, network(proxy.url)), TableSnapshot)
    with WireServer(answering(200, RECEIPT), tls=server_context()) as api, WireServer(after_hints) as proxy:
        assert isinstance(send(api.url, network(proxy.url)), Receipt)


def echo(exchange: Exchange) -> None:
    """Answer with the credentials that came, in place of a status line."""
    exchange.raw(f"{PASSWORD} {exchange.request.headers['proxy-authorization']}\r\n\r\n".encode())
    exchange.close()


def echo_in_json(exchange: Exchange) -> None:
    """Answer with them in the body of a refusal, as the API words one."""
    basic = exchange.request.headers["proxy-authorization"]
    exchange.answer(400, {"detail": f"not with {basic}, {base64.b64decode(basic.split()[1]).decode()}"})


def test_credentials_that_a_proxy_echoes_are_not_shown() -> None:
    """Neither as they were sent, nor the password in clear; what else it says is."""
    with WireServer(echo) as proxy:
        for found in (read(API, network(proxy.url)), send(API, network(proxy.url))):
            assert isinstance(found, ApiError)
            assert proxy.url in found.message
    with WireServer(echo_in_json) as proxy:
        for found in (read(NOT_ENCRYPTED, network(proxy.url)), send(NOT_ENCRYPTED, network(proxy.url))):
            assert isinstance(found, Refused)
            assert "not with Basic [credentials], [credentials]" in found.message


@pytest.mark.parametrize("status", [403, 407])
def test_a_proxy_that_says_no_ends_all_reading(status: int) -> None:
    """It will say the same for every table."""
    waits: list[float] = []
    with (
        WireServer(answering(status)) as proxy,
        Reader(
            options("https://api.extruct.ai", network=network(proxy.url), concurrency=1), sleep=waits.append
        ) as reader,
    ):
        with pytest.raises(Refused) as caught:
            reader.read_tables({TABLE: None})
        assert len(proxy.requests) == 1
    assert f"the proxy {proxy.url} (HTTPS_PROXY) opens no tunnel and answers {status}" in caught.value.message
    assert ("user:password" in caught.value.hint) == (status == 407)
    assert waits == []


@pytest.mark.parametrize("how", [answering(502), Exchange.close, Exchange.reset, half_an_answer, tunnel_to_nowhere])
def test_trouble_with_a_proxy_is_tried_again(how: Behaviour) -> None:
    """As trouble with the API is; in the end the proxy is named."""
    waits: list[float] = []
    with WireServer(how) as proxy:
        found = read("https://api.extruct.ai", network(proxy.url), waits)
        assert len(proxy.requests) == 5
    assert isinstance(found, BadResponse)
    assert f"the proxy {proxy.url} (HTTPS_PROXY)" in found.message
    assert "HTTPS_PROXY" in found.hint
    assert len(waits) == 4


def test_a_trickling_proxy_comes_to_an_end() -> None:
    """No wait is long, and no header is the last."""
    with WireServer(lambda exchange: exchange.trickle(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9999, 0.02)) as proxy:
        with Reader(options("https://api.extruct.ai", network=network(proxy.url), timeout_seconds=0.1)) as reader:
            found = reader.read_tables({TABLE: frozenset()})[TABLE]
        assert len(proxy.requests) == 1
    assert isinstance(found, BadResponse)
    assert "still not complete" in found.message


def nothing() -> str:
    """Return the URL of a port that no one listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


BEFORE = {
    "407": answering(407),
    "403": answering(403),
    "502": answering(502, b"<html>"),
    "redirect": answering(302),
    "closes": Exchange.close,
    "resets": Exchange.reset,
    "half an answer": half_an_answer,
    "stalls": Exchange.hang,
    "trickles": lambda exchange: exchange.trickle(b"HTTP/1.1 200 OK\r\n" * 99, 0.05),
    "tunnel to nowhere": tunnel_to_nowhere,
    "tunnel that stalls": tunnel_that_stalls,
}


@pytest.mark.parametrize("how", BEFORE.values(), ids=list(BEFORE))
def test_a_call_without_a_tunnel_is_not_sent(how: Behaviour) -> None:
    """Whatever a proxy does before the tunnel stands, no byte of the call has left."""
    with WireServer(answering(200, RECEIPT), tls=server_context()) as api, WireServer(how) as proxy:
        found = send(api.url, network(proxy.url), seconds=0.5)
        assert len(proxy.requests) == 1
        assert api.requests == []
    assert type(found) is NotSent
    assert "the proxy " in found.message


def test_a_call_whose_proxy_is_not_there_is_not_sent() -> None:
    """Nothing listens there."""
    found = send("https://api.extruct.ai", network(nothing()))
    assert type(found) is NotSent
    assert "Connection refused" in found.message
    assert "HTTPS_PROXY" in found.hint


def test_a_call_through_a_tunnel_is_paid_for_once() -> None:
    """And the proxy has not seen it."""
    with WireServer(answering(200, RECEIPT), tls=server_context()) as api, WireServer(tunnel) as proxy:
        assert isinstance(send(api.url, network(proxy.url)), Receipt)
        assert [seen.method for seen in api.requests] == ["POST"]
        assert [seen.method for seen in proxy.requests] == ["CONNECT"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (answering(502), InDoubt),
        (answering(407), InDoubt),
        (answering(429), Refused),
        (Exchange.close, InDoubt),
        (Exchange.reset, InDoubt),
        (Exchange.hang, InDoubt),
    ],
)
def test_what_happens_in_the_tunnel_is_judged_as_without_one(answer: Behaviour, kind: type[ApiError]) -> None:
    """Among it a tunnel that is cut once the call has arrived: each of them may have been paid for."""
    with WireServer(answer, tls=server_context()) as api, WireServer(tunnel) as proxy:
        assert type(send(api.url, network(proxy.url), seconds=0.5)) is kind
        assert len(api.requests) == 1


def test_a_certificate_in_the_tunnel_that_is_not_trusted_keeps_the_call_back() -> None:
    """A proxy that inspects traffic shows its own."""
    with WireServer(answering(200, RECEIPT), tls=server_context()) as api, WireServer(tunnel) as proxy:
        through = network(proxy.url)
        found = send(api.url, Network(https=through.https))
        assert isinstance(read(api.url, Network(https=through.https)), BadResponse)
        assert api.requests == []
    assert type(found) is NotSent
    assert "not trusted by the system's certificates" in found.message
    assert "SSL_CERT_FILE" in found.hint


def late(status: int) -> Behaviour:
    """Return the behaviour of a proxy that sends the request on, and then answers by itself."""

    def behave(exchange: Exchange) -> None:
        upstream_answer(exchange)
        exchange.answer(status)

    return behave


@pytest.mark.parametrize("status", [407, 500, 502, 503, 504])
def test_without_a_tunnel_a_proxys_own_error_is_in_doubt(status: int) -> None:
    """Nothing tells an error before the call was passed on from one after it."""
    for how, arrived in ((answering(status), 0), (late(status), 1)):
        with WireServer(answering(200, RECEIPT)) as api, WireServer(how) as proxy:
            assert type(send(api.url, network(proxy.url))) is InDoubt
            assert len(api.requests) == arrived
            assert len(proxy.requests) == 1


def test_without_a_tunnel_a_proxy_that_is_not_there_proves_that_nothing_was_sent() -> None:
    """And one that is there passes the call on."""
    with WireServer(answering(200, RECEIPT)) as api:
        assert type(send(api.url, network(nothing()))) is NotSent
        assert api.requests == []
        with WireServer(forward) as proxy:
            assert isinstance(send(api.url, network(proxy.url)), Receipt)
        assert [seen.method for seen in api.requests] == ["POST"]
