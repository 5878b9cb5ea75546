"""A TCP proxy before PostgreSQL that loses a commit, or its answer, or falls silent: it still acknowledges.

Or it cuts a connection at any message, before the server has it or before the client has the answer.
"""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

_SSL, _GSS = 80877103, 80877104
_COMMIT = b"COMMIT\0"


@dataclass
class LosingProxy:
    """Listens on loopback; `url` is the server behind it."""

    url: str
    seen: threading.Event = field(default_factory=threading.Event)
    """Set once something was lost, or said to a proxy that is silent."""
    _loses: tuple[str, str, Callable[[], object]] | None = None
    cuts: Callable[[int], str] = field(default=lambda number: "")
    """Say whether to cut `before` or `after` the message with this number, over all connections; empty: not at all."""
    messages: int = 0
    """How many clients sent."""
    _is_silent: bool = False
    _sockets: list[socket.socket] = field(default_factory=list)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    @property
    def address(self) -> str:
        """The URL that clients use."""
        parts = urlsplit(self.url)
        return f"postgresql://postgres@127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"

    def lose(self, what: str, how: str = "close", then: Callable[[], object] = lambda: None) -> None:
        """Lose the next `commit`, or the `answer` to it once it is durable, and `close` the connection or be `silent`.

        `then` happens in between: the server has ended the transaction, and the client does not know how.
        """
        self._loses = (what, how, then)

    def fall_silent(self) -> None:
        """Forward nothing any more, in neither direction; connections are still accepted."""
        self._is_silent = True

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        self._sockets.append(server)
        lock = threading.Lock()
        # struct's error: a client left before it said anything.
        with suppress(OSError, struct.error), server, client:
            if self._is_silent:
                self._listen_only(client)
            while struct.unpack("!II", client.recv(8, socket.MSG_PEEK))[1] in (_SSL, _GSS):
                client.recv(8)
                client.sendall(b"N")
            server.connect(f"{parse_qs(urlsplit(self.url).query)['host'][0]}/.s.PGSQL.5432")
            threading.Thread(target=self._answers, args=(server, client, lock), daemon=True).start()
            while data := client.recv(65536):
                if self._is_silent:
                    self._listen_only(client)
                how = self.cuts(self.messages)
                self.messages += 1
                if how:
                    self._cut(client, server, lock, data if how == "after" else b"")
                    return
                if _COMMIT not in data or self._loses is None:
                    server.sendall(data)
                    continue
                (what, how, then), self._loses = self._loses, None
                with lock:  # nothing reaches the client from here on
                    if what == "answer":
                        server.sendall(data)
                        server.settimeout(10)
                        answer = server.recv(65536)
                        assert answer[-1:] == b"I", answer
                    # Closing alone would leave it open as long as the other thread listens to it.
                    server.shutdown(socket.SHUT_RDWR)
                    then()
                    self.seen.set()
                    if how == "silent":
                        self._listen_only(client)
                    client.shutdown(socket.SHUT_RDWR)
                return

    def _cut(self, client: socket.socket, server: socket.socket, lock: threading.Lock, data: bytes) -> None:
        with lock:  # nothing reaches the client from here on
            if data:
                server.sendall(data)
                server.settimeout(10)
                server.recv(65536)
            for each in (server, client):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _answers(self, server: socket.socket, client: socket.socket, lock: threading.Lock) -> None:
        with suppress(OSError):
            while True:
                # Only looked at: what comes after a commit that is lost is for the one who lost it.
                if not server.recv(1, socket.MSG_PEEK):
                    return
                with lock:
                    if self._is_silent:
                        return
                    client.sendall(server.recv(65536))

    def _listen_only(self, client: socket.socket) -> None:
        self.seen.set()
        while client.recv(65536):
            pass
        raise ConnectionError
