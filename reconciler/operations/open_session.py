"""The start of a session: settings from arguments, environment and project file."""

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal

from reconciler.operations.session import Named, Session
from reconciler.settings.settings import Flags, load_settings


def open_session(
    project: Named | None = None,
    *,
    token: str | None = None,
    ledger: Named | None = None,
    api_url: str | None = None,
    max_credits: Decimal | float | None = None,
    max_cells: int | None = None,
    notify_hosts: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Session:
    """Read a project's settings and return a session on it, a context manager.

    Each argument replaces a variable, which is read only if the argument is left out: `project` (a project file or its
    folder) `RECONCILER_PROJECT`, or else the nearest project file from the working directory up; `token`
    `EXTRUCT_API_TOKEN`; `ledger` (a path or `postgresql://…`; a relative path starts at the project's folder)
    `RECONCILER_LEDGER`; `api_url` `EXTRUCT_API_URL`; `max_credits` and `max_cells` (of one apply)
    `RECONCILER_MAX_CREDITS` and `RECONCILER_MAX_CELLS`; `notify_hosts`, each `host[:port]`, `RECONCILER_NOTIFY_HOSTS`.
    `environment` stands in for `os.environ`, for all of these and for what a CI says about itself.

    Raises SettingsError for an invalid setting, and ManifestError for an invalid project file. Sends nothing to the API
    and opens no ledger before the first method that needs it; a missing token is an error there.
    """
    variables = dict(os.environ if environment is None else environment)
    if token is not None:
        variables["EXTRUCT_API_TOKEN"] = token
    flags = Flags(
        project=None if project is None else os.fspath(project),
        api_url=api_url,
        ledger=None if ledger is None else os.fspath(ledger),
        max_credits=None if max_credits is None else str(max_credits),
        max_cells=None if max_cells is None else str(max_cells),
        notify_hosts=None if notify_hosts is None else ",".join(notify_hosts),
    )
    return Session(load_settings(flags, variables), variables)
