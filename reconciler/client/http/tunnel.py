"""The way through a proxy to an encrypted server: CONNECT, and the proxy's answer."""

import io
import socket

from reconciler.client.http.failures import no_tunnel
from reconciler.client.http.response import Incoming, Response
from reconciler.model.network import Proxy


class NoTunnelError(Exception):
    """A proxy's refusal. Never leaves the package."""

    def __init__(self, proxy: Proxy, status: int) -> None:
        words, self.hint = no_tunnel(proxy, status)
        super().__init__(words)
        self.status = status


def open_tunnel(sock: socket.socket, target: str, proxy: Proxy) -> None:
    """Ask for the tunnel to `target`, host and port. Raises NoTunnelError, OSError, MalformedAnswer."""
    sent = {"Host": target, **proxy.headers}
    lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {text}" for name, text in sent.items()), "", ""]
    sock.sendall("\r\n".join(lines).encode("ascii"))
    response = Response(io.BufferedReader(Incoming(sock)))
    response.read_head()
    if not 200 <= response.status < 300:
        raise NoTunnelError(proxy, response.status)
