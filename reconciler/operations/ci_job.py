"""The CI job that runs here, as far as its forge is concerned: what its environment says, and whom to trust."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.client import ApiOptions, Token
from reconciler.errors import SettingsError
from reconciler.settings.network import network_of
from reconciler.text.codes import Code

GITHUB_API = "https://api.github.com"
GITLAB_API = "https://gitlab.com/api/v4"


@dataclass(frozen=True, slots=True)
class CiJob:
    """A job; on a person's machine, whatever they set to do the same by hand."""

    environment: Mapping[str, str]
    ca_bundle: str | None = None
    """The file with the certificates to trust, if a flag names one."""

    def named(self, variable: str, default: str = "") -> str:
        """Return a variable's value; `default` if it is empty or not set."""
        return self.environment.get(variable) or default

    def options(self, url: str, variable: str) -> ApiOptions:
        """Return how to reach a forge with the token in `variable`. Raises SettingsError if it is not set."""
        token = self.named(variable).strip()
        if not token:
            raise SettingsError(f"there is no token for {url}; {variable} is not set", code=Code.NO_TOKEN)
        return ApiOptions(base_url=url, token=Token(token), network=network_of(self.environment, self.ca_bundle))
