"""One GET with all its tries, in a worker: what is waited for, what is tried again, and what its error says."""

import threading
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

from reconciler.client.http.connection import Connection
from reconciler.client.http.failures import NOT_WHOLE, TransientError
from reconciler.client.http.lenient_json import NotJsonError, kind_of_page
from reconciler.client.http.request import Request
from reconciler.client.http.retry import ATTEMPTS, LONGEST_RETRY_AFTER, Retries, RetryTiming, asked_seconds
from reconciler.client.http.throttle import OBJECTIONS, Throttle
from reconciler.errors import ApiError, BadResponse, Refused

STOPS_EVERYTHING = (401, 403, 407)
"""407: a proxy wants other credentials than it got."""


@dataclass(slots=True)
class Result:
    """How a request ended."""

    answer: Any
    """The result of `decode`, an ApiError, or (a bug) any other exception."""
    tries: int = 1
    no_connection: bool = False

    @property
    def stops_everything(self) -> bool:
        """True of an answer after which no other request has a chance."""
        return isinstance(self.answer, Refused) and self.answer.status in STOPS_EVERYTHING


@dataclass(slots=True)
class _Turn:
    """One request's tries so far."""

    entered: int | None
    """Of a try that is already through the gate."""
    tries: int = 0
    slept_until: float = 0.0


class Tries:
    """Tries the GETs of a reader, until it is stopped. Safe to share between workers."""

    def __init__(
        self,
        most: int,
        *,
        random: Callable[[], float],
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        admit: Callable[[], object] | None = None,
    ) -> None:
        """At most so many at once; `admit` is called before each try, and waits until it may be sent."""
        self._stop = threading.Event()
        self._timing = RetryTiming(sleep=sleep or self._nap, random=random)
        self._retries = Retries(self._timing)
        self.throttle = Throttle(most, self._timing.sleep, clock)
        self.admit = admit
        self._restarted = partial(Tries, most, random=random, sleep=sleep, clock=clock, admit=admit)

    def restarted(self) -> "Tries":
        """Return tries that are not stopped, as cautious as these have become."""
        fresh = self._restarted()
        fresh.throttle.resume(self.throttle)
        return fresh

    @property
    def is_stopped(self) -> bool:
        """True after `stop`."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Wake all who wait, and send nothing more."""
        self._stop.set()
        self.throttle.open_for_good()

    def get(self, request: Request, connection: Connection, sent_when_halved: int | None = None) -> Result:
        """Send a request until it succeeds, fails for good or has been tried often enough. Raises nothing.

        `sent_when_halved` of a request whose first try was sent, through the gate, and awaits its answer.
        """
        turn = _Turn(sent_when_halved)
        try:
            result = Result(self._retries.run(lambda: self._try(request, connection, turn)), turn.tries)
        except TransientError as failure:
            error = afresh(failure.error, after=f" ({turn.tries} of {ATTEMPTS} tries)")
            result = Result(error, turn.tries, failure.no_connection)
        except ApiError as failure:
            result = Result(afresh(failure), turn.tries)
        except BaseException as failure:  # a bug: the caller's thread raises it
            result = Result(failure, turn.tries)
        if result.stops_everything:
            self.stop()  # here: before another worker begins
        if self.is_stopped:
            connection.close()
        return result

    def _try(self, request: Request, connection: Connection, turn: _Turn) -> Any:
        entered, turn.entered = turn.entered, None
        with self.throttle.passage(turn.slept_until, entered) as halved:
            try:
                found = self._ask(request, connection, turn)
            except TransientError as failure:
                if failure.error.status in OBJECTIONS:
                    turn.slept_until = self.throttle.objected(halved, self._hold(failure.retry_after))
                raise
            self.throttle.went_well()
            if isinstance(found, TransientError):
                raise found
            return found

    def _ask(self, request: Request, connection: Connection, turn: _Turn) -> Any:
        """Ask once; and again, which does not count, if the server had closed an idle connection by then."""
        is_again = False
        while True:
            self._check_stopped(request)
            if self.admit is not None:
                self.admit()
            turn.tries += not is_again
            try:
                return connection.get(request.path, request.query, partial(_decoded, request))
            except TransientError as failure:
                self._check_stopped(request)  # it may be cut for that reason
                if is_again or not failure.was_idle:
                    raise
                is_again = True

    def _check_stopped(self, request: Request) -> None:
        if self.is_stopped:
            raise BadResponse(f"GET {request.path}: given up, because reading was stopped")

    def _nap(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _hold(self, retry_after: str | None) -> float:
        """Return for how many seconds all workers wait: as long as the server asks, if it does."""
        return min(asked_seconds(retry_after, self._timing.now) or 0.0, LONGEST_RETRY_AFTER)


def _decoded(request: Request, body: memoryview) -> Any:
    try:
        return request.decode(body)
    except NotJsonError as failure:
        what = kind_of_page(body) or failure.message
        # Returned, not raised: a traceback would keep the whole body alive while waiting for the next try.
        return TransientError(BadResponse(f"GET {request.path}: {what}", hint=NOT_WHOLE))
    except BadResponse as failure:
        return afresh(failure, before=f"GET {request.path}: ")


def afresh(error: ApiError, *, before: str = "", after: str = "") -> ApiError:
    """Return the same error without its traceback, whose frames keep a whole page alive."""
    fresh = copy(error)
    fresh.message = f"{before}{error.message}{after}"
    fresh.args = (fresh.message,)
    return fresh
