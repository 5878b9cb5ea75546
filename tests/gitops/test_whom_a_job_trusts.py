"""Every command that asks a forge trusts whom the flag names, as every command that asks the API does."""

import pytest
from click.testing import CliRunner

from reconciler.cli import group as cli
from tests.client.proxies import CERTIFICATE, server_context
from tests.client.wire_server import WireServer

COMMANDS = (
    "comment github --number 7 --no-plan 1",
    "comment github --issue --no-plan 1",
    "comment gitlab --number 7 --no-plan 1",
    "approved-plan github --out-dir plans",
    "approved-plan github --snapshot live.snapshot",
    "approved-plan gitlab --out-dir plans",
    "approved-plan gitlab --snapshot live.snapshot",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_forge_with_its_own_authority(command: str) -> None:
    """Is asked with `--ca-bundle`; without it, the error says what to set."""
    with WireServer(lambda of: of.answer(418), tls=server_context()) as forge:
        job = {
            "GITHUB_API_URL": forge.url,
            "GITHUB_REPOSITORY": "acme/data",
            "GITHUB_SHA": "a" * 40,
            "GITHUB_TOKEN": "t",
            "CI_API_V4_URL": forge.url,
            "CI_COMMIT_SHA": "a" * 40,
            "CI_DEFAULT_BRANCH": "main",
            "CI_PROJECT_ID": "42",
            "GITLAB_TOKEN": "t",
        }
        refused = CliRunner().invoke(cli.group, command.split(), env={**job, "SSL_CERT_FILE": None})
        assert "SSL_CERT_FILE or --ca-bundle" in refused.stderr
        assert forge.requests == []
        asked = CliRunner().invoke(cli.group, ["--ca-bundle", str(CERTIFICATE), *command.split()], env=job)
        assert "418" in asked.stderr
        assert forge.requests
