"""Comments of a GitHub pull request, and issues of a repository."""

import re
from collections.abc import Iterator

from reconciler.errors import Refused, SettingsError
from reconciler.forge.comments import Comment, comment_of, pages
from reconciler.forge.http import ForgeClient

ACTIONS = "github-actions[bot]"
"""The author of what a job's own token writes. Nothing but the repository's workflows writes as that."""

_REPOSITORY = re.compile(r"(?!\.)[A-Za-z0-9._-]+/(?!\.)[A-Za-z0-9._-]+")


def repository_path(repository: str) -> str:
    """Return the API's path of `owner/name`. Raises SettingsError for anything else."""
    if not _REPOSITORY.fullmatch(repository):
        raise SettingsError("the repository must be written as owner/name", hint="Set it with --repository.")
    return f"/repos/{repository}"


class _Author:
    """Tells who a token writes as."""

    workflows = ACTIONS

    def __init__(self, client: ForgeClient, repository: str) -> None:
        """Take `owner/name`. Raises SettingsError."""
        self._client = client
        self._repository = repository_path(repository)

    def mine(self) -> str | None:
        """Return the login of the token's user; None for a job's own token and an app's, which may not ask."""
        try:
            user = self._client.get("/user").content
        except Refused:
            return None
        return str(user["login"]) if isinstance(user, dict) and "login" in user else None


class GitHub(_Author):
    """`Comments` of a pull request over GitHub's REST API."""

    def __init__(self, client: ForgeClient, repository: str, number: int) -> None:
        """Take `owner/name` and the pull request's number. Raises SettingsError."""
        super().__init__(client, repository)
        self._list = f"{self._repository}/issues/{number}/comments"

    def read(self) -> Iterator[Comment]:
        """Yield the comments."""
        for item in pages(self._client, self._list):
            yield comment_of(item, f"GET {self._list}", "user", "login")

    def create(self, body: str) -> Comment:
        """Write a new comment."""
        created = self._client.write("POST", self._list, {"body": body}).content
        return comment_of(created, f"POST {self._list}", "user", "login")

    def update(self, id_: int, body: str) -> None:
        """Replace the body of a comment."""
        self._client.write("PATCH", self._one(id_), {"body": body})

    def remove(self, id_: int) -> None:
        """Delete a comment."""
        self._client.write("DELETE", self._one(id_))

    def _one(self, id_: int) -> str:
        return f"{self._repository}/issues/comments/{id_}"


class GitHubIssues(_Author):
    """`Comments` whose comments are the open issues of a repository; one that is taken away is closed."""

    def __init__(self, client: ForgeClient, repository: str, title: str) -> None:
        """Take `owner/name` and the title of a new issue. Raises SettingsError."""
        super().__init__(client, repository)
        self._list = f"{self._repository}/issues"
        self._title = title

    def read(self) -> Iterator[Comment]:
        """Yield the open issues."""
        query = {"state": "open", "sort": "created", "direction": "asc"}
        for item in pages(self._client, self._list, query=query):
            if isinstance(item, dict) and "pull_request" not in item:
                yield comment_of(item, f"GET {self._list}", "user", "login", key="number")

    def create(self, body: str) -> Comment:
        """Open an issue."""
        created = self._client.write("POST", self._list, {"title": self._title, "body": body}).content
        return comment_of(created, f"POST {self._list}", "user", "login", key="number")

    def update(self, id_: int, body: str) -> None:
        """Replace the text of an issue."""
        self._client.write("PATCH", f"{self._list}/{id_}", {"title": self._title, "body": body})

    def remove(self, id_: int) -> None:
        """Close an issue."""
        self._client.write("PATCH", f"{self._list}/{id_}", {"state": "closed", "state_reason": "completed"})
