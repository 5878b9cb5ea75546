"""Where a ledger is: what a person wrote after `--ledger`, understood or refused without showing a password."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from reconciler.errors import SettingsError
from reconciler.ledger.file_place import file_at
from reconciler.text.addresses import LEDGER_HINT as HINT
from reconciler.text.addresses import LIBPQ, PROJECT_LIBPQ
from reconciler.text.codes import Code

CONNECTIONS = 6
"""Four run calls at once, the leases, and one for a question in between."""
_SECRETS = ("password", "sslpassword")
_HOST = re.compile(r"[\w.,:%-]*")
_NO_PASSFILE = {"passfile": f"{os.devnull}/none"}
"""A file that cannot be there: libpq would look into ~/.pgpass or PGPASSFILE."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class Location:
    """A ledger's place. Exactly one of `path` and `url` is set."""

    shown: str
    """For people. Of a server no more than host, port and database: a password may have been written anywhere else,
    also in the place of the user."""
    path: Path | None = None
    """The SQLite file, absolute."""
    url: URL | None = None
    """The PostgreSQL server."""
    connections: int = CONNECTIONS
    """To a server at most; threads wait for each other's."""

    def redact(self, text: str) -> str:
        """Return a driver's message without this location's secrets and without quotes of what is not shown."""
        if self.url is None:
            return text
        for secret in (self.url.password, *map(self.url.query.get, _SECRETS)):
            if isinstance(secret, str) and secret:
                text = text.replace(secret, "***")
        for hidden in (self.url.username, *self.url.query.values()):
            if isinstance(hidden, str) and hidden:
                text = text.replace(f'"{hidden}"', '"***"')
        return text


def trusted_by(location: Location) -> str:
    """Return how the server's certificate is checked, in libpq's words; empty for a file."""
    if location.url is None:
        return ""
    named = [f"{key}={location.url.query[key]}" for key in ("sslmode", "sslrootcert") if key in location.url.query]
    return ", ".join(named) or "sslmode=prefer, libpq's default: not checked"


def parse(text: str, *, by_project: bool = False) -> Location:
    """Understand `--ledger`. Raises SettingsError, whose message never holds more of a URL than its scheme.

    A server that is named `by_project` is told no password but the one in its URL: whoever may change a file of the
    project must not have this machine's passwords sent to a place of his own.
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _file(text)
    name = scheme.group(1).lower()
    if name == "sqlite":
        rest = text[len("sqlite://") :]
        if not rest.startswith("/"):
            raise SettingsError(
                "the ledger's SQLite URL has no path",
                hint="Write sqlite:///path/to/ledger.db.",
                code=Code.UNUSABLE_LEDGER,
            )
        return _file(rest[1:])
    if name in ("postgresql", "postgres", "postgresql+psycopg"):
        return _server(text, by_project=by_project)
    raise SettingsError(f"a ledger cannot be kept at {name}://", hint=HINT, code=Code.UNUSABLE_LEDGER)


def _file(text: str) -> Location:
    return Location(shown=text, path=file_at(text))


def _server(text: str, *, by_project: bool) -> Location:
    unreadable = SettingsError(
        "the ledger's PostgreSQL URL cannot be read",
        hint="Write postgresql://user:password@host:5432/database; escape special characters (@ is %40).",
        code=Code.UNUSABLE_LEDGER,
    )
    try:
        url = make_url(text).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        # The library's message may quote the part of the URL that it could not read, which may be the password.
        raise unreadable from None
    # A password with a bare @, #, [ or ? ends up in other parts of the URL, which are shown.
    elsewhere = f"{url.host}{url.database}{''.join(url.query)}"
    if set("@#") & set(elsewhere) or not _HOST.fullmatch(url.host or "") or ("?" in text and not url.query):
        raise unreadable
    if not url.query.keys() <= LIBPQ:
        raise SettingsError(
            "the ledger's PostgreSQL URL holds a setting that PostgreSQL's library does not have",
            hint="Look at what follows the `?`: sslmode, options and their like; a bare ? in a password is %3F.",
            code=Code.UNUSABLE_LEDGER,
        )
    shown = URL.create("postgresql", host=url.host, port=url.port, database=url.database)
    if by_project:
        if not url.query.keys() <= PROJECT_LIBPQ:
            raise SettingsError(
                "the ledger's URL in the project file holds a setting that may lead to another server or secret",
                hint="Name the ledger in RECONCILER_LEDGER or with --ledger instead.",
                code=Code.UNUSABLE_LEDGER,
            )
        url = url.update_query_dict(_NO_PASSFILE if url.password else {**_NO_PASSFILE, "password": ""})
    host = unquote(url.host or "")
    if host.startswith("/"):
        # The folder of the server's socket as libpq writes it, `%2Frun%2Fpostgresql`, which SQLAlchemy does not decode.
        url = url.set(host=host)
    return Location(shown=shown.render_as_string(), url=url)
