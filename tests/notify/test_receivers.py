"""Receivers that lie, stall and lead elsewhere: a message is posted three times at most, to an allowed host alone."""

import ssl
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.client.webhook import NotDelivered, Post, deliver
from reconciler.model.network import Network, TrustStore
from tests.client.wire_server import Exchange, WireServer

SECRET = "T0/B0/v3ry-s3cret"
SELF_SIGNED = Path(__file__).parents[1] / "client" / "self_signed.pem"


def posted(server: WireServer, pauses: list[float] | None = None, *, ends_after: int = 9) -> str:
    """Post to a server; return why that failed, empty if it did not. Without a pause that takes time."""
    waited = [] if pauses is None else pauses

    def pause(seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) >= ends_after

    address = f"{server.url}/services/{SECRET}"
    post = Post(address, b'{"text": "x"}', {f"127.0.0.1:{server.port}"}, Network(), try_seconds=0.2)
    try:
        deliver(post, pause)
    except NotDelivered as error:
        shown, words = "".join(traceback.format_exception(error)), error.words
    else:
        return ""
    assert SECRET not in shown
    assert "127.0.0.1" not in shown
    return words


def test_a_message_is_posted_once() -> None:
    """JSON, to the path that the address names, and an answer without an end is an answer."""
    with WireServer(lambda exchange: exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nok")) as server:
        assert posted(server) == ""
    (seen,) = server.requests
    assert (seen.method, seen.target, seen.body) == ("POST", f"/services/{SECRET}", b'{"text": "x"}')
    assert (seen.headers["content-type"], seen.headers["connection"]) == ("application/json", "close")


AGAIN = ", in 3 of 3 tries"
BREAKS_OFF = f"the connection to it breaks off{AGAIN}"


@pytest.mark.parametrize(
    ("behave", "tries", "words"),
    [
        (lambda exchange: exchange.answer(500), 3, f"it answers 500{AGAIN}"),
        (lambda exchange: exchange.answer(429), 3, f"it answers 429{AGAIN}"),
        (lambda exchange: exchange.answer(429, headers={"Retry-After": "60"}), 1, "it answers 429"),
        (lambda exchange: exchange.answer(404), 1, "it answers 404"),
        (lambda exchange: exchange.close(), 3, BREAKS_OFF),
        (lambda exchange: exchange.reset(), 3, BREAKS_OFF),
        (lambda exchange: exchange.hang(), 3, f"it does not answer within 0.2 s{AGAIN}"),
        (lambda exchange: exchange.raw(b"\x16\x03 nonsense\r\n\r\n"), 3, BREAKS_OFF),
        (lambda exchange: exchange.trickle(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 900, 0.05), 3, BREAKS_OFF),
    ],
    ids=["500", "429", "429 and a long rest", "404", "closed", "reset", "stalled", "not HTTP", "trickling"],
)
def test_a_receiver_in_trouble_is_tried_again(behave: Callable[[Exchange], None], tries: int, words: str) -> None:
    """Where that may help; and why it was not told is said without its address."""
    with WireServer(behave) as server:
        assert posted(server) == words
    assert len(server.requests) == tries


def test_a_receiver_that_recovers_is_told() -> None:
    """It is given the time it asks for, if that is little, and no more tries once it has answered."""
    with WireServer(lambda exchange: exchange.answer(200 if exchange.number else 503)) as server:
        pauses: list[float] = []
        assert posted(server, pauses) == ""
        assert pauses == [0.5]
    with WireServer(
        lambda exchange: exchange.answer(200 if exchange.number else 429, headers={"Retry-After": "2"})
    ) as server:
        pauses = []
        assert posted(server, pauses) == ""
        assert pauses == [2.0]


def test_no_try_follows_once_time_is_over() -> None:
    """The pause before it says so."""
    with WireServer(lambda exchange: exchange.answer(500)) as server:
        assert posted(server, ends_after=1) == "it answers 500, in 1 of 3 tries"
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    """Neither elsewhere nor on the same host: the message would go to an address that was not allowed."""
    with WireServer(lambda exchange: exchange.answer(200)) as other:
        location = {"Location": f"{other.url}/stolen"}
        with WireServer(lambda exchange: exchange.answer(status, headers=location)) as server:
            assert posted(server) == f"it answers {status}, and redirects are not followed"
    assert (len(server.requests), len(other.requests)) == (1, 0)


def test_a_certificate_has_to_be_trusted() -> None:
    """By the store that is trusted elsewhere, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SELF_SIGNED)
    with WireServer(lambda exchange: exchange.answer(200), tls=context) as server:
        assert posted(server).startswith("its certificate is not trusted by ")
        host = {f"127.0.0.1:{server.port}"}
        trusting = Network(trust=TrustStore("--ca-bundle", str(SELF_SIGNED)))
        deliver(Post(f"{server.url}/x", b"{}", host, trusting), lambda _: True)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://hooks.example/x", "its host is not allowed"),
        ("https://hooks.slack.com:8443/x", "its host is not allowed"),
        ("https://hooks.slack.com.evil.example/x", "its host is not allowed"),
        ("https://hooks.slack.com./x", "its host is not allowed"),
        ("https://2130706433/x", "its host is not allowed"),
        ("https://[::ffff:169.254.169.254]/x", "its host is not allowed"),
        ("http://hooks.slack.com/x", "its address is not https"),
        ("http://169.254.169.254/latest/meta-data", "its address is not https"),
        *(
            (address, "it does not hold an address")
            for address in (
                "https://hooks.slack.com@evil.example/x", "https://evil.example#@hooks.slack.com/x",
                "https://hooks.slack.com\\@evil.example/x", "https://hooks.slack.com/x\r\nHost: evil.example",
                "https://hooks.slack.com/\u202e", "//hooks.slack.com/x", "file:///etc/passwd", "ftp://hooks.slack.com/",
                "postgresql://user:password@db/ledger", "ext_s3cret_t0ken", "https:///x", "https://hooks.slack.com:/x",
                "https://hooks.slack.com:443443443/x", "https://höoks.slack.com/x",
            )
        ),
        ("https://hooks.slack.com:99999/x", "its host is not allowed"),
    ],
)  # fmt: skip
def test_nothing_is_sent_to_an_address_that_is_not_allowed(address: str, words: str) -> None:
    """And the address, which may be a secret of another kind, is not shown."""
    post = Post(address, b"{}", {"hooks.slack.com", "169.254.169.254"}, Network())
    with pytest.raises(NotDelivered) as caught:
        deliver(post, lambda _: True)
    assert caught.value.words.startswith(words)
    assert not {"evil", "s3cret", "password", "169.254", "passwd"} & set(caught.value.words.replace("/", " ").split())
