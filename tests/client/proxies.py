"""Proxies on loopback, by what they do with a request: a tunnel, a forwarded request, or trouble before and after."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.model.network import Network, Proxy, TrustStore, read_proxy
from tests.client.wire_server import Exchange

CERTIFICATE = Path(__file__).parent / "self_signed.pem"
TRUSTED = TrustStore("SSL_CERT_FILE", str(CERTIFICATE))
PASSWORD = "hunter2/@:é"
CREDENTIALS = "user:hunter2%2F%40%3A%C3%A9"


def server_context() -> ssl.SSLContext:
    """Return the TLS of a server that `TRUSTED` trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def network(url: str, trust: TrustStore = TRUSTED) -> Network:
    """Return the settings of a machine behind the proxy at `url`."""
    proxy = read_proxy(url.replace("//", f"//{CREDENTIALS}@"), "HTTPS_PROXY")
    assert isinstance(proxy, Proxy)
    return Network(https=proxy, http=proxy, trust=trust)


def tunnel(exchange: Exchange, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
    """Connect the client with the host that it wants."""
    host, _, port = exchange.request.target.rpartition(":")
    with socket.create_connection((host, int(port)), 5) as upstream:
        exchange.raw(answer)
        back = threading.Thread(target=_pump, args=(upstream, exchange.sock), daemon=True)
        back.start()
        _pump(exchange.sock, upstream)
        back.join(5)
    exchange.close()


def forward(exchange: Exchange) -> None:
    """Send the request on and the answer back."""
    status, body = upstream_answer(exchange)
    exchange.answer(status, body)


def upstream_answer(exchange: Exchange, url: str = "") -> tuple[int, bytes]:
    """Send the request on, to the server at `url` if it does not name one itself; return the answer."""
    target = exchange.request.target
    parts = urlsplit(target if "://" in target else url + target)
    assert parts.scheme == "http"
    headers = {name: text for name, text in exchange.request.headers.items() if not name.startswith("proxy-")}
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    with closing(http.client.HTTPConnection(parts.netloc, timeout=5)) as connection:
        connection.request(exchange.request.method, path, exchange.request.body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def send_on(url: str) -> Callable[[Exchange], None]:
    """Return the behaviour of a gateway before the server at `url`."""

    def behave(exchange: Exchange) -> None:
        status, body = upstream_answer(exchange, url)
        exchange.answer(status, body)

    return behave


def tunnel_to_nowhere(exchange: Exchange) -> None:
    """Say that there is a tunnel, and close it."""
    exchange.raw(b"HTTP/1.1 200 Connection established\r\n\r\n")
    exchange.close()


def tunnel_that_stalls(exchange: Exchange) -> None:
    """Say that there is a tunnel, and pass nothing on."""
    exchange.raw(b"HTTP/1.1 200 Connection established\r\n\r\n")
    exchange.hang()


def half_an_answer(exchange: Exchange) -> None:
    """Break off in the middle of the headers."""
    exchange.raw(b"HTTP/1.1 200 Conn")
    exchange.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := source.recv(1 << 16):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
