"""The servers that a forge's stand-in is made of: its API, and the store of its files on another port."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

TOKEN_HEADERS = ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN")


class Handler(BaseHTTPRequestHandler):
    """Answers one request at a time, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def reply(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer with bytes."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def json(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        self.reply(status, json.dumps(content).encode(), headers)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def file_store(find: Callable[[str], bytes], leaked: list[str]) -> type[BaseHTTPRequestHandler]:
    """Return a store whose files `find` returns by path; requests that carry a token are refused and noted."""

    class Store(Handler):
        def do_GET(self) -> None:
            """Hand out a file to whoever has its signed address, and to no one with a token."""
            if any(name in self.headers for name in TOKEN_HEADERS):
                leaked.append(self.path)
                return self.reply(400, b"InvalidAuthenticationInfo")
            return self.reply(200, find(urlsplit(self.path).path[1:]))

    return Store


@contextmanager
def serving(*handlers: type[BaseHTTPRequestHandler]) -> Iterator[list[str]]:
    """Serve each on a port of its own for the length of a `with` block; yield the base URLs."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for handler in handlers]
    threads = [Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
