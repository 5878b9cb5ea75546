"""The request as it is sent: what a GET asks for, and the headers of all."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from reconciler.client.http.options import ApiOptions
from reconciler.errors import Refused
from reconciler.version import __version__

USER_AGENT = f"extruct-reconciler/{__version__}"
Query: TypeAlias = Mapping[str, int | str | Sequence[str]]
"""Query parameters; one with several values is repeated."""


class Request(Protocol):
    """One GET, with the decoder of its body."""

    @property
    def path(self) -> str:
        """The path below the base URL."""

    @property
    def query(self) -> Query:
        """The query parameters."""

    @property
    def is_large(self) -> bool:
        """True if the answer may need a large buffer."""

    def decode(self, body: memoryview) -> Any:
        """Reduce the body, in a worker. Raises BadResponse."""


def headers(options: ApiOptions) -> dict[str, str]:
    """Return the headers of every request; the only place where the token's text is used."""
    authorization = {"Authorization": f"Bearer {options.token.reveal()}"} if options.token.is_there else {}
    return {**authorization, "Accept": "application/json", "User-Agent": USER_AGENT}


def leads_away() -> Refused:
    """Return the error for a path that is not the API's."""
    return Refused("the path leads away from the API, so nothing was sent", hint="Report this as a bug.")
