"""Notes of a GitLab merge request."""

from collections.abc import Iterator

from reconciler.errors import BadResponse, SettingsError
from reconciler.forge.comments import Comment, comment_of, pages
from reconciler.forge.http import ForgeClient


class GitLab:
    """`Comments` over GitLab's REST API."""

    workflows = ""

    def __init__(self, client: ForgeClient, project: str, number: int) -> None:
        """Take the project's number and the merge request's number in it. Raises SettingsError."""
        if not (project.isascii() and project.isdigit()):
            raise SettingsError(
                "the project must be its number", hint="Set it with --repository; CI has CI_PROJECT_ID."
            )
        self._client = client
        self._list = f"/projects/{project}/merge_requests/{number}/notes"

    def mine(self) -> str:
        """Return the number of the token's user."""
        user = self._client.get("/user").content
        if not isinstance(user, dict) or "id" not in user:
            raise BadResponse("GET /user: the answer has an unknown shape")
        return str(user["id"])

    def read(self) -> Iterator[Comment]:
        """Yield the notes."""
        for item in pages(self._client, self._list):
            yield comment_of(item, f"GET {self._list}", "author", "id")

    def create(self, body: str) -> Comment:
        """Write a new note."""
        created = self._client.write("POST", self._list, {"body": body}).content
        return comment_of(created, f"POST {self._list}", "author", "id")

    def update(self, id_: int, body: str) -> None:
        """Replace the body of a note."""
        self._client.write("PUT", f"{self._list}/{id_}", {"body": body})

    def remove(self, id_: int) -> None:
        """Delete a note."""
        self._client.write("DELETE", f"{self._list}/{id_}")
