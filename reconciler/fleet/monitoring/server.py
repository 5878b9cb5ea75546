"""`/metrics`, `/livez` and `/readyz` over HTTP: for the machines that watch a worker, and nothing else.

Nothing is read from a request but its method and path, and nothing secret is known here.
"""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from reconciler.fleet.monitoring.health import Answer, Health
from reconciler.fleet.monitoring.metrics import CONTENT_TYPE, Metrics

PLAIN = "text/plain; charset=utf-8"
SECONDS = 10.0
"""For one request: a client that trickles is cut off."""
_POLL_SECONDS = 0.1


class MonitoringServer:
    """Serves from threads of its own until the `with` block ends."""

    def __init__(self, host: str, port: int, metrics: Metrics, health: Health) -> None:
        """Listen at once; port 0 is any free one. Raises OSError."""
        pages: dict[str, Callable[[], tuple[HTTPStatus, str, bytes]]] = {
            "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE, metrics.page()),
            "/livez": lambda: _told(health.alive()),
            "/readyz": lambda: _told(health.ready()),
        }

        class Page(BaseHTTPRequestHandler):
            timeout = SECONDS

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

        self._server = _Server((host, port), Page)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="reconciler-monitoring", daemon=True
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

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

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that went away is not the worker's trouble."""


def _told(answer: Answer) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.OK if answer.is_well else HTTPStatus.SERVICE_UNAVAILABLE
    return status, PLAIN, f"{answer.text}\n".encode()
