"""Errors of a store, from the exceptions of its libraries, which end here."""

import sqlite3
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from reconciler.errors import Corrupt, LedgerError, Unwritable
from reconciler.ledger.location import Location
from reconciler.text.codes import Code

FROM_BACKUP = (
    "Bring it back from a backup, then run `reconciler ledger adopt --as REVISION` before the next apply: the backup "
    "does not know what was bought since."
)
"""For a ledger that is lost. Never a backup alone: an older ledger buys again what it forgot."""

_LOCK_NOT_AVAILABLE = "55P03"
_SQLITE_WRITING = {
    sqlite3.SQLITE_BUSY: (
        "another process has kept it locked",
        "Wait for the other process, or end it; then try again.",
    ),
    sqlite3.SQLITE_LOCKED: (
        "another process has kept it locked",
        "Wait for the other process, or end it; then try again.",
    ),
    sqlite3.SQLITE_READONLY: ("it is read-only", "Make the file and its folder writable."),
    sqlite3.SQLITE_PERM: ("it is not allowed", "Make the file and its folder writable."),
    sqlite3.SQLITE_FULL: ("the disk is full", "Make room on its disk."),
    sqlite3.SQLITE_IOERR: ("the disk reported an error", "Look at the disk: full, over quota, or failing."),
    sqlite3.SQLITE_CANTOPEN: ("the file cannot be opened", "Check that its folder exists and is writable."),
}


def silent(location: Location, seconds: float, *, writing: bool) -> LedgerError:
    """Return the error for a store that has not answered."""
    if location.path is None:
        hint = "Look at the server, and at what stands between: a pooling proxy, a firewall, a name server."
    else:
        hint = "Look at its disk, and for another process that keeps the file locked."
    verb, kind = ("written", Unwritable) if writing else ("read", LedgerError)
    return kind(f"the ledger {location.shown} cannot be {verb}: it gave no answer within {seconds:.0f} s", hint=hint)


def translate(
    error: SQLAlchemyError | sqlite3.Error,
    location: Location,
    *,
    writing: bool,
    holder: Callable[[], tuple[str, int]],
) -> LedgerError:
    """Return the reconciler's own error for a library's; the text holds no password and no bound value.

    `holder` says which session of the server holds a lock: in words, and its process id.
    """
    original = (error.orig if isinstance(error, DBAPIError) else None) or error
    if isinstance(original, sqlite3.Error):
        return _sqlite(original, location, writing=writing)
    state = getattr(original, "sqlstate", None)
    text = _first_line(location.redact(str(original)))
    if state == _LOCK_NOT_AVAILABLE:
        who, process = holder()
        text = f"another session keeps it locked ({text})" + (f", {who}" if who else "")
        end = f", or end it: SELECT pg_terminate_backend({process})" if process else ""
        hint = f"Wait until that session is done{end}; then try again."
        return _unusable(text, location, hint, writing=writing)
    return _postgres(state, text, location, writing=writing)


def _sqlite(error: sqlite3.Error, location: Location, *, writing: bool) -> LedgerError:
    # An error without a code was raised by Python's module itself; 1 is SQLite's "generic error".
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return Corrupt(
            f"{location.shown} is not a ledger or is damaged: {error}",
            hint=f"Name the right file with --ledger if this is another one. {FROM_BACKUP}",
        )
    if writing or code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        why, hint = _SQLITE_WRITING.get(code, (str(error), "Nothing is sent that cannot be recorded first."))
        return Unwritable(f"the ledger {location.shown} cannot be written: {why}", hint=hint)
    hint = "Let this user read the file and write in its folder, or read as the user who applies."
    if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        hint = "Look at the file and its disk."
    return LedgerError(f"the ledger {location.shown} cannot be read: {error}", hint=hint, code=Code.UNREADABLE_LEDGER)


def _postgres(state: str | None, text: str, location: Location, *, writing: bool) -> LedgerError:
    if state is None and "certificate" in text:
        hint = "Name the file of its certificate authority in the ledger's URL: ?sslmode=verify-full&sslrootcert=FILE."
    elif state is None:
        # No answer from a server has a state: it could not be reached, did not let us in, or went away.
        hint = "Check that the server can be reached, and user, password and database in the ledger's URL."
    elif state == "42501":
        hint = "Grant the role the rights it lacks."
    elif state.startswith("XX"):
        return Corrupt(f"the ledger {location.shown} is damaged: {text}", hint="Look at the server's log.")
    else:
        hint = "Look at the server's log."
    return _unusable(text, location, hint, writing=writing)


def _unusable(text: str, location: Location, hint: str, *, writing: bool) -> LedgerError:
    if writing:
        return Unwritable(f"the ledger {location.shown} cannot be written: {text}", hint=hint)
    return LedgerError(f"the ledger {location.shown} cannot be read: {text}", hint=hint, code=Code.UNREADABLE_LEDGER)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
