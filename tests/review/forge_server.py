"""A forge on loopback: pull requests of GitHub and merge requests of GitLab to comment on, over real HTTP."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "forge-token-1234567890"
MINE = "github-actions[bot]"
MINE_ID = 77
GITHUB = re.compile(r"/repos/acme/data/issues(?:/(?P<number>\d+)/comments|/comments/(?P<id>\d+))")
GITLAB = re.compile(r"/projects/42/merge_requests/(?P<number>\d+)/notes(?:/(?P<id>\d+))?")


@dataclass
class Forge:
    """What it holds and what it was asked."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    """Of pull request 7, oldest first."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path with query, in order."""
    failures: dict[str, list[int]] = field(default_factory=dict)
    """Method → statuses to answer its next requests with."""
    forbidden: set[int] = field(default_factory=set)
    """Comments that may not be edited."""
    knows_user: bool = False
    """False: the token is a job's own, which may not ask who it is."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Path → what a GET of it answers, with GitLab's own header for the token."""
    answer: bytes | None = None
    """Answered to every GET of a list, instead of the list."""

    def add(self, body: str, author: str = MINE) -> int:
        """Add a comment; return its id."""
        number = 1000 + len(self.comments)
        identity = MINE_ID if author == MINE else 5
        user = {"login": author, "id": identity}
        self.comments.append({"id": number, "user": user, "author": user, "body": body})
        return number

    def methods(self) -> list[str]:
        """Return the methods of what was asked, but for who the token is."""
        return [method for method, path in self.requests if path != "/user"]


@contextmanager
def serve_forge() -> Iterator[Forge]:
    """Serve a forge for the length of a `with` block."""
    forge = Forge()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(forge))
    server.daemon_threads = True
    forge.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers for a forge."""

    protocol_version = "HTTP/1.1"
    forge: Forge

    def handle_one(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.forge.requests.append((self.command, self.path))
        parts = urlsplit(self.path)
        if not self.is_answered_early(parts.path):
            match = GITHUB.fullmatch(parts.path) or GITLAB.fullmatch(parts.path)
            if match is None or match["number"] not in ("7", None):
                self.reply(404, {"message": "Not Found"})
            elif self.command == "GET":
                self.page(parse_qs(parts.query))
            else:
                self.write(match["id"], json.loads(body)["body"])

    def is_answered_early(self, path: str) -> bool:
        """Answer what is to fail, files, strangers and who is asking; say whether that was it."""
        planned = self.forge.failures.get(self.command)
        if planned and path != "/user":
            self.reply(planned.pop(0), {"message": f"no, not with {self.headers['Authorization']}"})
        elif path in self.forge.files and self.headers["PRIVATE-TOKEN"] == TOKEN:
            self.raw(200, self.forge.files[path], {})
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.reply(401, {"message": "Bad credentials"})
        elif path == "/user" and self.forge.knows_user:
            self.reply(200, {"login": MINE, "id": MINE_ID})
        elif path == "/user":
            self.reply(403, {"message": "not for jobs"})
        else:
            return False
        return True

    def write(self, id_: str | None, text: str) -> None:
        """Add a comment, or change one."""
        if self.command == "POST":
            self.forge.add(text)
            self.reply(201, self.forge.comments[-1])
        elif int(id_ or 0) in self.forge.forbidden:
            self.reply(403, {"message": "not yours"})
        else:
            (found,) = [each for each in self.forge.comments if each["id"] == int(id_ or 0)]
            found["body"] = text
            self.reply(200, found)

    def page(self, query: dict[str, list[str]]) -> None:
        """Answer a page, and a link to another origin for the next one: it must not be followed."""
        size, page = int(query["per_page"][0]), int(query["page"][0])
        shown = self.forge.comments[(page - 1) * size : page * size]
        more = len(self.forge.comments) > page * size
        headers = {"Link": '<http://127.0.0.1:1/elsewhere>; rel="next"', "X-Next-Page": str(page + 1)} if more else {}
        if self.forge.answer is not None:
            return self.raw(200, self.forge.answer, headers)
        return self.reply(200, shown, headers)

    def reply(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        self.raw(status, json.dumps(content).encode(), headers or {})

    def raw(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        """Answer with bytes."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


for method in ("GET", "POST", "PATCH", "PUT"):
    setattr(Handler, f"do_{method}", Handler.handle_one)


def handler_of(forge: Forge) -> type[BaseHTTPRequestHandler]:
    """Return a handler bound to the forge."""
    return type("BoundHandler", (Handler,), {"forge": forge})
