"""The answer to a GET, read strictly and in one pass.

`http.client` hands the head to the parser of e-mail, which takes longer than all the rest of a small answer; loading
the two takes as long as dozens of answers. Where an answer leaves open where it ends, `http.client` takes one of the
readings, and it forgets what stands behind the end.
"""

import io
import re
import socket
from collections.abc import Iterator
from typing import Any

_LONGEST_LINE = 65536
_MOST_FIELDS = 100
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: .*)?\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\r?\n", re.DOTALL)
_LENGTH = re.compile(r"[0-9]{1,18}")
_WITHOUT_BODY = (204, 304)
_ENDS = (b"\r\n", b"\n")
CHUNK_SIZE = re.compile(rb"(0*[0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
"""The line before a chunk: its size, and extensions of which none is known."""


class MalformedAnswer(Exception):
    """Not an answer by the rules of HTTP. Never leaves the package."""


class IncompleteAnswer(MalformedAnswer):
    """It breaks off."""


class Incoming(io.RawIOBase):
    """The source of an answer: bytes that have come already, then a failure or what a socket gives."""

    def __init__(self, sock: socket.socket, first: bytes = b"", failure: OSError | None = None) -> None:
        self._sock = sock
        self._first = first
        self._failure = failure
        self.has_begun = False
        """True once there was a byte."""
        self.is_over = False
        """True to take nothing more from the socket."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, room: Any) -> int:
        """Take bytes, none at the end. Raises OSError."""
        if self._first:
            piece, self._first = self._first[: len(room)], self._first[len(room) :]
            room[: len(piece)] = piece
            found = len(piece)
        elif self.is_over:
            found = 0
        elif self._failure is not None:
            raise self._failure
        else:
            found = self._sock.recv_into(room)
        self.has_begun = self.has_begun or found > 0
        return found


class Response:
    """One answer. `begin` reads its head and those of the 1xx before it; then read its body."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self.stream = stream
        self.status = 0
        self.fields: dict[str, list[str]] = {}
        """The header's fields, their names in lower case."""
        self.length: int | None = None
        """Of the body, in bytes; None if the head does not say."""
        self.chunked = False
        self.will_close = True
        """True if no other answer may follow over this connection."""

    def first(self, name: str) -> str | None:
        """Return the first value of a field."""
        return next(iter(self.fields.get(name, ())), None)

    def begin(self) -> None:
        """Read up to the body. Raises MalformedAnswer if the head is malformed or leaves open where the answer ends."""
        minor = self.read_head()
        codings, lengths = self.fields.get("transfer-encoding", []), self.fields.get("content-length", [])
        if codings and [each.lower() for each in codings] != ["chunked"]:
            raise MalformedAnswer("the answer has an unknown transfer encoding")
        if lengths and (codings or len(set(lengths)) > 1 or not _LENGTH.fullmatch(lengths[0])):
            raise MalformedAnswer("the answer has an unclear length")
        is_empty = self.status in _WITHOUT_BODY  # whatever its head says
        self.chunked = bool(codings) and not is_empty
        self.length = 0 if is_empty else int(lengths[0]) if lengths else None
        wishes = ",".join(self.fields.get("connection", ())).lower()
        is_kept = "keep-alive" in wishes if minor == 0 else "close" not in wishes
        self.will_close = not is_kept or (self.length is None and not self.chunked)

    def readinto(self, room: memoryview) -> None:
        """Fill `room` with the body, whose length it has. Raises IncompleteAnswer."""
        came = self.stream.readinto(room)
        if came < len(room):
            raise IncompleteAnswer

    def pieces(self, most: int) -> Iterator[bytes]:
        """Yield the body in pieces of at most `most` bytes. Raises MalformedAnswer if it is malformed or breaks off."""
        if not self.chunked:
            yield from self._next(self.length, most)
            return
        while size := self._chunk_size():
            yield from self._next(size, most)
            if self._line() not in _ENDS:
                raise MalformedAnswer("the answer has a malformed chunk")
        while self._line() not in (*_ENDS, b""):  # trailers, of which none is known
            pass

    def _next(self, length: int | None, most: int) -> Iterator[bytes]:
        """Yield so many bytes, or all there are."""
        left = length
        while left != 0:
            piece = self.stream.read1(most if left is None else min(left, most))
            if piece:
                left = None if left is None else left - len(piece)
                yield piece
            elif left is None:
                return
            else:
                raise IncompleteAnswer

    def _chunk_size(self) -> int:
        line = self._line()
        found = CHUNK_SIZE.fullmatch(line)
        if not line.endswith(b"\n"):
            raise IncompleteAnswer
        if found is None:
            raise MalformedAnswer("the answer has a malformed chunk")
        return int(found[1], 16)

    def read_head(self) -> int:
        """Read status and header, past those of any 1xx; return HTTP's minor version.

        All that counts of a proxy's answer to CONNECT: what follows is the tunnel, whatever length the header gives.
        """
        minor = self.status = 0
        while self.status < 200:  # 1xx: e.g. early hints, before the answer
            minor, self.status = self._status_line()
            self._read_fields()
        return minor

    def _status_line(self) -> tuple[int, int]:
        line = self._line()
        found = _STATUS.fullmatch(line)
        if not line:
            raise ConnectionResetError("the connection was closed without an answer")
        if found is None:
            raise MalformedAnswer(f"the answer begins with {line.decode('iso-8859-1').strip()!r}")
        return int(found[1]), int(found[2])

    def _read_fields(self) -> None:
        self.fields = {}
        values: list[str] = []
        for _ in range(_MOST_FIELDS + 1):
            line = self._line()
            if line in _ENDS:
                return
            if not line.endswith(b"\n"):
                raise IncompleteAnswer
            found = _FIELD.fullmatch(line)
            if found is not None:
                values = self.fields.setdefault(found[1].decode("ascii").lower(), [])
                values.append(found[2].decode("iso-8859-1"))
            elif values and line[:1] in b" \t":  # folded, as HTTP once allowed
                values[-1] += " " + line.strip().decode("iso-8859-1")
            else:
                raise MalformedAnswer("the answer has a malformed header")
        raise MalformedAnswer(f"the answer has more than {_MOST_FIELDS} headers")

    def _line(self) -> bytes:
        line = self.stream.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise MalformedAnswer(f"the answer has a line of more than {_LONGEST_LINE:,} bytes")
        return line
