"""The simulator as an ASGI application. Faults happen to the real connection, which the server puts into the scope."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from reconciler.simulator.application import Cut, Reply, Simulator, Wait
from reconciler.simulator.http.wire import Request, Response

EXTENSION: Final = "reconciler.simulator"
"""The key of the connection's transport in the scope's extensions."""
GARBAGE: Final = b"\x16\x03\x00 this is not HTTP \xff\xfe\r\n\r\n"
TICKS_A_SECOND: Final = 20
_WAITS_AT_MOST: Final = 3600.0

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Application:
    """An ASGI application over one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._closing: asyncio.Event | None = None

    def close(self) -> None:
        """Let every waiting request continue, because the server is about to stop; called on the server's loop."""
        if self._closing is not None:
            self._closing.set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        with self._simulator.under_way(scope["path"]):
            await self._exchange(scope, receive, send)

    async def _exchange(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        simulator = self._simulator
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        request = Request(scope["method"], scope["path"], query, headers)
        met = simulator.meet(request)
        if met.ending is not None and met.ending.kind == "close_before":
            simulator.remember(request)
            await self._cut(scope, receive, Cut("close"))
            return
        body = await _read(receive)
        if body is None:
            return
        if body:
            request = Request(request.method, request.path, query, headers, body)
        simulator.remember(request)
        for step in simulator.steps(request, met):
            if isinstance(step, Wait):
                await self._wait(step.seconds)
            elif isinstance(step, Cut):
                await self._cut(scope, receive, step)
            else:
                await self._reply(send, step)

    async def _wait(self, seconds: float) -> None:
        if self._closing is None:
            self._closing = asyncio.Event()
        try:
            await asyncio.wait_for(self._closing.wait(), min(seconds, _WAITS_AT_MOST))
        except TimeoutError:
            return

    async def _reply(self, send: Send, reply: Reply) -> None:
        response = reply.response
        await send({"type": "http.response.start", "status": response.status, "headers": encoded_headers(response)})
        if isinstance(response.body, bytes) and reply.bytes_per_second is None:
            await send({"type": "http.response.body", "body": response.body})
            return
        chunks: Iterable[bytes] = [response.body] if isinstance(response.body, bytes) else response.body
        if reply.bytes_per_second is not None:
            size = max(1, reply.bytes_per_second // TICKS_A_SECOND)
            for piece in _pieces(chunks, size):
                await self._wait(len(piece) / reply.bytes_per_second)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        else:
            for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                # Other requests get their turn between the chunks of a large table.
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    async def _cut(self, scope: MutableMapping[str, Any], receive: Receive, cut: Cut) -> None:
        transport: asyncio.Transport = scope["extensions"][EXTENSION]
        if cut.how == "reset":
            connection: socket.socket = transport.get_extra_info("socket")
            # Closing with SO_LINGER set to zero seconds sends RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            if cut.how == "garbage":
                transport.write(GARBAGE)
            elif cut.response is not None:
                transport.write(half(cut.response))
            transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


def encoded_headers(response: Response) -> list[tuple[bytes, bytes]]:
    """Return the headers as bytes, with the length if it is known."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    if isinstance(response.body, bytes) and response.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(response.body)))
    return headers


def half(response: Response) -> bytes:
    """Return an answer's head and the first half of its body as HTTP/1.1."""
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}".encode()]
    lines += [name + b": " + value for name, value in encoded_headers(response)]
    if isinstance(response.body, bytes):
        return b"\r\n".join([*lines, b"", response.body[: len(response.body) // 2]])
    first = next(response.body)
    second = next(response.body)
    chunk = b"%x\r\n%b\r\n%x\r\n%b" % (len(first), first, len(second), second[: len(second) // 2])
    return b"\r\n".join([*lines, b"transfer-encoding: chunked", b"", chunk])


async def _read(receive: Receive) -> bytes | None:
    """Return the body of a request, or None if the client disconnected before sending all of it."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
    return body if message["type"] == "http.request" else None


def _pieces(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            yield chunk[start : start + size]
