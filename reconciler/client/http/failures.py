"""Failures beneath a request, in words, and whether another try may help."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator

from reconciler.client.http.api_messages import spoken
from reconciler.client.http.options import ApiOptions
from reconciler.errors import ApiError
from reconciler.model.network import Proxy

NOT_WHOLE = (
    "Something between here and the API may have cut or replaced it: check the network, proxies and the API's base URL."
)
"""The hint for an answer that is cut off or not the API's own."""
_NO_FILES = (errno.EMFILE, errno.ENFILE)


class TransientError(Exception):
    """A read that may succeed on another try. Never leaves the package."""

    def __init__(self, error: ApiError, *, retry_after: str | None = None, no_connection: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        """The error to raise if this was the last try."""
        self.retry_after = retry_after
        """The raw `Retry-After` header."""
        self.no_connection = no_connection
        """True if not even a connection was made: reads of other tables would fail too."""
        self.was_idle = False
        """True if an idle connection was gone when the request came: no byte was answered, as a server may."""


def no_tunnel(proxy: Proxy, status: int) -> tuple[str, str]:
    """Return words and a hint for a proxy that refuses to connect us."""
    if status == 407:
        hint = f"Put user and password into the URL of {proxy.source}: http://user:password@host:port."
    else:
        hint = f"Ask those who run the proxy, correct {proxy.source}, or name the host in NO_PROXY."
    return f"{proxy} opens no tunnel and answers {status}", hint


def no_way_hint(proxy: Proxy) -> str:
    """Return what to look at if there is no connection through a proxy."""
    return f"Check that the proxy is there and that {proxy.source} names it, or name the host in NO_PROXY."


def failure_words(error: BaseException, options: ApiOptions) -> str:
    """Return words for a library's exception: its type, and the operating system's message beneath it."""
    said = str(error)
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno is not None:
            said = os.strerror(cause.errno) if isinstance(cause, ConnectionError) else str(cause)
    text = spoken(said, options)
    return type(error).__name__ + (f": {text}" if text else "")


def no_answer_hint(error: BaseException) -> str:
    """Return what to look at if there is no answer, by what failed."""
    chain = list(causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in chain):
        return (
            "The host's name is not known here: check the API's base URL and the name server. In a network that is "
            "left through a proxy alone, name it in HTTPS_PROXY."
        )
    if any(isinstance(cause, OSError) and cause.errno in _NO_FILES for cause in chain):
        return "Raise the limit of open files (ulimit -n), or lower api.concurrency."
    if any(isinstance(cause, TimeoutError) for cause in chain):
        return (
            "Something on the way may drop it, such as a firewall: check the network, and HTTPS_PROXY and NO_PROXY. "
            "If the API is only slow, raise api.timeout_seconds."
        )
    return "Check the network and the API's base URL, then run it again."


def is_certificate_failure(error: BaseException) -> bool:
    """Return whether `error` was caused by an untrusted TLS certificate, which a retry does not help."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and its causes, the deepest last."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        cause = inner or cause.__cause__ or cause.__context__
