"""One look at the API: whether it can be reached, by its own answer, and how far its clock is from this machine's."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler.client.account import USER, AccountRead, AccountRequest
from reconciler.client.http.buffers import Buffers
from reconciler.client.http.connection import Connection
from reconciler.client.http.failures import TransientError
from reconciler.client.http.options import ApiOptions
from reconciler.client.http.retry_after import seconds_of
from reconciler.client.http.trust import tls_context
from reconciler.errors import ApiError, BadResponse
from reconciler.model.account import Account
from reconciler.text.codes import Code

HEALTH = "/v1/healthcheck"
"""Answers without a token [V]."""
DEADLINE_SECONDS = 15.0
_NO_ACCOUNT = (401, 403, 407)


@dataclass(frozen=True, slots=True)
class Probed:
    """The result of one look at the API."""

    seconds: float
    """Until the first answer, or until it was given up."""
    error: ApiError | None = None
    """Of the first request; None if it was answered with success."""
    account: Account | None = None
    """None without a token, or if the first request failed for good."""
    ahead_seconds: float | None = None
    """How far the API's clock is ahead of this machine's, to the second; None if its answer does not say."""


def probe(
    options: ApiOptions, *, now: Callable[[], float] = time.time, deadline_seconds: float = DEADLINE_SECONDS
) -> Probed:
    """Ask for the token's account or, without a token, whether the API is there; try each request once.

    Sends one or two GETs and raises nothing of the API's. `now` returns seconds since the epoch. Raises SettingsError
    if the certificates that are trusted cannot be read.
    """
    look = _Look(options, now)
    # A name server can take longer than any timeout of a socket.
    worker = threading.Thread(target=look.ask, name="probe", daemon=True)
    began = time.perf_counter()
    worker.start()
    worker.join(deadline_seconds)
    if look.found is not None:
        return look.found
    message = f"GET {look.path}: there is no answer after {deadline_seconds:g} s"
    hint = "Something on the way drops or delays it: check the network, the name server, the proxy and the firewall."
    return Probed(time.perf_counter() - began, BadResponse(message, hint=hint, code=Code.NO_CONNECTION))


@dataclass(slots=True)
class _Look:
    options: ApiOptions
    now: Callable[[], float]
    found: Probed | None = None
    connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = Connection(self.options, tls_context(self.options), Buffers())

    @property
    def path(self) -> str:
        """The path of the first request."""
        return USER if self.options.token.is_there else HEALTH

    def ask(self) -> None:
        """Send the requests, one after the other."""
        try:
            began, wall = time.perf_counter(), self.now()
            # The token's question is about JSON; that a service is there shows in any answer.
            answer = self._get(
                self.path, AccountRequest(self.path).decode if self.options.token.is_there else _anything
            )
            seconds = time.perf_counter() - began
            ahead = _ahead(self.connection.date, wall + seconds / 2)
            error = answer if isinstance(answer, ApiError) else None
            account = None
            has_failed = error is not None and (error.status is None or error.status in _NO_ACCOUNT)
            if self.options.token.is_there and not has_failed:
                account = self._account(answer)
            self.found = Probed(seconds, error, account, ahead)
        finally:
            self.connection.close()

    def _account(self, answer: dict[str, Any] | ApiError) -> Account:
        reading = AccountRead()
        request = reading.next_request()
        while request is not None:
            reading.take(request, answer if request.path == USER else self._get(request.path, request.decode))
            request = reading.next_request()
        return reading.result()

    def _get(self, path: str, decode: Callable[[memoryview], dict[str, Any]]) -> dict[str, Any] | ApiError:
        try:
            return self.connection.get(path, {}, decode)
        except TransientError as failure:
            return failure.error
        except ApiError as failure:
            return failure


def _anything(_body: memoryview) -> dict[str, Any]:
    return {}


def _ahead(date: str | None, here: float) -> float | None:
    try:
        # The header has whole seconds: on average half of one has passed since.
        return seconds_of(date or "") + 0.5 - here
    except ValueError:
        return None
