"""The answer to a GET: its head read here, strictly and in one pass, its body by `http.client`.

The library hands the head to the parser of e-mail, which takes longer than all the rest of a small answer, and where a
head leaves open where the answer ends it takes one of the readings.
"""

import http.client
import re
from typing import Any

_LONGEST_LINE = 65536
_MOST_FIELDS = 100
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: .*)?\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\r?\n", re.DOTALL)
_LENGTH = re.compile(r"[0-9]{1,18}")
_WITHOUT_BODY = (204, 304)


class Response(http.client.HTTPResponse):
    """One answer. `begin` reads its head and those of the 1xx before it; then read its body as the library's."""

    def __init__(self, sock: Any) -> None:
        """`sock` is a socket, or anything else that has its `makefile`."""
        super().__init__(sock, method="GET")
        self.fields: dict[str, list[str]] = {}
        """The header's fields, their names in lower case."""

    def first(self, name: str) -> str | None:
        """Return the first value of a field."""
        return next(iter(self.fields.get(name, ())), None)

    def begin(self) -> None:
        """Read up to the body. Raises HTTPException if the head is malformed or leaves open where the answer ends."""
        minor = self.read_head()
        codings, lengths = self.fields.get("transfer-encoding", []), self.fields.get("content-length", [])
        if codings and [each.lower() for each in codings] != ["chunked"]:
            raise http.client.HTTPException("the answer has an unknown transfer encoding")
        if lengths and (codings or len(set(lengths)) > 1 or not _LENGTH.fullmatch(lengths[0])):
            raise http.client.HTTPException("the answer has an unclear length")
        is_empty = self.status in _WITHOUT_BODY  # whatever its head says
        self.chunked, self.chunk_left = bool(codings) and not is_empty, None
        self.length = 0 if is_empty else int(lengths[0]) if lengths else None
        wishes = ",".join(self.fields.get("connection", ())).lower()
        is_kept = "keep-alive" in wishes if minor == 0 else "close" not in wishes
        self.will_close = not is_kept or (self.length is None and not self.chunked)

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
            raise http.client.RemoteDisconnected("the connection was closed without an answer")
        if found is None:
            raise http.client.BadStatusLine(line.decode("iso-8859-1"))
        return int(found[1]), int(found[2])

    def _read_fields(self) -> None:
        self.fields = {}
        values: list[str] = []
        for _ in range(_MOST_FIELDS + 1):
            line = self._line()
            if line in (b"\r\n", b"\n"):
                return
            if not line.endswith(b"\n"):
                raise http.client.IncompleteRead(b"")
            found = _FIELD.fullmatch(line)
            if found is not None:
                values = self.fields.setdefault(found[1].decode("ascii").lower(), [])
                values.append(found[2].decode("iso-8859-1"))
            elif values and line[:1] in b" \t":  # folded, as HTTP once allowed
                values[-1] += " " + line.strip().decode("iso-8859-1")
            else:
                raise http.client.HTTPException("the answer has a malformed header")
        raise http.client.HTTPException(f"the answer has more than {_MOST_FIELDS} headers")

    def _line(self) -> bytes:
        stream: Any = self.fp
        line: bytes = stream.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise http.client.LineTooLong("header line")
        return line
