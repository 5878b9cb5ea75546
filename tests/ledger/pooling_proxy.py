"""A transaction-pooling proxy for PostgreSQL, as small as one can be: a client has a server only within a transaction.

Like pgbouncer in its `transaction` mode. Consecutive transactions of one client go to different servers, so that
whatever a client leaves behind in a session is missing in its next transaction, or is in the way of another.
"""

import queue
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.client.proxies import server_context

_SSL, _GSS = 80877103, 80877104


@dataclass
class _Server:
    """A session on the real server."""

    stream: socket.socket
    greeting: bytes = b""
    """The server's words between the login and its first readiness."""


@dataclass
class PoolingProxy:
    """Listens on loopback; `url` is the server behind it."""

    url: str
    sessions: int = 3
    transactions: int = 0
    """How many were given a server."""
    _idle: "queue.Queue[_Server]" = field(default_factory=queue.Queue)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def __enter__(self) -> Self:
        for _ in range(self.sessions):
            self._idle.put(self._login())
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing alone does not wake a thread that waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        while not self._idle.empty():
            self._idle.get().stream.close()

    @property
    def address(self) -> str:
        """The URL that clients use."""
        parts = urlsplit(self.url)
        return f"postgresql://postgres@127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"

    def _login(self) -> _Server:
        parts = urlsplit(self.url)
        server = _Server(socket.socket(socket.AF_UNIX))
        server.stream.connect(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")
        words = ["user", "postgres", "database", parts.path.lstrip("/"), "client_encoding", "UTF8", ""]
        body = struct.pack("!I", 196608) + b"\0".join(word.encode() for word in words) + b"\0"
        server.stream.sendall(struct.pack("!I", len(body) + 4) + body)
        kind = b""
        while kind != b"Z":
            kind, message = _message(server.stream)
            server.greeting += message
        return server

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._greet(client)
                while True:
                    self._transaction(client)
            except (ConnectionError, OSError):
                return

    def _greet(self, client: socket.socket) -> None:
        while True:
            size, code = struct.unpack("!II", _exactly(client, 8))
            _exactly(client, size - 8)
            if code not in (_SSL, _GSS):
                break
            client.sendall(b"N")
        server = self._idle.get(timeout=10)
        client.sendall(server.greeting)
        self._idle.put(server)

    def _transaction(self, client: socket.socket) -> None:
        """Forward one transaction, from the client's first message to a ReadyForQuery that says idle."""
        kind, message = _message(client)
        if kind == b"X":
            raise ConnectionError
        server = self._idle.get(timeout=10)
        self.transactions += 1
        while True:
            server.stream.sendall(message)
            if kind in (b"Q", b"S"):
                status = self._answers(server, client)
                if status == b"I":
                    break
            kind, message = _message(client)
        self._idle.put(server)

    def _answers(self, server: _Server, client: socket.socket) -> bytes:
        answers = b""
        while True:
            kind, message = _message(server.stream)
            answers += message
            if kind == b"Z":
                client.sendall(answers)
                return message[-1:]


def _message(stream: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(stream, 5)
    return head[:1], head + _exactly(stream, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(stream: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = stream.recv(size - len(parts))
        if not part:
            raise ConnectionError
        parts += part
    return parts


@dataclass
class SessionPooler:
    """Like pgbouncer in its `session` mode: a client has a server until it goes, and others wait for their login."""

    url: str
    sessions: int
    most_at_once: int = 0
    """How many clients had a server at the same time."""
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def __enter__(self) -> Self:
        self._free = threading.Semaphore(self.sessions)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def address(self) -> str:
        """The URL that clients use."""
        path = urlsplit(self.url).path
        return f"postgresql://postgres@127.0.0.1:{self._listener.getsockname()[1]}{path}?sslmode=disable"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _greet(self, client: socket.socket) -> socket.socket:
        """Return the stream to talk over."""
        return client

    def _serve(self, accepted: socket.socket) -> None:
        with suppress(OSError), self._greet(accepted) as client, self._free, socket.socket(socket.AF_UNIX) as server:
            with self._lock:
                self._now += 1
                self.most_at_once = max(self._now, self.most_at_once)
            server.connect(f"{parse_qs(urlsplit(self.url).query)['host'][0]}/.s.PGSQL.5432")
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join(5)
            with self._lock:
                self._now -= 1


class TlsGateway(SessionPooler):
    """Speaks TLS with its clients, with the certificate of the tests."""

    def __init__(self, url: str) -> None:
        super().__init__(url, sessions=100)

    @property
    def address(self) -> str:
        """The URL that clients use, to which they add their `sslmode`."""
        return super().address.partition("?")[0]

    def _greet(self, client: socket.socket) -> socket.socket:
        size, code = struct.unpack("!II", _exactly(client, 8))
        assert (size, code) == (8, _SSL)
        client.sendall(b"S")
        return server_context().wrap_socket(client, server_side=True)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
