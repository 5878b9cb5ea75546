"""Settings → what talks to the API and the ledger.

The token goes from the environment into the client and nowhere else.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from reconciler.cli.console import Console
from reconciler.client import ApiOptions, Token
from reconciler.errors import SettingsError
from reconciler.ledger import Ledger, open_ledger
from reconciler.model.origin import Origin
from reconciler.settings.provenance import git_state, is_ci
from reconciler.settings.settings import Settings, check_recipient, ledger_address, read_token
from reconciler.text.sanitize import clean
from reconciler.version import __version__


def api_options(settings: Settings) -> ApiOptions:
    """Put the API's settings and the token together. Raises SettingsError."""
    check_recipient(settings)
    api = settings.project.api
    return ApiOptions(
        base_url=settings.api_url,
        token=Token(read_token(os.environ)),
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


def writing_ledger(settings: Settings, console: Console, interrupted: Callable[[], bool] = lambda: False) -> Ledger:
    """Open the ledger for a command that may write: where there is none yet, a CI is refused and a person is told.

    A CI's disk is thrown away: a ledger made there knows nothing, is kept by nobody, and everything is bought again.
    """
    ledger = reading_ledger(settings, interrupted)
    if ledger.is_there():
        return ledger
    if is_ci(os.environ):
        ledger.close()
        raise SettingsError(
            f"there is no ledger at {clean(ledger.location)}, and in CI a command makes none: a new one would not know "
            "what was bought before, and all of it would be bought again",
            hint="Share one between all jobs: RECONCILER_LEDGER=postgresql://… "
            "If this file is kept and really is to begin empty, run `reconciler ledger init` once.",
        )
    console.info(f"There is no ledger at {clean(ledger.location)} yet: it is created with its first record.")
    return ledger


def say_where(console: Console, settings: Settings) -> None:
    """Name project and ledger to a person, in the first line. Raises SettingsError."""
    if not console.is_terminal:
        return
    file = settings.project_file
    project = f"No project file in {Path.cwd()}" if file is None else f"Project {file.parent.resolve() / file.name}"
    with reading_ledger(settings) as ledger:
        missing = "" if ledger.is_there() else " (not there yet)"
        console.info(clean(f"{project} · ledger {ledger.location}{missing}", limit=2000))


def origin(settings: Settings) -> Origin:
    """Say where and when a plan is made."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Origin(now, __version__, settings.api_url, git_state(settings.root))


def files_of(settings: Settings) -> tuple[Path, ...]:
    """Return the files that no answer may be written over: the project file, and a ledger that is one."""
    files = [] if settings.project_file is None else [settings.project_file]
    with suppress(SettingsError):  # a command that needs no ledger does not mind a setting that is not understood
        ledger = Path(ledger_address(settings).removeprefix("sqlite:///"))
        files += [ledger, *(ledger.with_name(ledger.name + ending) for ending in ("-wal", "-shm"))]
    return tuple(files)
