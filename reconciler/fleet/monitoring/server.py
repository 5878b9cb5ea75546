"""`/metrics`, `/livez` and `/readyz` over HTTP: for the machines that watch a worker, and nothing else.

Nothing is read from a request but its method and path, and nothing secret is known here.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from reconciler.fleet.monitoring.health import Answer, Health
from reconciler.fleet.monitoring.metrics import CONTENT_TYPE, Metrics

PLAIN = "text/plain; charset=utf-8"
SECONDS = 10.0
"""For one request as a whole: a client that trickles is cut off."""
MOST_AT_ONCE = 32
"""Connections; more are closed at once, so that a port that anyone can reach does not take the worker's threads."""
_POLL_SECONDS = 0.1


class MonitoringServer:
    """Serves from threads of its own until the `with` block ends."""

    def __init__(self, host: str, port: int, metrics: Metrics, health: Health) -> None:
        """Listen at once; port 0 is any free one, and an empty host every address. Raises OSError."""
        pages: dict[str, Callable[[], tuple[HTTPStatus, str, bytes]]] = {
            "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE, metrics.page()),
            "/livez": lambda: _told(health.alive()),
            "/readyz": lambda: _told(health.ready()),
        }

        class Page(BaseHTTPRequestHandler):
            def setup(self) -> None:
                super().setup()
                self._cut = threading.Timer(SECONDS, self._cut_off)
                self._cut.daemon = True
                self._cut.start()

            def finish(self) -> None:
                self._cut.cancel()
                super().finish()

            def _cut_off(self) -> None:
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

            def do_GET(self) -> None:
                page = pages.get(self.path.partition("?")[0])
                status, kind, body = page() if page else (HTTPStatus.NOT_FOUND, PLAIN, b"not found\n")
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def version_string(self) -> str:
                return "reconciler"

            def log_message(self, *_: object, **__: object) -> None:
                """Say nothing: a probe comes every few seconds."""

        self._server = _Server(_listening(host, port), Page)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="reconciler-monitoring", daemon=True
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.socket.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """One thread for each request, none of which the end waits for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: socket.socket, page: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(listening.getsockname(), page, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection from a thread, or close it if there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and make room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that went away is not the worker's trouble."""


def _listening(host: str, port: int) -> socket.socket:
    """Listen on the first address of a host; without one on every address, of IPv6 too if the machine has it."""
    if host:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    with suppress(OSError, ValueError):  # no IPv6 here; or the port is taken, as the next line says
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _told(answer: Answer) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.OK if answer.is_well else HTTPStatus.SERVICE_UNAVAILABLE
    return status, PLAIN, f"{answer.text}\n".encode()
