"""A forge's API over httpx: lists and files are read, with patience, and comments are written, once each.

The token goes to the base URL alone. Pages are asked for by number; a link that the server names is never
followed, because the token would go along. A file that is stored elsewhere is fetched from there without the token.
"""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeAlias, TypeVar

import httpx

from reconciler.client.http.addressing import checked_url, httpx_proxy
from reconciler.client.http.api_messages import spoken
from reconciler.client.http.failures import TransientError, failure_words, is_certificate_failure, no_way_hint
from reconciler.client.http.options import ApiOptions
from reconciler.client.http.request import USER_AGENT, headers
from reconciler.client.http.retry import Retries, RetryTiming
from reconciler.client.http.trust import not_trusted, not_trusted_hint, tls_context
from reconciler.errors import ApiError, BadResponse, Refused

LARGEST_ANSWER = 32 * 1024 * 1024
"""Bytes of one answer; a page of a hundred comments of 64 KiB fits."""

KNOWN_ENCODINGS = ("identity", "gzip")
"""Of an answer; packed twice, a few bytes of it unpack to gigabytes at once."""

LONGEST_READING = 600.0
"""Seconds for the content of one answer; the timeout is that of each of its parts, and they may come one by one."""

MOST_REDIRECTS = 3
"""From a forge to the store of its files."""

T = TypeVar("T")
Query: TypeAlias = Mapping[str, int | str | Sequence[str]]

_RATE_LIMITED = (403, 429)

_HINTS = {
    401: "Check the token in the job's environment.",
    403: "The token may not do this; look at the job's permissions.",
    404: "Check the repository and the number, and that the token may see them.",
}


