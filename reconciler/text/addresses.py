"""Addresses as people write them: paths, known URLs and loopback hosts, told apart without guessing."""

import re
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

STREAM = "-"
"""Standard input or output, where a person names a file."""
LEDGER_HINT = "Give a path such as ./ledger.db, sqlite:///path/to/ledger.db or postgresql://user@host/database."

PROJECT_LIBPQ = frozenset(
    {
        *("application_name", "channel_binding", "connect_timeout", "gssencmode", "keepalives", "keepalives_count"),
        *("keepalives_idle", "keepalives_interval", "load_balance_hosts", "require_auth", "ssl_max_protocol_version"),
        *("ssl_min_protocol_version", "sslmode", "sslnegotiation", "sslrootcert", "target_session_attrs"),
        "tcp_user_timeout",
    }
)
"""libpq settings that a project file may put into a ledger's URL: none names another server, file or secret."""
LIBPQ = PROJECT_LIBPQ | {
    *("client_encoding", "dbname", "fallback_application_name", "gssdelegation", "gsslib", "host", "hostaddr"),
    *("krbsrvname", "options", "passfile", "password", "port", "requirepeer", "scram_client_key", "scram_server_key"),
    *("service", "servicefile", "sslcert", "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey"),
    *("sslkeylogfile", "sslpassword", "sslsni", "user"),
}
"""libpq settings for a ledger that flag or environment name: any other word there may be part of a password."""

_SERVER = re.compile(r"postgres(ql|ql\+psycopg)?://", re.IGNORECASE)
_FILE = re.compile(r"sqlite:///", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SEPARATOR = re.compile(r"[\\/]")
_ENDINGS = (".db", ".sqlite", ".sqlite3")
_NOTHING = frozenset({"none", "null", "undefined"})
_QUOTES = frozenset("\"'`“”„‟‘’‚‛«»‹›")
# An unexpanded variable, a connection string, or a URL that lost its scheme and may hold a password.
_NOT_IN_PATHS = frozenset("=$%{}<>|*?;:^#")

_TABLE = re.compile(
    r"(?:https://app\.extruct\.ai/tables/)?"
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:/?(?:[?#]\S*)?)",
    re.IGNORECASE,
)


def table_id(text: str) -> str | None:
    """Return the id in a table id or dashboard URL; None if it is neither."""
    match = _TABLE.fullmatch(text)
    return match[1].lower() if match else None


def ledger_fault(text: str, *, is_windows: bool = False) -> str:
    """Return why a ledger setting is neither a known URL nor clearly a path; empty if it is valid. Never quotes it.

    A path must contain a separator or end in `.db`, `.sqlite` or `.sqlite3`. Any other word could be a password or an
    empty template variable, and would become the name of a new ledger.
    """
    if not text:
        return "it is empty"
    if text != text.strip():
        return "it begins or ends with whitespace"
    if not text.isprintable():
        return "it contains an invisible character, such as a line break, a byte-order mark or NUL"
    if _QUOTES & set(text):
        return "it contains a quotation mark"
    if _SERVER.match(text):
        return ""
    return _path_fault(ledger_path(text), is_windows=is_windows)


def _path_fault(path: str, *, is_windows: bool) -> str:
    if "://" in path:
        return "it is a URL of a kind that cannot hold a ledger"
    if not is_windows and ("\\" in path or _DRIVE.match(path)):
        return "it is a Windows path, and this is not Windows"
    found = sorted(_NOT_IN_PATHS & set(_DRIVE.sub("", path, count=1) if _DRIVE.match(path) else path))
    if found:
        return f"it is not a known URL, and contains `{found[0]}`, which a path may not"
    if path.startswith("-"):
        return "it begins with `-`, like an option"
    if path.endswith(("/", "\\")) or not path:
        return "it names a folder, not a file"
    steps = _SEPARATOR.split(path)
    if not _NOTHING.isdisjoint(step.lower() for step in steps):
        return "part of it is `none`, `null` or `undefined`, as templates write for a value that is not set"
    if len(steps) == 1 and not path.lower().endswith(_ENDINGS):
        return f"it has no folder and does not end in {', '.join(_ENDINGS)}, so it may not be a path"
    return ""


def ledger_path(text: str) -> str:
    """Return a ledger setting without its `sqlite:///` prefix, if it has one."""
    return _FILE.sub("", text, count=1) if _FILE.match(text) else text


def is_server(text: str) -> bool:
    """Return whether a ledger setting is the URL of a PostgreSQL server."""
    return _SERVER.match(text) is not None


def leads_elsewhere(text: str) -> bool:
    """Return whether a ledger's URL has a libpq setting that a project file may not set: a host, a file, a secret."""
    if not is_server(text):
        return False
    try:
        query = urlsplit(text).query
    except ValueError:
        return True
    return not {key for key, _ in parse_qsl(query, keep_blank_values=True)} <= PROJECT_LIBPQ


def is_loopback(url: str) -> bool:
    """Return whether a request to a URL stays on this machine."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return host is not None and is_loopback_host(host)


def is_loopback_host(host: str) -> bool:
    """Return whether a host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
