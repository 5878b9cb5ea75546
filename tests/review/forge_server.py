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


def handler_of(forge: Forge) -> type[BaseHTTPRequestHandler]:
    """Return a handler bound to the forge."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            """Answer one request."""
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            forge.requests.append((self.command, self.path))
            parts = urlsplit(self.path)
            planned = forge.failures.get(self.command)
            if planned and parts.path != "/user":
                return self.reply(planned.pop(0), {"message": f"no, not with {self.headers['Authorization']}"})
            if parts.path in forge.files and self.headers["PRIVATE-TOKEN"] == TOKEN:
                return self.raw(200, forge.files[parts.path], {})
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                return self.reply(401, {"message": "Bad credentials"})
            if parts.path == "/user":
                user = {"login": MINE, "id": MINE_ID}
                return self.reply(200, user) if forge.knows_user else self.reply(403, {"message": "not for jobs"})
            match = GITHUB.fullmatch(parts.path) or GITLAB.fullmatch(parts.path)
            if match is None or match["number"] not in ("7", None):
                return self.reply(404, {"message": "Not Found"})
            if self.command == "GET":
                return self.page(parse_qs(parts.query))
            text = json.loads(body)["body"]
            if self.command == "POST":
                forge.add(text)
                return self.reply(201, {"id": 1})
            if int(match["id"]) in forge.forbidden:
                return self.reply(403, {"message": "not yours"})
            (found,) = [each for each in forge.comments if each["id"] == int(match["id"])]
            found["body"] = text
            return self.reply(200, found)

        def page(self, query: dict[str, list[str]]) -> None:
            """Answer a page, and a link to another origin for the next one: it must not be followed."""
            size, page = int(query["per_page"][0]), int(query["page"][0])
            shown = forge.comments[(page - 1) * size : page * size]
            more = len(forge.comments) > page * size
            headers = (
                {"Link": '<http://127.0.0.1:1/elsewhere>; rel="next"', "X-Next-Page": str(page + 1)} if more else {}
            )
            if forge.answer is not None:
                return self.raw(200, forge.answer, headers)
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
    return Handler
