"""One GET over httpx, with every failure classified."""

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from urllib.parse import unquote

import httpx

from reconciler.client.http.api_messages import refusal, spoken
from reconciler.client.http.buffers import Body, Buffers
from reconciler.client.http.gzip import UnpackingError, unpacked
from reconciler.client.http.lenient_json import without_mark
from reconciler.client.http.options import ApiOptions, Token
from reconciler.errors import ApiError, BadResponse, Refused
from reconciler.version import __version__

LARGEST_ANSWER = 256 * 1024 * 1024
"""Bytes of one answer after decompression; a larger one is refused while it streams."""
LARGEST_REFUSAL = 64 * 1024
"""The most bytes read of an error's body."""
LONGEST_ANSWER = 10
"""An answer may take this many times `timeout_seconds`, so that one that trickles ends."""
NOT_WHOLE = (
    "Something between here and the API may have cut or replaced it: check the network, proxies and the API's base URL."
)
"""The hint for an answer that is cut off or not the API's own."""
USER_AGENT = f"extruct-reconciler/{__version__}"
_NETWORK = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)

T = TypeVar("T")
Query: TypeAlias = Mapping[str, int | str | Sequence[str]]
"""Query parameters; one with several values is repeated."""


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


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str | None
    redirects: bool
    """True for a 3xx with a `Location`."""


@dataclass(slots=True)
class ConnectionCost:
    """How one connection spent its time; summed over connections, seconds may exceed elapsed time."""

    requests: int = 0
    received_bytes: int = 0
    """After decompression."""
    waiting_seconds: float = 0.0
    """From sending a request to the last byte of its answer."""
    decoding_seconds: float = 0.0


def tls_context(options: ApiOptions) -> ssl.SSLContext:
    """Return the TLS settings that all connections share: loading the CA bundle takes tens of milliseconds.

    For plain http they are empty and trust no certificate. The environment does not affect them.
    """
    if options.is_encrypted:
        return httpx.create_ssl_context(trust_env=False)
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def headers(options: ApiOptions) -> dict[str, str]:
    """Return the headers of every request; the only place where the token's text is used."""
    return {
        "Authorization": f"Bearer {options.token.reveal()}",
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
    }


def checked_url(options: ApiOptions, path: str, query: Query | None = None) -> httpx.URL:
    """Return the full URL. Raises Refused if the library parses it as another origin than the base URL's."""
    base = httpx.URL(options.base_url)
    url = httpx.URL(options.base_url + path, params=dict(query) if query else None)
    same = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
    if not same or url.userinfo or url.path != base.path.rstrip("/") + unquote(path):
        raise Refused("the path leads away from the API, so nothing was sent", hint="Report this as a bug.")
    return url


