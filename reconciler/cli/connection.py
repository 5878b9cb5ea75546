"""Settings → what talks to the API; the token goes from the environment into the client and nowhere else."""

import os
from datetime import UTC, datetime

from reconciler import __version__
from reconciler.client import ApiOptions, Token
from reconciler.planfile import Origin
from reconciler.provenance import git_state
from reconciler.settings import Settings, read_token


def api_options(settings: Settings) -> ApiOptions:
    """Put the API's settings and the token together. Raises SettingsError."""
    api = settings.project.api
    return ApiOptions(
        base_url=settings.api_url,
        token=Token(read_token(os.environ)),
        concurrency=api.concurrency,
        timeout_seconds=api.timeout_seconds,
        page_rows=api.page_rows,
        call_seconds=api.spend.call_seconds,
    )


def origin(settings: Settings) -> Origin:
    """Say where and when a plan is made."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Origin(now, __version__, settings.api_url, git_state(settings.root))
