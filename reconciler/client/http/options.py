"""The API's address, the load to put on it, and the token, which is never shown."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from reconciler.errors import SettingsError
from reconciler.model.network import Network
from reconciler.text.addresses import is_loopback_host
from reconciler.text.codes import Code

MOST_WORKERS = 256
_URL_TEXT = re.compile(r"[A-Za-z0-9:/._\[\]~-]+")
_TOKEN_TEXT = re.compile(r"[\x21-\x7e]+")


class Token:
    """The API token. Only `reveal` returns its text: never `repr`, `str`, `format` or a pickle.

    Raises SettingsError, without showing the text, if it is empty or not valid in a header: an HTTP library prints a
    header that it refuses, token included.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text:
            raise SettingsError(
                "the API token is empty", hint="Set EXTRUCT_API_TOKEN or EXTRUCT_API_TOKEN_FILE.", code=Code.NO_TOKEN
            )
        if not _TOKEN_TEXT.fullmatch(text):
            raise SettingsError(
                "the API token contains an invalid character: a space, a line break, a control character or "
                "one outside ASCII",
                hint="Copy it again, without quotes and line breaks.",
                code=Code.NO_TOKEN,
            )
        self._text = text

    @property
    def is_there(self) -> bool:
        """False for `NoToken`."""
        return bool(self._text)

    def reveal(self) -> str:
        """Return the text, for the Authorization header and nothing else."""
        return self._text

    def redact(self, text: str) -> str:
        """Return `text` with every copy of the token removed: a server may echo its request."""
        return text.replace(self._text, "[token]") if self._text else text

    def __repr__(self) -> str:
        return "Token([redacted])"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token must not be stored")


class NoToken(Token):
    """No token, for the one question that needs none: whether the API can be reached."""

    __slots__ = ()

    def __init__(self) -> None:
        self._text = ""


def _unheard(_: str, __: int | None) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How to reach the API. Raises SettingsError for an invalid value."""

    base_url: str
    """`https://host[:port][/path]`; plain `http` only for loopback. Stored without a trailing slash."""
    token: Token
    concurrency: int = 16
    """Concurrent requests, over all tables."""
    timeout_seconds: float = 30
    """For a read: for the connection, and for each wait for more bytes."""
    page_rows: int = 500
    """Rows requested per data page."""
    call_seconds: float = 30
    """T: a whole run call, from the name lookup to the last byte of the answer."""
    network: Network = field(default_factory=Network)
    """Proxies, and the certificates that are trusted."""
    on_answer: Callable[[str, int | None], None] = _unheard
    """Hears the method of each request that ended, and the status of its answer; None if there was none, or not all of
    it. Called from the threads that send; it must not raise."""

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

    def redact(self, text: str) -> str:
        """Return `text` without the token and without a proxy's credentials, which a server or a proxy may echo."""
        return self.network.redact(self.token.redact(text))

    @property
    def is_encrypted(self) -> bool:
        """True for https."""
        return self.base_url.startswith("https://")


def _checked_url(text: str) -> str:
    """Return the base URL in a canonical form; the token goes there, so it is parsed strictly."""
    if not _URL_TEXT.fullmatch(text):
        # No `?`, `#`, `@`, `\`, space or control character: with these, parsers disagree about the host.
        _refuse_url("it may contain a scheme, a host, a port and a path, and nothing else")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        _refuse_url("it cannot be read as a URL")
    host = parts.hostname
    if not host or port == 0:
        _refuse_url("it has no host, or an invalid port")
    if "//" in parts.path or any(part in (".", "..") for part in parts.path.split("/")):
        _refuse_url("its path must be plain")
    if parts.scheme not in ("http", "https"):
        _refuse_url("it must begin with https://")
    if parts.scheme == "http" and not is_loopback_host(host):
        _refuse_url("plain http would expose the token on the network; it is only for loopback")
    return _spelled(parts)


def _spelled(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.lower().rstrip(':')}{parts.path.rstrip('/')}"


def _refuse_url(why: str) -> NoReturn:
    # The URL itself is not repeated: it may contain a password.
    raise SettingsError(
        f"the API's base URL is not usable: {why}", hint="E.g. https://api.extruct.ai", code=Code.NETWORK_SETTING
    )
