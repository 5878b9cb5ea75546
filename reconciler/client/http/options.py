"""Where the API is and how hard to lean on it; the token, which shows itself to nobody."""

import math
import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from reconciler.errors import SettingsError
from reconciler.text.addresses import is_loopback_host

MOST_WORKERS = 256
_URL_TEXT = re.compile(r"[A-Za-z0-9:/._\[\]~-]+")
_TOKEN_TEXT = re.compile(r"[\x21-\x7e]+")


class Token:
    """The API token. Its text comes out of `reveal` alone: never out of `repr`, `str`, `format` or a pickle.

    Raises SettingsError, without showing the text, where it is empty or could not stand in a header: an HTTP library
    prints the header that it refuses, token and all.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text:
            raise SettingsError("the API token is empty", hint="Set EXTRUCT_API_TOKEN or EXTRUCT_API_TOKEN_FILE.")
        if not _TOKEN_TEXT.fullmatch(text):
            raise SettingsError(
                "the API token holds a character that no token has: a space, a line break, a control character or "
                "one outside ASCII",
                hint="Copy it again, without quotes and line breaks.",
            )
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the Authorization header and nothing else."""
        return self._text

    def redact(self, text: str) -> str:
        """Return `text` with every copy of the token taken out: a server may echo what it was sent."""
        return text.replace(self._text, "[token]")

    def __repr__(self) -> str:
        return "Token([redacted])"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not for storing")


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How to reach the API. Raises SettingsError where a value makes no sense."""

    base_url: str
    """`https://host[:port][/path]`; plain `http` for loopback alone. Kept without a trailing slash."""
    token: Token
    concurrency: int = 16
    """Requests in flight at once, all tables together."""
    timeout_seconds: float = 30
    """Of a read: for the connection, and for each wait for more bytes."""
    page_rows: int = 500
    """Rows asked for in one data page."""
    call_seconds: float = 30
    """T of `spend.md`: a whole run call, from the name lookup to the last byte of the answer."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", _checked_url(self.base_url))
        if not 1 <= self.concurrency <= MOST_WORKERS:
            raise SettingsError(f"the concurrency must be 1 to {MOST_WORKERS}, not {self.concurrency}")
        if self.page_rows < 1:
            raise SettingsError(f"page_rows must be at least 1, not {self.page_rows}")
        for name in ("timeout_seconds", "call_seconds"):
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds > 0):
                raise SettingsError(f"{name} must be a positive number of seconds, not {seconds}")

    @property
    def is_encrypted(self) -> bool:
        """True for https."""
        return self.base_url.startswith("https://")


def _checked_url(text: str) -> str:
    """Return the base URL in one spelling; the token goes to whatever it names, so it is read strictly."""
    if not _URL_TEXT.fullmatch(text):
        # No `?`, `#`, `@`, `\`, space or control character: parsers differ about the host exactly there.
        _refuse_url("it may hold a scheme, a host, a port and a path, and nothing else")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        _refuse_url("it cannot be read as a URL")
    host = parts.hostname
    if not host or port == 0:
        _refuse_url("it names no host, or a port that does not exist")
    if "//" in parts.path or any(part in (".", "..") for part in parts.path.split("/")):
        _refuse_url("its path must be plain")
    if parts.scheme not in ("http", "https"):
        _refuse_url("it must begin with https://")
    if parts.scheme == "http" and not is_loopback_host(host):
        _refuse_url("plain http would show the token to everyone on the way; it is for loopback alone")
    return _spelled(parts)


def _spelled(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.lower().rstrip(':')}{parts.path.rstrip('/')}"


def _refuse_url(why: str) -> NoReturn:
    # The URL itself is not repeated: someone may have put a password into it.
    raise SettingsError(f"the API's base URL is not usable: {why}", hint="E.g. https://api.extruct.ai")
