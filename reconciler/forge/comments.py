"""The sticky comment: found by a hidden marker in its first line, and only among comments by the token's own user.

Anyone who may comment can write the marker. A comment by another user is never updated, marker or not: its author
could change our numbers afterwards.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Any, Protocol

from reconciler.errors import BadResponse, Refused, SettingsError
from reconciler.forge.http import ForgeClient, Query

PAGE = 100
"""Comments per page; the most that both forges allow."""
MOST_PAGES = 200

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,98}[A-Za-z0-9])?")


class Kind(StrEnum):
    """The subject of a comment."""

    PLAN = "plan"
    REPORT = "report"


class Posted(StrEnum):
    """The effect of posting a comment."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as the forge returns it."""

    id: int
    author: str
    """The forge's own identifier; compared, never shown."""
    body: str


class Comments(Protocol):
    """The comments of one pull or merge request."""

    def mine(self) -> str:
        """Return the author of comments that this token writes."""

    def read(self) -> Iterable[Comment]:
        """Return the comments, oldest first."""

    def create(self, body: str) -> None:
        """Write a new comment."""

    def update(self, id_: int, body: str) -> None:
        """Replace the body of a comment."""


def marker(kind: Kind, name: str, key: str = "") -> str:
    """Return the hidden first line of a project's comment; `key` tells receipts apart. Raises SettingsError."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            "a project's name in a comment has at most 100 characters: letters, digits, `.`, `_`, `/` and `-`",
            hint="Set one with --name.",
        )
    return f"<!-- extruct-reconciler {kind.value} {name}{f' {key}' if key else ''} -->"


def post(comments: Comments, first_line: str, text: str) -> Posted:
    """Update the comment that begins with the marker `first_line`, or write it if there is none.

    Raises Refused, BadResponse.
    """
    body = f"{first_line}\n{text}"
    author = comments.mine()
    for comment in comments.read():
        if comment.author != author or comment.body.split("\n", 1)[0].rstrip("\r") != first_line:
            continue
        if comment.body.replace("\r\n", "\n") == body:
            return Posted.UNCHANGED
        try:
            comments.update(comment.id, body)
        except Refused as error:
            if error.status not in (403, 404):
                raise
            break
        return Posted.UPDATED
    comments.create(body)
    return Posted.CREATED


def pages(
    client: ForgeClient, path: str, key: str | None = None, query: Query | None = None, most: int | None = None
) -> Iterator[Any]:
    """Yield the items of a paged list, `most` at most; `key` names it if an object holds it.

    Raises Refused, BadResponse.
    """
    left = MOST_PAGES * PAGE if most is None else most
    for page in count(1):
        answer = client.get(path, {**(query or {}), "per_page": PAGE, "page": page})
        found = answer.content.get(key) if key and isinstance(answer.content, dict) else answer.content
        if not isinstance(found, list):
            raise BadResponse(f"GET {path}: the answer is not a list")
        yield from found[:left]
        left -= len(found)
        if not answer.has_more or left <= 0 or page >= MOST_PAGES:
            return


def comment_of(item: Any, where: str, login: str, id_key: str) -> Comment:
    """Return a comment from JSON; `login` is the key of its author, `id_key` the author's key that identifies them."""
    try:
        author = item[login]
        identity = "" if author is None else str(author[id_key])  # null if the account was deleted
        return Comment(int(item["id"]), identity, str(item["body"] or ""))
    except (KeyError, TypeError, ValueError):
        raise BadResponse(f"GET {where}: the answer has a comment in an unknown shape") from None
