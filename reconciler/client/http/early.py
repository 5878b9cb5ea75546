"""The bytes of an answer as they come, none of them waited for.

Most answers are small and arrive whole. Read like this, one thread serves all connections, for a third of what a thread
takes that sleeps until its answer comes. What is large, slow, or not a plain 200 is left to such a thread, which begins
with the bytes that are there.
"""

import io
import re
import select
import socket
import ssl
import sys

from reconciler.client.http.response import CHUNK_SIZE, Incoming, Response

MOST_BYTES = 64 * 1024
"""Of an answer, head included, that is read like this."""
_BLANK_LINE = re.compile(rb"\n\r?\n")
"""It ends a head, and a body in chunks."""
_CHUNK = re.compile(rb"(?:\r?\n)?" + CHUNK_SIZE.pattern)
"""The end of the chunk before, and the size of the next."""


class NotPlainError(Exception):
    """The answer is for a thread to read, from its first byte. Never leaves the package."""

    status: int | None = None
    """Of the answer, if known."""


class Early:
    """One answer, as far as it has come."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._failure: OSError | None = None
        """It came instead of more bytes."""
        self._needed = 0
        """The least that makes it whole."""
        self._response: Response | None = None
        """Once its head is there."""
        self._body_at = 0
        self._at = 0
        """Where to look for the next blank line, or the next chunk."""

    def receive(self, sock: socket.socket) -> None:
        """Take what has come to a socket that does not block. Raises NotPlainError if that is its end or a failure."""
        try:
            piece = sock.recv(MOST_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError as error:
            self._failure = error.with_traceback(None)
            raise NotPlainError from None
        self._received += piece
        if not piece or len(self._received) > MOST_BYTES:
            raise NotPlainError

    def whole(self) -> Response | None:
        """Return the answer up to its body, all of which is there; None while it is not.

        Raises NotPlainError, and what `Response.begin` raises.
        """
        if len(self._received) < self._needed:
            return None
        response = self._response or self._head()
        if response is None:
            return None
        if response.chunked and not self._find_end():
            self._needed = max(self._needed, len(self._received) + 1)
        if self._needed > MOST_BYTES or self._needed < len(self._received):
            raise NotPlainError
        if self._needed > len(self._received):
            return None
        response.stream = io.BytesIO(memoryview(self._received)[self._body_at :])
        return response

    def _head(self) -> Response | None:
        if _BLANK_LINE.search(self._received, self._at) is None:
            self._at = max(len(self._received) - 2, 0)
            return None
        stream = io.BytesIO(self._received)
        response = Response(stream)
        response.begin()
        if response.status != 200 or (response.length is None and not response.chunked):
            failure = NotPlainError()
            failure.status = response.status
            raise failure
        self._response = response
        self._at = self._body_at = stream.tell()
        self._needed = self._body_at + (response.length or 0)
        return response

    def _find_end(self) -> bool:
        """Go on to the last chunk; return whether all of it is there. Raises NotPlainError if no chunk can follow."""
        while (size := _CHUNK.match(self._received, self._at)) is not None:
            length = int(size[1], 16)
            if not length:
                end = _BLANK_LINE.search(self._received, size.end() - 1)
                self._needed = 0 if end is None else end.end()
                return end is not None
            self._at = self._needed = size.end() + length
        if self._received.find(b"\n", self._at + len(b"\r\n")) >= 0:
            raise NotPlainError
        return False

    def followed_by(self, sock: socket.socket) -> Incoming:
        """Return what a thread reads: what has come, then what the socket gives."""
        return Incoming(sock, bytes(self._received), self._failure)


def has_news(sock: socket.socket) -> bool:
    """Return whether an idle connection is of no further use: the server closed it, or sent something unasked.

    Session tickets, new keys and the like, which TLS sends at any time, are neither. A TLS socket may not block any
    longer afterwards.
    """
    if not isinstance(sock, ssl.SSLSocket):
        return _is_readable(sock)
    if not (sock.pending() or _is_readable(sock)):
        return False
    sock.settimeout(0)
    try:
        sock.recv(1)
    except ssl.SSLWantReadError:
        return False
    except OSError:
        pass
    return True


def _is_readable(sock: socket.socket) -> bool:
    if sys.platform == "win32":
        return bool(select.select([sock], [], [], 0)[0])
    else:  # noqa: RET505 - a type checker reads one branch for each platform
        poll = select.poll()  # unlike `select`, it takes any file descriptor
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
