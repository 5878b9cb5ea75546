"""The sticky comment: found by a hidden marker in its first line, and only among comments by the token's own user.

Anyone who may comment can write the marker. A comment by another user is never updated, marker or not: its author
could change our numbers afterwards. A token that may not ask who it is learns that from the comment that it creates.
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

OUTDATED = "*Outdated: the plan of this commit has grown since; the newer one stands below.*"

_SIZE = re.compile(r"<!-- commit ([0-9a-f]{1,64}) cells ([0-9]{1,15}) -->")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,98}[A-Za-z0-9])?")


class Kind(StrEnum):
    """The subject of a comment."""

    PLAN = "plan"
    REPORT = "report"
    DRIFT = "drift"


class Posted(StrEnum):
    """The effect of posting a comment."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as the forge returns it."""

    id: int
    author: str
    """The forge's own identifier; compared, never shown."""
    body: str


class Comments(Protocol):
    """The comments of one pull or merge request, or the issues of a repository by their first texts."""

    workflows: str
    """The author of what the repository's own jobs write, and of nothing else; empty if there is none."""

    def mine(self) -> str | None:
        """Return the author of comments that this token writes; None if it may not ask."""

    def read(self) -> Iterable[Comment]:
        """Return the comments, oldest first."""

    def create(self, body: str) -> Comment:
        """Write a new comment; return it."""

    def update(self, id_: int, body: str) -> None:
        """Replace the body of a comment."""

    def remove(self, id_: int) -> None:
        """Take a comment away."""


def marker(kind: Kind, name: str, key: str = "") -> str:
    """Return the hidden first line of a project's comment; `key` tells receipts apart. Raises SettingsError."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            "a project's name in a comment has at most 100 characters: letters, digits, `.`, `_`, `/` and `-`",
            hint="Set one with --name.",
        )
    return f"<!-- extruct-reconciler {kind.value} {name}{f' {key}' if key else ''} -->"


def post(comments: Comments, first_line: str, text: str, *, may_create: bool = True) -> Posted:
    """Update the comment that begins with the marker `first_line`, or write it if there is none and it `may_create`.

    A comment whose text says on its second line that it is smaller than this one of the same commit is not edited, as
    its readers would not hear of it: it is marked as outdated, and a new one follows. Of several, as two jobs leave
    that begin at once, the newest one stays. Raises Refused, BadResponse.
    """
    body = f"{first_line}\n{text}"
    own, created = _own(comments, first_line, body)
    if not own:
        if created is None and may_create:
            comments.create(body)
        elif created is not None and not may_create:
            comments.remove(created.id)
        return Posted.CREATED if may_create else Posted.UNCHANGED
    *older, newest = own
    for each in older:
        _remove_if_allowed(comments, each)
    posted = _replace(comments, newest, body, may_create=created is None)
    if created is not None and posted is not Posted.CREATED:
        comments.remove(created.id)
    return posted


def withdraw(comments: Comments, first_line: str) -> Posted:
    """Take away what begins with the marker `first_line`. Raises Refused, BadResponse."""
    own, created = _own(comments, first_line, f"{first_line}\n{OUTDATED}")
    for each in own if created is None else [*own, created]:
        comments.remove(each.id)
    return Posted.REMOVED if own else Posted.UNCHANGED


def _own(comments: Comments, first_line: str, body: str) -> tuple[list[Comment], Comment | None]:
    """Return this token's comments with a marker, and the new one that had to be written to learn whose they are."""
    marked = [each for each in comments.read() if each.body.split("\n", 1)[0].rstrip("\r") == first_line]
    if not marked:
        return [], None
    author, created = comments.mine(), None
    if author is None:
        of_workflows = [each for each in marked if each.author == comments.workflows]
        if of_workflows:
            return of_workflows, None
        created = comments.create(body)
        author = created.author
    return [each for each in marked if each.author == author], created


def size_line(commit: str, cells: int) -> str:
    """Return the hidden second line of a plan's comment: what it was made for, and how much it is."""
    return f"<!-- commit {commit} cells {cells} -->"


def _replace(comments: Comments, old: Comment, body: str, *, may_create: bool) -> Posted:
    """Put a body in a comment's place; `may_create` is False if the body stands in a new comment already."""
    before = old.body.replace("\r\n", "\n")
    if before == body:
        return Posted.UNCHANGED
    has_grown = _has_grown(before, body)
    try:
        comments.update(old.id, OUTDATED if has_grown else body)
    except Refused as error:
        if error.status not in (403, 404):
            raise
        has_grown = True
    if has_grown and may_create:
        comments.create(body)
    return Posted.CREATED if has_grown else Posted.UPDATED


def _remove_if_allowed(comments: Comments, old: Comment) -> None:
    try:
        comments.remove(old.id)
    except Refused as error:
        if error.status not in (403, 404):
            raise


def _has_grown(before: str, after: str) -> bool:
    """Tell whether a plan of the same commit has more cells than the one that its readers saw."""
    old, new = (_SIZE.fullmatch([*text.split("\n", 2), ""][1]) for text in (before, after))
    return old is not None and new is not None and old[1] == new[1] and int(old[2]) < int(new[2])


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


def comment_of(item: Any, where: str, login: str, id_key: str, *, key: str = "id") -> Comment:
    """Return a comment from JSON; `login` is the key of its author, `id_key` the author's key that identifies them.

    `key` is its own. Raises BadResponse.
    """
    try:
        author = item[login]
        identity = "" if author is None else str(author[id_key])  # null if the account was deleted
        return Comment(int(item[key]), identity, str(item["body"] or ""))
    except (KeyError, TypeError, ValueError):
        raise BadResponse(f"{where}: the answer has a comment in an unknown shape") from None
