"""Spreads the requests of many readings over the workers, and stops all workers on 401 or 403.

One thread, the caller's, chooses the next request and hands each answer to its reading; the workers send, wait, retry
and decode. Readings already begun go first, so that few tables are half read at any time and memory stays flat however
many there are.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from reconciler.client.http.connection import Connection, ConnectionCost
from reconciler.client.http.failures import NOT_WHOLE, TransientError
from reconciler.client.http.lenient_json import NotJsonError, kind_of_page
from reconciler.client.http.request import Query
from reconciler.client.http.retry import ATTEMPTS, LONGEST_RETRY_AFTER, Retries, RetryTiming, retry_after_seconds
from reconciler.client.http.throttle import OBJECTIONS, Throttle
from reconciler.client.http.workers import Workers
from reconciler.errors import ApiError, BadResponse, Refused

_STOPS_EVERYTHING = (401, 403, 407)
"""407: a proxy wants other credentials than it got."""
LARGE_AT_ONCE = 8
"""Large pages requested at once: more would only wait for each other, and each holds memory."""
LOOK_AT_DEADLINES_SECONDS = 0.5
AHEAD = 2
"""For so many workers, one request is chosen ahead: else each answer would wait for two changes of threads."""


class Request(Protocol):
    """One GET, with the decoder of its body."""

    @property
    def path(self) -> str:
        """The path below the base URL."""

    @property
    def query(self) -> Query:
        """The query parameters."""

    @property
    def is_large(self) -> bool:
        """True if the answer may need a large buffer."""

    def decode(self, body: memoryview) -> Any:
        """Reduce the body, in a worker. Raises BadResponse."""


class Reading(Protocol):
    """A result that takes one or more GETs."""

    @property
    def is_done(self) -> bool:
        """True once there is an outcome."""

    def next_request(self, *, large: bool = True) -> Any:
        """Return the next Request that can be sent now, or None; a large one only if `large`."""

    def take(self, request: Any, answer: Any) -> None:
        """Take the result of `decode`, or the ApiError in its place (`request` is None if nothing was sent)."""


R = TypeVar("R", bound=Reading)


@dataclass(frozen=True, slots=True)
class _Reply(Generic[R]):
    reading: R
    request: Request
    answer: Any
    """The result of `decode`, an ApiError, or (a bug) any other exception."""
    requests: int
    no_connection: bool = False


class Dispatch:
    """Carries out readings with at most `size` requests at once."""

    def __init__(
        self,
        size: int,
        connect: Callable[[], Connection],
        *,
        random: Callable[[], float],
        sleep: Callable[[float], None] | None,
        clock: Callable[[], float] = time.monotonic,
        admit: Callable[[], object] = lambda: None,
    ) -> None:
        self._size = size
        self._admit = admit
        self._stop = threading.Event()
        self._is_abandoned = False
        self._refused: Refused | None = None
        self._workers = Workers(size, connect)
        self._next_look = 0.0
        self._timing = RetryTiming(sleep=sleep or self._nap, random=random)
        self._retries = Retries(self._timing)
        self._throttle = Throttle(size, self._timing.sleep, clock)
        self.requests = 0
        """GETs answered or given up, retries included."""

    def run(self, readings: Iterable[R], on_reply: Callable[[R], None]) -> None:
        """Bring every reading to its outcome; `on_reply` is called after each answer.

        Raises Refused on 401 and 403, at once, and sends nothing more, now or later. Raises BadResponse once abandoned.
        If one reading cannot connect in all its tries, readings not yet begun fail with the same error without
        trying.
        """
        if self._refused is not None:
            raise _afresh(self._refused)
        self._check_abandoned()
        begun = _Begun(iter(readings))
        replies: SimpleQueue[_Reply[R]] = SimpleQueue()
        most = self._size + self._size // AHEAD
        out = large = 0
        while True:
            while out < most:
                found = begun.next(large=large < LARGE_AT_ONCE)
                if found is None:
                    break
                self._workers.give(partial(self._answer, *found, replies))
                out += 1
                large += found[1].is_large
            if not out:
                return
            reply = self._wait_for(replies)
            out -= 1
            large -= reply.request.is_large
            self.requests += reply.requests
            self._check(reply.answer)
            if reply.no_connection:
                begun.unreachable = reply.answer
            reply.reading.take(reply.request, reply.answer)
            begun.answered(reply.reading)
            on_reply(reply.reading)

    def close(self) -> None:
        """Wake waiting workers, and send nothing more."""
        self._give_up()
        self._workers.close()

    def abandon(self) -> None:
        """End the current readings, and send nothing more: `run` raises BadResponse. Safe in a signal handler."""
        self._is_abandoned = True

    def spent(self) -> list[ConnectionCost]:
        """Return how each connection spent its time."""
        return self._workers.spent()

    @property
    def held_seconds(self) -> float:
        """Total seconds that workers waited because the API asked for fewer requests."""
        return self._throttle.waited_seconds

    def _give_up(self) -> None:
        self._stop.set()
        self._throttle.open_for_good()

    def _wait_for(self, replies: "SimpleQueue[_Reply[R]]") -> "_Reply[R]":
        while True:
            self._check_abandoned()
            if time.monotonic() > self._next_look:
                self._workers.cut_late()
                self._next_look = time.monotonic() + LOOK_AT_DEADLINES_SECONDS
            with suppress(Empty):
                return replies.get(timeout=LOOK_AT_DEADLINES_SECONDS)

    def _check_abandoned(self) -> None:
        if self._is_abandoned:
            self._give_up()
            raise BadResponse("reading was stopped")

    def _check(self, answer: Any) -> None:
        if isinstance(answer, Refused) and answer.status in _STOPS_EVERYTHING:
            self._refused = answer
            raise answer
        if isinstance(answer, BaseException) and not isinstance(answer, ApiError):
            self._give_up()
            raise answer

    def _nap(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _answer(self, reading: R, request: Request, replies: SimpleQueue[_Reply[R]], connection: Connection) -> None:
        """Do one request with its retries, in a worker. Always puts a reply, because the caller waits for it."""
        tries = 0
        slept_until = 0.0
        no_connection = False

        def attempt() -> Any:
            nonlocal tries, slept_until
            with self._throttle.passage(slept_until) as halved:
                if self._stop.is_set():
                    raise BadResponse(f"GET {request.path}: given up, because reading was stopped")
                self._admit()
                tries += 1
                try:
                    found = connection.get(request.path, request.query, partial(_decoded, request))
                except TransientError as failure:
                    if failure.error.status in OBJECTIONS:
                        slept_until = self._throttle.objected(halved, self._hold(failure.retry_after))
                    raise
                self._throttle.went_well()
                if isinstance(found, TransientError):
                    raise found
                return found

        answer: Any
        try:
            answer = self._retries.run(attempt)
        except TransientError as failure:
            no_connection = failure.no_connection
            answer = _afresh(failure.error, after=f" ({tries} of {ATTEMPTS} tries)")
        except ApiError as failure:
            if isinstance(failure, Refused) and failure.status in _STOPS_EVERYTHING:
                self._give_up()  # here: before a worker takes what was chosen ahead
            answer = _afresh(failure)
        except BaseException as failure:  # a bug: the caller's thread raises it
            answer = failure
        replies.put(_Reply(reading, request, answer, tries, no_connection))

    def _hold(self, retry_after: str | None) -> float:
        """Return for how many seconds all workers wait: as long as the server asks, if it does."""
        return min(retry_after_seconds(retry_after, self._timing.now) or 0.0, LONGEST_RETRY_AFTER)


def _decoded(request: Request, body: memoryview) -> Any:
    try:
        return request.decode(body)
    except NotJsonError as failure:
        what = kind_of_page(body) or failure.message
        # Returned, not raised: a traceback would keep the whole body alive while waiting for the next try.
        return TransientError(BadResponse(f"GET {request.path}: {what}", hint=NOT_WHOLE))
    except BadResponse as failure:
        return _afresh(failure, before=f"GET {request.path}: ")


def _afresh(error: ApiError, *, before: str = "", after: str = "") -> ApiError:
    """Return the same error without its traceback, whose frames keep a whole page alive."""
    return type(error)(f"{before}{error.message}{after}", hint=error.hint, status=error.status)


class _Begun(Generic[R]):
    """The readings under way, and those that wait. Only an answer gives one more to ask, or room for a large one."""

    def __init__(self, waiting: Iterator[R]) -> None:
        self._waiting = waiting
        self._ready: deque[R] = deque()
        """May have a request."""
        self._held_back: list[R] = []
        """Had none, perhaps because large ones were not allowed."""
        self._queued: set[int] = set()
        """The ids of the objects in both."""
        self.unreachable: ApiError | None = None
        """Why no connection can be made; readings that wait fail with it."""

    def next(self, *, large: bool) -> tuple[R, Request] | None:
        """Return a reading and its next request: of those begun if any has one, else of the next one waiting."""
        while self._ready:
            reading = self._ready[0]
            request = None if reading.is_done else reading.next_request(large=large)
            if request is not None:
                return reading, request
            self._ready.popleft()
            if large or reading.is_done:
                self._queued.discard(id(reading))
            else:
                self._held_back.append(reading)
        for reading in self._waiting:
            if self.unreachable is not None:
                reading.take(None, _afresh(self.unreachable, before="not sent, because of "))
                continue
            self._add(reading)
            request = reading.next_request(large=large)
            if request is not None:
                return reading, request
        return None

    def answered(self, reading: R) -> None:
        """Look at `reading` again, and at those held back."""
        self._ready.extend(self._held_back)
        self._held_back.clear()
        self._add(reading)

    def _add(self, reading: R) -> None:
        if id(reading) not in self._queued:
            self._queued.add(id(reading))
            self._ready.append(reading)
