"""The sticky comment: found by a hidden marker in its first line, and only among what this token's own user wrote.

Anyone who may comment may write the marker. A comment of somebody else's with it is never updated: its author could
change the numbers under our text afterwards.
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
"""Comments in one page; the most that both forges give."""
MOST_PAGES = 200

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,98}[A-Za-z0-9])?")


class Kind(StrEnum):
    """What a comment is about."""

    PLAN = "plan"
    REPORT = "report"


class Posted(StrEnum):
    """What became of a comment."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as the forge shows it."""

    id: int
    author: str
    """In the forge's own spelling; compared, never shown."""
    body: str


class Comments(Protocol):
    """The comments of one pull or merge request."""

    def mine(self) -> str:
        """Return the author of what this token writes."""

    def read(self) -> Iterable[Comment]:
        """Return the comments, oldest first."""

    def create(self, body: str) -> None:
        """Write a new one."""

    def update(self, id_: int, body: str) -> None:
        """Replace the body of one."""


def marker(kind: Kind, name: str, key: str = "") -> str:
    """Return the hidden first line of a project's comment; `key` tells receipts apart. Raises SettingsError."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            "a project's name in a comment may hold letters, digits, `.`, `_`, `/` and `-`, 100 at most",
            hint="Give one with --name.",
        )
    return f"<!-- extruct-reconciler {kind.value} {name}{f' {key}' if key else ''} -->"


def post(comments: Comments, first_line: str, text: str) -> Posted:
    """Write the comment that begins with the marker `first_line`, or update it where there is one.

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
    """Return a comment from JSON; `login` names where its author stands, `id_key` what identifies the author."""
    try:
        author = item[login]
        identity = "" if author is None else str(author[id_key])  # whoever deleted the account
        return Comment(int(item["id"]), identity, str(item["body"] or ""))
    except (KeyError, TypeError, ValueError):
        raise BadResponse(f"GET {where}: a comment answered in a shape we do not know") from None
