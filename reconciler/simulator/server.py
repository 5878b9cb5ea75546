"""The simulator on a socket: uvicorn in a thread for tests, or in the foreground for a person. Loopback only."""

import asyncio
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reconciler.simulator.application import Simulator
from reconciler.simulator.http.asgi import EXTENSION, Application
from reconciler.simulator.live import LiveSimulator, make
from reconciler.simulator.world.clock import Clock
from reconciler.simulator.world.workspace import Workspace

LOOPBACK: Final = "127.0.0.1"
_STARTS_WITHIN = 30.0
_ENDS_WITHIN = 1.0


class NotLoopbackError(ValueError):
    """The requested address could be reached by other machines."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, which passes its transport to the application so that faults happen to the real socket."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection."""
        # asyncio does this only for sockets that name their protocol. Without it, an answer's body waits 40 ms after
        # its head.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self.transport}  # type: ignore[dict-item]


class _Server(uvicorn.Server):
    """uvicorn's server, but it ends immediately: uvicorn itself checks only every tenth of a second."""

    def __init__(self, application: Application) -> None:
        super().__init__(_config(application))
        self._application = application
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()

    def listen(self, listening: socket.socket) -> None:
        """Serve until it is ended."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self.serve([listening]))

    def end(self) -> None:
        """End the server, from any thread."""
        self._loop.call_soon_threadsafe(self._ended.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on a signal."""
        super().handle_exit(sig, frame)
        self.end()

    async def main_loop(self) -> None:
        """Wait for the end."""
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let waiting requests continue, and give those in progress a moment."""
        for _ in range(5):  # a connection that is only just taken in would leave its socket open behind a closed server
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        self._application.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_ENDS_WITHIN)
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # its client may never read the rest
        await asyncio.sleep(0)  # for the transports to close their sockets


@contextmanager
def serve(
    workspace: Workspace | Mapping[str, Any] | None = None,
    *,
    seed: int = 7,
    clock: Clock | None = None,
    speed: float = 1.0,
    port: int = 0,
) -> Iterator[LiveSimulator]:
    """Run a simulator on loopback in a thread for the duration of a `with` block; port 0 picks a free one."""
    simulator = make(workspace, seed=seed, clock=clock, speed=speed)
    listening = _listen(LOOPBACK, port)
    server = _Server(Application(simulator))
    thread = threading.Thread(target=server.listen, args=(listening,), name="simulator", daemon=True)
    with listening:
        thread.start()
        try:
            # The socket already listens: a request that comes before the loop runs waits for it.
            yield LiveSimulator(simulator, f"http://{LOOPBACK}:{listening.getsockname()[1]}")
        finally:
            server.end()
            thread.join(_STARTS_WITHIN)


def serve_forever(simulator: Simulator, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Run a simulator in the foreground until it is interrupted; `ready` is called with the URL."""
    if not _is_loopback(host):
        raise NotLoopbackError(host)
    with _listen(host, port) as listening:
        bound = listening.getsockname()
        name = f"[{bound[0]}]" if listening.family == socket.AF_INET6 else bound[0]
        ready(f"http://{name}:{bound[1]}")
        _Server(Application(simulator)).listen(listening)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((LOOPBACK if host == "localhost" else host, port), family=family, backlog=2048)


def _config(application: Application) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        application,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
    )
