"""A forge's API over httpx: reads are retried, writes are sent once.

The token goes only to the base URL. Pages are requested by number: a link that the server names is never
followed, because the token would go with it.
"""

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from reconciler.client.http.api_messages import spoken
from reconciler.client.http.connection import TransientError, checked_url, failure_words, headers, tls_context
from reconciler.client.http.options import ApiOptions
from reconciler.client.http.retry import Retries, RetryTiming
from reconciler.errors import ApiError, BadResponse, Refused

LARGEST_ANSWER = 32 * 1024 * 1024
"""Bytes of one answer; enough for a page of a hundred comments of 64 KiB."""

_HINTS = {
    401: "Check the token in the job's environment.",
    403: "The token is not allowed to do this; check the job's permissions.",
    404: "Check the repository and the number, and that the token has access to them.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer."""

    content: Any
    """Its JSON; None for an empty body."""
    has_more: bool
    """True if the server says that another page follows."""


class ForgeClient:
    """Sends requests to one forge. Use it in a `with` block."""

    def __init__(self, options: ApiOptions, patience: RetryTiming | None = None) -> None:
        self._options = options
        self._retries = Retries(patience or RetryTiming(time.sleep, random.random))
        self._client = httpx.Client(
            headers={**headers(options), "Accept": "application/json"},
            verify=tls_context(options),
            timeout=options.timeout_seconds,
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, query: Mapping[str, int] | None = None) -> Answer:
        """Read, retrying transient errors. Raises Refused, BadResponse."""
        failed: ApiError
        try:
            return self._retries.run(lambda: self._send("GET", path, query=query))
        except TransientError as error:
            failed = error.error
        raise failed

    def write(self, method: str, path: str, body: Mapping[str, str]) -> Answer:
        """Send once, whatever happens. Raises Refused, BadResponse."""
        failed: ApiError
        try:
            return self._send(method, path, body=body)
        except TransientError as error:
            failed = error.error
        raise failed

    def _send(
        self, method: str, path: str, *, query: Mapping[str, int] | None = None, body: Mapping[str, str] | None = None
    ) -> Answer:
        where = f"{method} {path}"
        url = checked_url(self._options, path, query)
        # Raised outside the `except` blocks: chained to httpx's exception, it would carry the request with the token.
        failure: Exception
        try:
            with self._client.stream(method, url, json=body) as response:
                return self._read(where, response)
        except (ApiError, TransientError) as error:
            failure = error
        except httpx.TransportError as error:
            failure = TransientError(BadResponse(f"{where}: {failure_words(error, self._options.token)}"))
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            failure = BadResponse(f"{where}: {failure_words(error, self._options.token)}")
        raise failure

    def _read(self, where: str, response: httpx.Response) -> Answer:
        status = response.status_code
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > LARGEST_ANSWER:
                raise BadResponse(f"{where}: the answer is larger than {LARGEST_ANSWER:,} bytes")
        if not 200 <= status < 300:
            raise self._failed(where, response, bytes(content))
        try:
            parsed = json.loads(content) if content else None
        except (ValueError, RecursionError):
            # Half an answer, or a page from a proxy: another read may succeed.
            error = BadResponse(f"{where}: the answer is not JSON", hint="Check the forge's base URL.")
            raise TransientError(error) from None
        linked = 'rel="next"' in response.headers.get("Link", "")
        return Answer(parsed, linked or bool(response.headers.get("X-Next-Page")))

    def _failed(self, where: str, response: httpx.Response, content: bytes) -> Exception:
        status = response.status_code
        said = spoken(_message(content), self._options.token)
        text = f"{where}: {status}" + (f" ({said})" if said else "")
        if 400 <= status < 500 and status != 429:
            return Refused(text, hint=_HINTS.get(status, ""), status=status)
        error = BadResponse(text, status=status)
        if status == 429 or status >= 500:
            return TransientError(error, retry_after=response.headers.get("Retry-After"))
        return error


def _message(content: bytes) -> str:
    try:
        shown = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    message = shown.get("message") if isinstance(shown, dict) else None
    return message if isinstance(message, str) else ""
