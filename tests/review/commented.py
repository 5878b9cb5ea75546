"""The comments on change 7, in one form for both forges: the tests of comments are the same for either."""

from dataclasses import dataclass
from typing import Any

from tests.gitops.github_api import JOB, GitHub
from tests.gitops.gitlab_api import BOT, GitLab

MINE = JOB


@dataclass(frozen=True)
class Commented:
    """A forge with a change to comment on."""

    forge: GitHub | GitLab

    @property
    def name(self) -> str:
        """Its name in commands."""
        return type(self.forge).__name__.lower()

    @property
    def url(self) -> str:
        """The API's."""
        return self.forge.url

    @property
    def comments(self) -> list[dict[str, Any]]:
        """The comments, oldest first."""
        return self.forge.notes if isinstance(self.forge, GitLab) else self.forge.comments.setdefault(7, [])

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path of each request, in order."""
        return [(method, path) for method, _, path in (each.partition(" ") for each in self.forge.requests)]

    def methods(self) -> list[str]:
        """Return the methods of what was asked, but for who the token is."""
        return [method for method, path in self.requests if not path.endswith("/user")]

    def add(self, body: str, author: str = MINE) -> int:
        """Add a comment; return its id."""
        if isinstance(self.forge, GitHub):
            return int(self.forge.comment(7, body, author)["id"])
        return int(self.forge.note(7, body, BOT if author == MINE else 5)["id"])
