"""Comments of a GitHub pull request."""

import re
from collections.abc import Iterator

from reconciler.errors import Refused, SettingsError
from reconciler.forge.comments import Comment, comment_of, pages
from reconciler.forge.http import ForgeClient

ACTIONS = "github-actions[bot]"
"""The author of comments written with a job's own token; such a token may not ask for its user."""

_REPOSITORY = re.compile(r"(?!\.)[A-Za-z0-9._-]+/(?!\.)[A-Za-z0-9._-]+")


def repository_path(repository: str) -> str:
    """Return the API's path of `owner/name`. Raises SettingsError for anything else."""
    if not _REPOSITORY.fullmatch(repository):
        raise SettingsError("the repository must be written as owner/name", hint="Set it with --repository.")
    return f"/repos/{repository}"


class GitHub:
    """`Comments` over GitHub's REST API."""

    def __init__(self, client: ForgeClient, repository: str, number: int) -> None:
        """Take `owner/name` and the pull request's number. Raises SettingsError."""
        self._client = client
        self._repository = repository_path(repository)
        self._list = f"{self._repository}/issues/{number}/comments"

    def mine(self) -> str:
        """Return the login of the token's user."""
        try:
            user = self._client.get("/user").content
        except Refused:
            return ACTIONS
        return str(user.get("login", ACTIONS)) if isinstance(user, dict) else ACTIONS

    def read(self) -> Iterator[Comment]:
        """Yield the comments."""
        for item in pages(self._client, self._list):
            yield comment_of(item, self._list, "user", "login")

    def create(self, body: str) -> None:
        """Write a new comment."""
        self._client.write("POST", self._list, {"body": body})

    def update(self, id_: int, body: str) -> None:
        """Replace the body of a comment."""
        self._client.write("PATCH", f"{self._repository}/issues/comments/{id_}", {"body": body})
