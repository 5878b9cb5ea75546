"""A server of raw sockets that does to a client whatever a test says, and writes down every request it saw."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, int]:
        """The query's parameters, as numbers."""
        return {name: int(values[0]) for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass
class Exchange:
    """One request, its number in the order of arrival (from 0), and the socket to answer on."""

    request: Seen
    number: int
    sock: socket.socket
    closing: threading.Event
    is_open: bool = field(default=True, init=False)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def answer(self, status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send a whole answer; anything but bytes goes out as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.raw("\r\n".join([*lines, "", ""]).encode() + data)

    def close(self) -> None:
        """Close the connection in peace."""
        self.is_open = False

    def reset(self) -> None:
        """Close it with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.is_open = False

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.closing.wait(30)
        self.is_open = False

    def trickle(self, data: bytes, every_seconds: float) -> None:
        """Send `data` a byte at a time until the test is over or the client has gone."""
        for position in range(len(data)):
            if self.closing.wait(every_seconds):
                break
            try:
                self.raw(data[position : position + 1])
            except OSError:
                break
        self.is_open = False


class WireServer:
    """Listens on loopback; each connection has its thread and calls `behave` for each request it reads."""

    def __init__(
        self,
        behave: Callable[[Exchange], None],
        *,
        tls: ssl.SSLContext | None = None,
        refuse_to_read: bool = False,
    ) -> None:
        self.requests: list[Seen] = []
        self.connections = 0
        self.failures: list[BaseException] = []
        self._behave = behave
        self._tls = tls
        self._refuse_to_read = refuse_to_read
        self._lock = threading.Lock()
        self._ended = threading.Semaphore(0)
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: list[socket.socket] = []
        self._seen_closed = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(5)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for sock in left:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads[1:]:
            thread.join(5)
        if kind is None and self.failures:
            raise self.failures[0]

    def wait_until_closed(self, connections: int) -> None:
        """Wait until this server has closed so many connections."""
        while self._seen_closed < connections:
            assert self._ended.acquire(timeout=5)
            self._seen_closed += 1

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with sock:
                if not self._refuse_to_read:
                    self._converse(sock)
        except OSError:
            sock.close()
        except Exception as error:  # a fault of the test's own script
            self.failures.append(error)
            sock.close()
        self._ended.release()

    def _converse(self, sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while (seen := _read_request(stream)) is not None:
                with self._lock:
                    number = len(self.requests)
                    self.requests.append(seen)
                exchange = Exchange(seen, number, sock, self._closing)
                self._behave(exchange)
                if not exchange.is_open:
                    return


def _read_request(stream: Any) -> Seen | None:
    first = stream.readline().decode("ascii").split()
    if not first:
        return None
    headers: dict[str, str] = {}
    while line := stream.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Seen(first[0], first[1], headers, stream.read(int(headers.get("content-length", "0"))))
