"""HTTP spoken by hand over a real socket, to see how a connection really ends."""

import json
import socket
import time
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

PATIENCE = 5.0


@dataclass
class Heard:
    """The answer on one connection."""

    data: bytes = b""
    pieces: list[tuple[float, int]] = field(default_factory=list)
    """When each piece came, in seconds since the request was sent, and its length."""
    end: Literal["closed", "reset"] = "closed"

    @property
    def status(self) -> int:
        """Return the status; 0 where there is no status line."""
        line = self.data.split(b"\r\n", 1)[0].split(b" ")
        return int(line[1]) if line[0] == b"HTTP/1.1" else 0

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers by lower-case name."""
        lines = self.data.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def body(self) -> bytes:
        """Return the body, without the marks of chunks."""
        rest = self.data.partition(b"\r\n\r\n")[2]
        if self.headers.get("transfer-encoding") != "chunked":
            return rest
        body = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size, 16)
            body, rest = body + rest[:length], rest[length + 2 :]
        return body

    @property
    def is_whole(self) -> bool:
        """Say whether the answer has the end that its head promises."""
        if self.headers.get("transfer-encoding") == "chunked":
            return self.data.endswith(b"\r\n0\r\n\r\n")
        return len(self.body) == int(self.headers.get("content-length", -1))

    @property
    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


def speak(url: str, method: str, path: str, token: str, body: Any = None) -> Heard:
    """Send one request on a connection of its own and listen until it ends."""
    place = urlsplit(url)
    content = b"" if body is None else json.dumps(body).encode()
    head = [f"{method} {path} HTTP/1.1", f"Host: {place.netloc}", f"Authorization: Bearer {token}", "Connection: close"]
    head += ["Content-Type: application/json", f"Content-Length: {len(content)}"] if content else []
    heard = Heard()
    with socket.create_connection((str(place.hostname), int(place.port or 0)), PATIENCE) as connection:
        began = time.monotonic()
        connection.sendall("\r\n".join([*head, "", ""]).encode() + content)
        try:
            while piece := connection.recv(65536):
                heard.pieces.append((time.monotonic() - began, len(piece)))
                heard.data += piece
        except ConnectionResetError:
            heard.end = "reset"
    return heard
