"""Whether the ledger is there, can be read and written, and agrees about the time."""

import os
from collections.abc import Iterator

from reconciler.errors import ReconcilerError
from reconciler.ledger import Ledger, open_ledger
from reconciler.ledger.location import parse, trusted_by
from reconciler.model.checkup import Check, Finding, Route
from reconciler.operations.connection import NO_LEDGER_IN_CI_HINT
from reconciler.operations.doctor_api import Clocks
from reconciler.settings.settings import Settings, ledger_address
from reconciler.text.addresses import is_server
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

BUSY_SECONDS = 2.0
"""How long a lock of another process is waited for."""
ANSWER_SECONDS = 15.0


def check_ledger(settings: Settings, *, is_ci: bool, clocks: Clocks) -> Iterator[Check]:
    """Look at the ledger; nothing is written, and none is created. Raises SettingsError, LedgerError."""
    address = ledger_address(settings)
    with open_ledger(
        address,
        by_project=settings.named_ledger is None,
        busy_seconds=BUSY_SECONDS,
        answer_seconds=ANSWER_SECONDS,
        connections=settings.project.most_ledger_connections,
    ) as ledger:
        shown = f"{one_line(ledger.location, 500)} ({settings.ledger_origin})"
        if ledger.is_there():
            yield from _check_health(ledger, shown, clocks, is_shared=is_server(address))
            if is_ci and not is_server(address):
                message = (
                    "it is a file, and a CI job's disk is thrown away with what was bought, unless the job keeps it"
                )
                yield Check("ledger", Finding.NOTE, message, "Share one: RECONCILER_LEDGER=postgresql://…")
        else:
            yield _missing(address, shown, is_ci=is_ci)


def ledger_shown(settings: Settings) -> str:
    """Return the ledger's location without anything secret; words if the setting is not understood."""
    try:
        return parse(ledger_address(settings)).shown
    except ReconcilerError:
        return "not understood"


def ledger_route(settings: Settings) -> Iterator[Route]:
    """Yield the way to the ledger's server, if it is on one."""
    try:
        place = parse(ledger_address(settings))
    except ReconcilerError:
        return
    if place.url is not None:
        host = place.url.host or "this machine's socket"
        port = f":{place.url.port}" if place.url.port else ""
        yield Route(one_line(f"{host}{port}"), "", one_line(trusted_by(place)))


def _missing(address: str, shown: str, *, is_ci: bool) -> Check:
    if is_ci:
        message = f"there is none at {shown}, and in CI a command creates none: it would not know what was bought"
        return Check("ledger", Finding.WRONG, message, NO_LEDGER_IN_CI_HINT)
    path = parse(address).path
    assert path is not None
    folder = next(each for each in path.parents if each.exists())
    if not os.access(folder, os.W_OK):
        message = f"there is none at {shown}, and none can be created: {one_line(str(folder), 500)} is not writable"
        return Check("ledger", Finding.WRONG, message, "Make the folder writable, or name another place with --ledger.")
    return Check("ledger", Finding.NOTE, f"there is none at {shown} yet: the first apply creates it")


def _check_health(ledger: Ledger, shown: str, clocks: Clocks, *, is_shared: bool) -> Iterator[Check]:
    health = ledger.health()
    if is_shared:
        clocks.ahead["the ledger's"] = health.now - clocks.now()
    if health.write_error is not None:
        yield Check.of_error("ledger", health.write_error)
    elif not health.may_write:
        message = f"{shown} can be read and not written by this role: enough to plan, not to apply"
        yield Check("ledger", Finding.NOTE, message)
    else:
        yield Check("ledger", Finding.OK, shown)
    if health.in_doubt:
        message = f"{counted(health.in_doubt, 'call')} in doubt or under way"
        yield Check("ledger", Finding.NOTE, message, "`reconciler ledger list --state in_doubt` shows them.")
    if health.held_tables:
        message = f"an apply holds {counted(health.held_tables, 'table')}"
        yield Check("ledger", Finding.NOTE, message, "`reconciler ledger leases` says which one.")
