"""The servers that a forge's stand-in is made of: its API, and the store of its files on another port."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

TOKEN_HEADERS = ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN")


@dataclass
class Forge:
    """The content of every forge."""

    url: str = ""
    """Of the API."""
    store_url: str = ""
    default_branch: str = "main"
    commits: dict[str, list[str]] = field(default_factory=dict)
    """Commit → its parents."""
    failures: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    """A method, or the end of a path → statuses and headers that its next requests are answered with."""
    forbidden: set[int] = field(default_factory=set)
    """Comments that may not be edited."""
    lies: Callable[[Any], Any] | None = None
    """Makes of an honest answer what it answers a read with."""
    nonsense: bytes | None = None
    """Answered to every read, in the place of what was asked for."""
    requests: list[str] = field(default_factory=list)
    """Method and path with query, in order."""
    leaked: list[str] = field(default_factory=list)
    """Requests to the store that carried a token."""

    def commit(self, sha: str, *parents: str) -> str:
        """Add a commit."""
        self.commits[sha] = list(parents)
        return sha

    def reachable(self, sha: str) -> set[str]:
        """Return a commit with all that came before it."""
        found, left = set(), [sha]
        while left:
            at = left.pop()
            if at not in found:
                found.add(at)
                left += self.commits.get(at, [])
        return found


class Handler(BaseHTTPRequestHandler):
    """Answers one request at a time, and logs nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the head and the body are two packets
    forge: Any = None

    def fails(self, forge: Forge, path: str) -> bool:
        """Answer a request that is to fail, repeating the token, or with nonsense; tell whether it was one."""
        for key, answers in forge.failures.items():
            if answers and (self.command == key or path.endswith(key)):
                status, headers = answers.pop(0)
                self.json(status, {"message": f"not now, not with {self.headers['Authorization']}"}, headers)
                return True
        if forge.nonsense is not None and self.command == "GET":
            self.reply(200, forge.nonsense)
            return True
        return False

    def reply(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer with bytes."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def json(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        if self.forge is not None and self.forge.lies is not None and self.command == "GET" and status == 200:
            content = self.forge.lies(content)
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
