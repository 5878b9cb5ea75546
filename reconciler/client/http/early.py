"""The bytes of an answer as they come, none of them waited for.

Most answers are small and arrive whole. Read like this, one thread serves all connections, for a third of what a thread
takes that sleeps until its answer comes. What is large, slow, or not a plain 200 is left to such a thread, which begins
with the bytes that are there.
"""

import io
import socket
import ssl
from typing import Any

from reconciler.client.http.response import Response

MOST_BYTES = 64 * 1024
"""Of an answer, head included, that is read like this."""
_MOST_LOOKS = 8
"""At an answer whose head does not say how long it is: each begins at the first byte."""
_HEAD_ENDS = b"\r\n\r\n"
_CHUNKS_END = b"0\r\n\r\n"


class NotPlainError(Exception):
    """The answer is for a thread to read, from its first byte. Never leaves the package."""


class Early:
    """One answer, as far as it has come."""

    def __init__(self) -> None:
        self._received = b""
        self._needed = len(_HEAD_ENDS)
        """The least that makes it whole."""
        self._looks = 0

    def receive(self, sock: socket.socket) -> None:
        """Take what has come to a socket that does not block. Raises NotPlainError if it is at its end, or OSError."""
        try:
            piece = sock.recv(MOST_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        self._received += piece
        if not piece or len(self._received) > MOST_BYTES:
            raise NotPlainError

    def whole(self) -> Response | None:
        """Return the answer up to its body, all of which is there; None while it is not.

        Raises NotPlainError, and what `Response.begin` raises.
        """
        if len(self._received) < self._needed or _HEAD_ENDS not in self._received:
            return None
        stream = io.BytesIO(self._received)
        response = Response(_Source(stream))
        response.begin()
        if response.status != 200:
            raise NotPlainError
        if response.chunked:
            return response if self._has_last_chunk() else None
        if response.length is None:
            raise NotPlainError
        self._needed = stream.tell() + response.length
        if self._needed > MOST_BYTES or self._needed < len(self._received):
            raise NotPlainError
        return response if len(self._received) == self._needed else None

    def _has_last_chunk(self) -> bool:
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            raise NotPlainError
        return self._received.endswith(_CHUNKS_END)

    def followed_by(self, sock: socket.socket) -> "_Source":
        """Return a source for a Response: what has come, then what the socket gives."""
        return _Source(io.BufferedReader(_Joined(self._received, sock.makefile("rb", buffering=0))))


class _Source:
    """Stands where `http.client` expects a socket."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def makefile(self, _mode: str) -> Any:
        return self._stream


class _Joined(io.RawIOBase):
    """Bytes, then a stream."""

    def __init__(self, first: bytes, rest: Any) -> None:
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int | None:
        if not self._first:
            found: int | None = self._rest.readinto(room)
            return found
        piece, self._first = self._first[: len(room)], self._first[len(room) :]
        room[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._rest.close()
        super().close()