class Unavailable(BadResponse):
    """The forge did not answer, however often it was asked; later it may.

    A file that could not be fetched for that reason may still be there.
    """


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer."""

    content: Any
    """Its JSON; None for an empty one."""
    has_more: bool
    """True where the server says that another page follows."""


class ForgeClient:
    """Sends requests to one forge. Use it in a `with` block."""

    def __init__(
        self, options: ApiOptions, timing: RetryTiming | None = None, *, header: str = "Authorization"
    ) -> None:
        """Send the token in `header`; one that is not `Authorization` takes it bare."""
        self._options = options
        sent = headers(options)
        if header != "Authorization":
            sent[header] = sent.pop("Authorization").removeprefix("Bearer ")
        timing = timing or RetryTiming(time.sleep, random.random)
        self._now = timing.now
        self._retries = Retries(timing)
        self._context = tls_context(options)
        self._client = self._opened(httpx.URL(options.base_url), {**sent, "Accept": "application/json"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, query: Query | None = None) -> Answer:
        """Read JSON, trying again if that may help. Raises Refused, BadResponse."""
        return self._patiently(lambda: self._send("GET", path, query=query))

    def download(self, path: str, most_bytes: int, query: Query | None = None) -> bytes:
        """Return a file, also one that the forge keeps elsewhere. Raises Refused, BadResponse."""
        return self._patiently(lambda: self._download(path, most_bytes, query))

    def _patiently(self, attempt: Callable[[], T]) -> T:
        failed: ApiError
        try:
            return self._retries.run(attempt)
        except TransientError as error:
            failed = Unavailable(error.error.message, hint=error.error.hint, status=error.error.status)
        raise failed

    def write(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Answer:
        """Send once; again only if the forge says that it did nothing because of its rate limit.

        Raises Refused, BadResponse.
        """

        def attempt() -> Answer:
            failed: ApiError
            try:
                return self._send(method, path, body=body)
            except TransientError as error:
                if error.error.status in _RATE_LIMITED:
                    raise
                failed = error.error
            raise failed

        return self._patiently(attempt)

    def _send(
        self, method: str, path: str, *, query: Query | None = None, body: Mapping[str, str] | None = None
    ) -> Answer:
        where = f"{method} {path}"
        url = checked_url(self._options, path, query)
        return self._exchange(where, method, url, body, lambda response: self._read(where, response))

    def _download(self, path: str, most_bytes: int, query: Query | None) -> bytes:
        where = f"GET {path}"
        url, bare = checked_url(self._options, path, query), False
        for _ in range(1 + MOST_REDIRECTS):
            found = self._exchange(
                where, "GET", url, None, lambda response: self._file(where, response, most_bytes), bare=bare
            )
            if isinstance(found, bytes):
                return found
            url, bare = self._elsewhere(where, url, found), True
        raise BadResponse(f"{where}: it is redirected more than {MOST_REDIRECTS} times")

    def _exchange(
        self,
        where: str,
        method: str,
        url: httpx.URL,
        body: Mapping[str, str] | None,
        read: Callable[[httpx.Response], T],
        *,
        bare: bool = False,
    ) -> T:
        """Send one request and return what `read` makes of the answer; a `bare` one goes without the token."""
        # Raised after the `except` blocks are left: chained to httpx's, it would carry the request with the token.
        failure: Exception
        try:
            with ExitStack() as stack:
                client = self._client
                if bare:  # for the store of a forge's files: knows no token
                    client = stack.enter_context(self._opened(url, {"User-Agent": USER_AGENT}))
                return read(stack.enter_context(client.stream(method, url, json=body)))
        except (ApiError, TransientError) as error:
            failure = error
        except httpx.TransportError as error:
            failure = self._transient(where, url, error)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            failure = BadResponse(f"{where}: {failure_words(error, self._options)}")
        raise failure

    def _opened(self, url: httpx.URL, sent: Mapping[str, str]) -> httpx.Client:
        """Return a client for the host of `url`."""
        return httpx.Client(
            headers={**sent, "Accept-Encoding": "gzip"},
            verify=self._context,
            timeout=self._options.timeout_seconds,
            follow_redirects=False,
            trust_env=False,
            proxy=httpx_proxy(self._options, url),
        )

    def _transient(self, where: str, url: httpx.URL, error: httpx.TransportError) -> Exception:
        said = failure_words(error, self._options)
        if is_certificate_failure(error):
            return BadResponse(f"{where}: {not_trusted(self._options, said)}", hint=not_trusted_hint(error))
        proxy = self._options.network.proxy_for(str(url))
        if proxy is not None and isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
            said, hint = f"no connection through {proxy} ({said})", no_way_hint(proxy)
        else:
            hint = "Check the network and the forge's base URL."
        return TransientError(BadResponse(f"{where}: {said}", hint=hint))

    def _elsewhere(self, where: str, asked: httpx.URL, location: str) -> httpx.URL:
        """Return where a file is kept; plain http only if the forge itself is asked that way."""
        try:
            url = asked.join(location)
        except (httpx.InvalidURL, ValueError):
            url = httpx.URL()
        if url.scheme != "https" and not (url.scheme == "http" and not self._options.is_encrypted):
            raise BadResponse(f"{where}: it is redirected to an address that is not https")
        return url.copy_with(userinfo=b"", fragment=None)

    def _read(self, where: str, response: httpx.Response) -> Answer:
        content = self._content(where, response, LARGEST_ANSWER)
        if not 200 <= response.status_code < 300:
            raise self._failed(where, response, content)
        try:
            parsed = json.loads(content) if content else None
        except (ValueError, RecursionError):
            # Half an answer, or a page of something in between: a read may fare better the next time.
            error = BadResponse(f"{where}: the answer is not JSON", hint="Check the forge's base URL.")
            raise TransientError(error) from None
        linked = 'rel="next"' in response.headers.get("Link", "")
        return Answer(parsed, linked or bool(response.headers.get("X-Next-Page")))

    def _file(self, where: str, response: httpx.Response, most_bytes: int) -> bytes | str:
        """Return a file's content, or where else it is."""
        if response.status_code in (301, 302, 303, 307, 308) and "Location" in response.headers:
            return str(response.headers["Location"])
        content = self._content(where, response, most_bytes)
        if response.status_code != 200:
            raise self._failed(where, response, content[:LARGEST_ANSWER])
        return content

    def _content(self, where: str, response: httpx.Response, most_bytes: int) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() not in KNOWN_ENCODINGS:
            raise BadResponse(f"{where}: the answer is packed in a way that was not asked for")
        content, began = bytearray(), self._now()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > most_bytes:
                raise BadResponse(f"{where}: the answer is larger than {most_bytes:,} bytes")
            if self._now() - began > LONGEST_READING:
                took = f"{where}: the answer took longer than {LONGEST_READING:g} seconds"
                raise Unavailable(took, hint="Run the job again later.")
        return bytes(content)

    def _failed(self, where: str, response: httpx.Response, content: bytes) -> Exception:
        status = response.status_code
        said = spoken(_message(content), self._options)
        text = f"{where}: {status}" + (f" ({said})" if said else "")
        wait = _asked_to_wait(response)
        if 400 <= status < 500 and status != 429 and (status != 403 or wait is None):
            return Refused(text, hint=_HINTS.get(status, ""), status=status)
        error = BadResponse(text, status=status)
        if status in _RATE_LIMITED or status >= 500:
            return TransientError(error, retry_after=wait)
        return error


def _asked_to_wait(response: httpx.Response) -> str | None:
    """Return for how long a forge wants to be left alone. GitHub limits rates with 403 as well as with 429."""
    after: str | None = response.headers.get("Retry-After")
    if after is None and response.status_code == 403 and response.headers.get("X-RateLimit-Remaining") == "0":
        reset = response.headers.get("X-RateLimit-Reset", "")
        with suppress(ValueError, OverflowError, IndexError, TypeError):
            date = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
            return str(max(0, round(float(reset) - date)))
    return after


def _message(content: bytes) -> str:
    """Return the words of a refusal: GitHub's `message`; GitLab's `message`, a text or lists by field, or `error`."""
    try:
        shown = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(shown, dict):
        return ""
    message = shown.get("message", shown.get("error"))
    if isinstance(message, dict):
        return "; ".join(f"{field}: {_listed(said)}" for field, said in message.items())
    described = shown.get("error_description")
    return _listed(message) + (f": {described}" if isinstance(described, str) else "")


def _listed(said: Any) -> str:
    parts = said if isinstance(said, list) else [said]
    return ", ".join(part for part in parts if isinstance(part, str))