class Connection:
    """One worker's own connection, kept alive between requests. For one thread at a time.

    Each worker has its own client because httpx's pool gets slower the more connections share it (`performance.md`).
    """

    def __init__(self, options: ApiOptions, context: ssl.SSLContext, buffers: Buffers) -> None:
        """`buffers` are shared by all workers."""
        self._options = options
        self._buffers = buffers
        self._stream: Any = None
        """The TCP connection, once it is made."""
        self._until = float("inf")
        """The deadline for the current answer."""
        self._is_late = False
        self.spent = ConnectionCost()
        self._client = httpx.Client(
            headers={**headers(options), "Accept-Encoding": "gzip"},
            verify=context,
            timeout=options.timeout_seconds,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            follow_redirects=False,
            trust_env=False,
        )

    def get(self, path: str, query: Query, decode: Callable[[memoryview], T]) -> T:
        """Return the result of `decode` on the body of a 200; the body itself does not outlive this call.

        Raises TransientError if a retry may help, else Refused or BadResponse, and whatever `decode` raises.
        """
        began = time.perf_counter()
        with Body(self._buffers) as body:
            try:
                self._fill(body, path, query)
            finally:
                received = time.perf_counter()
                self.spent.requests += 1
                self.spent.received_bytes += body.size
                self.spent.waiting_seconds += received - began
            try:
                return decode(without_mark(body.view()))
            finally:
                self.spent.decoding_seconds += time.perf_counter() - received

    def cut_if_late(self) -> None:
        """Shut the connection down, from another thread, if its answer takes far too long, headers included.

        httpx limits each wait for more bytes, so headers that arrive one byte at a time would never end.
        """
        stream = self._stream
        if stream is not None and time.monotonic() > self._until:
            self._is_late = True
            with suppress(OSError):
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def _fill(self, body: Body, path: str, query: Query) -> None:
        where = f"GET {path}"
        answer = self._ask(where, checked_url(self._options, path, query), body)
        if answer.status == 200:
            return
        token = self._options.token
        if 400 <= answer.status < 500:
            refused = refusal(answer.status, bytes(body.view()), where=where, token=token)
            if answer.status != 429:
                raise refused
            raise TransientError(refused, retry_after=answer.retry_after)
        error = BadResponse(f"{where}: {answer.status} instead of an answer", status=answer.status)
        if answer.status >= 500:
            raise TransientError(error, retry_after=answer.retry_after)
        if answer.redirects:
            error.hint = "Check the API's base URL: redirects are not followed, because the token would go with them."
        raise error

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask(self, where: str, url: httpx.URL, body: Body) -> _Answer:
        # The failure is raised outside the `except` blocks: chained to httpx's exception, it would carry the request,
        # and with it the Authorization header, into every traceback.
        failure: Exception
        self._until = time.monotonic() + self._options.timeout_seconds * LONGEST_ANSWER
        try:
            # A trace costs a tenth of the request, so it is used only when a new connection is made.
            trace = None if self._is_connected else {"trace": self._witness}
            with self._client.stream("GET", url, extensions=trace) as response:
                self._stream = response.extensions.get("network_stream")
                self._receive(where, response, body)
                retry_after = response.headers.get("Retry-After")
                return _Answer(response.status_code, retry_after, response.has_redirect_location)
        except ApiError as error:
            failure = error
        except _NETWORK as error:
            failure = self._late(where) if self._is_late else self._transient(where, error, has_begun=body.size > 0)
        except UnpackingError as error:
            failure = TransientError(BadResponse(f"{where}: {error}", hint=NOT_WHOLE))
        except Exception as error:  # a library's own exceptions must not leave this package
            failure = BadResponse(f"{where}: {failure_words(error, self._options.token)}")
        finally:
            self._until, self._is_late = float("inf"), False
        try:
            raise failure
        finally:
            del failure  # otherwise it, its traceback and this frame keep each other alive

    @property
    def _is_connected(self) -> bool:
        """True if the request will use the existing connection; a readable one was closed by the server."""
        stream = self._stream
        if stream is None or stream.get_extra_info("socket").fileno() < 0:
            return False
        return not stream.get_extra_info("is_readable")

    def _witness(self, step: str, details: Mapping[str, Any]) -> None:
        if step == "connection.connect_tcp.complete":
            self._stream = details["return_value"]

    def _receive(self, where: str, response: httpx.Response, body: Body) -> None:
        most = LARGEST_ANSWER if response.status_code == 200 else LARGEST_REFUSAL
        for chunk in unpacked(response.iter_raw(), response.headers.get("Content-Encoding")):
            if body.size + len(chunk) > most:
                if response.status_code != 200:
                    break
                raise BadResponse(f"{where}: the answer is larger than {most:,} bytes", hint="Lower api.page_rows.")
            body.add(chunk)
            if time.monotonic() > self._until:
                raise self._late(where)

    def _late(self, where: str) -> BadResponse:
        return BadResponse(f"{where}: the answer is still not complete after {LONGEST_ANSWER} timeouts")

    def _transient(self, where: str, error: httpx.HTTPError, *, has_begun: bool) -> Exception:
        said = failure_words(error, self._options.token)
        if has_begun:
            said = f"the answer breaks off ({said})"
        if is_certificate_failure(error):
            return BadResponse(
                f"{where}: the server's certificate is not trusted ({said})", hint="Check the API's base URL."
            )
        return TransientError(
            BadResponse(f"{where}: {said}", hint="Check the network and the API's base URL, then run it again."),
            no_connection=isinstance(error, httpx.ConnectError | httpx.ConnectTimeout),
        )


def failure_words(error: BaseException, token: Token) -> str:
    """Return words for a library's exception: its type, and the operating system's message beneath it."""
    said = str(error)
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno is not None:
            said = os.strerror(cause.errno) if isinstance(cause, ConnectionError) else str(cause)
    text = spoken(said, token)
    return type(error).__name__ + (f": {text}" if text else "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and its causes, the deepest last."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        cause = inner or cause.__cause__ or cause.__context__


def is_certificate_failure(error: BaseException) -> bool:
    """Return whether `error` was caused by an untrusted TLS certificate, which a retry does not help."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))
