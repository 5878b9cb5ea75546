"""Settings → what talks to the API and the ledger, for the command line and for a session alike.

The token goes from the environment into the client and nowhere else. Says nothing: what a person should know is handed
to `tell`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from reconciler.client import ApiOptions, Token
from reconciler.errors import SettingsError
from reconciler.ledger import Ledger, open_ledger
from reconciler.model.origin import Origin
from reconciler.settings.provenance import git_state, is_ci
from reconciler.settings.settings import Settings, check_recipient, ledger_address, read_token
from reconciler.text.sanitize import one_line
from reconciler.version import __version__


def api_options(settings: Settings, environment: Mapping[str, str]) -> ApiOptions:
    """Put the API's settings and the token together. Raises SettingsError."""
    check_recipient(settings)
    api = settings.project.api
    return ApiOptions(
        base_url=settings.api_url,
        token=Token(read_token(environment)),
        concurrency=api.concurrency,
        timeout_seconds=api.timeout_seconds,
        page_rows=api.page_rows,
        call_seconds=api.spend.call_seconds,
    )


def reading_ledger(settings: Settings, interrupted: Callable[[], bool] = lambda: False) -> Ledger:
    """Open the ledger for a command that writes nothing, or makes one on purpose. Raises SettingsError.

    Once `interrupted` says True, the store is waited for no longer than a moment.
    """
    return open_ledger(ledger_address(settings), by_project=settings.named_ledger is None, interrupted=interrupted)


def writing_ledger(
    settings: Settings,
    environment: Mapping[str, str],
    tell: Callable[[str], None],
    interrupted: Callable[[], bool] = lambda: False,
) -> Ledger:
    """Open the ledger for a command that may write, as `allow_new` allows it. Raises SettingsError."""
    ledger = reading_ledger(settings, interrupted)
    try:
        allow_new(ledger, environment, tell)
    except BaseException:
        ledger.close()
        raise
    return ledger


def allow_new(ledger: Ledger, environment: Mapping[str, str], tell: Callable[[str], None]) -> None:
    """Refuse to make a ledger in CI, and tell a person that one is made. Raises SettingsError.

    A CI's disk is thrown away: a ledger made there knows nothing, is kept by nobody, and everything is bought again.
    """
    if ledger.is_there():
        return
    if is_ci(environment):
        raise SettingsError(
            f"there is no ledger at {one_line(ledger.location)}, and in CI a command makes none: a new one would not "
            "know what was bought before, and all of it would be bought again",
            hint="Share one between all jobs: RECONCILER_LEDGER=postgresql://… "
            "If this file is kept and really is to begin empty, run `reconciler ledger init` once.",
        )
    tell(f"There is no ledger at {one_line(ledger.location)} yet: it is created with its first record.")


def origin(settings: Settings, tell: Callable[[str], None] = lambda _: None) -> Origin:
    """Say where and when a plan is made; `tell` is told why the commit is not known, if git refuses to say."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Origin(now, __version__, settings.api_url, git_state(settings.root, tell))
