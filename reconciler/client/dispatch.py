"""Spreads the requests of many readings over the workers, and stops everything when the API says who are you.

One thread, the caller's, decides what is asked next and hands each answer to its reading; the workers ask, wait, retry
and decode. Readings already begun go first, so that few tables are ever half read and memory stays flat however many
there are.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from reconciler.client.retrying import ATTEMPTS, Patience, Retries
from reconciler.client.wire import Connection, TransientError
from reconciler.client.workers import Workers
from reconciler.errors import ApiError, BadResponse, Refused

_STOPS_EVERYTHING = (401, 403)


class Request(Protocol):
    """One GET and what becomes of its body."""

    @property
    def path(self) -> str:
        """Below the base URL."""

    @property
    def query(self) -> Mapping[str, int]:
        """The query parameters."""

    def decode(self, body: memoryview) -> Any:
        """Reduce the body, in a worker. Raises BadResponse."""


class Reading(Protocol):
    """Something that takes one or more GETs to find out."""

    @property
    def is_done(self) -> bool:
        """True once there is an outcome."""

    def next_request(self) -> Any:
        """Return the next Request that can go out now, or None. Raises Refused where it makes none of sense."""

    def take(self, request: Any, answer: Any) -> None:
        """Take what `decode` made of the answer, or the ApiError that came instead (request None: unasked)."""


R = TypeVar("R", bound=Reading)


@dataclass(frozen=True, slots=True)
class _Reply(Generic[R]):
    reading: R
    request: Request
    answer: Any
    """What `decode` made, an ApiError, or (a bug) any other exception."""
    requests: int
    no_connection: bool = False


class Dispatch:
    """Carries out readings, at most `size` requests out at once."""

    def __init__(
        self,
        size: int,
        connect: Callable[[], Connection],
        *,
        random: Callable[[], float],
        sleep: Callable[[float], None] | None,
    ) -> None:
        self._size = size
        self._stop = threading.Event()
        self._refused: Refused | None = None
        self._workers = Workers(size, connect)
        self._retries = Retries(Patience(sleep=sleep or self._nap, random=random))
        self.requests = 0
        """GETs sent and answered for or given up, retries included."""

    def run(self, readings: Iterable[R], on_reply: Callable[[R], None]) -> None:
        """Bring every reading to its outcome; `on_reply` is called after each answer is taken.

        Raises Refused on 401 and 403, at once; then nothing is asked any more, now or later. When no connection comes
        about for one reading in all its tries, those not yet begun fail the same way without trying.
        """
        if self._refused is not None:
            raise _afresh(self._refused)
        waiting = iter(readings)
        begun: deque[R] = deque()
        replies: SimpleQueue[_Reply[R]] = SimpleQueue()
        out = 0
        unreachable: ApiError | None = None
        while True:
            while out < self._size and (found := _next(begun, waiting, unreachable)) is not None:
                self._workers.give(partial(self._answer, *found, replies))
                out += 1
            if not out:
                return
            reply = replies.get()
            out -= 1
            self.requests += reply.requests
            self._check(reply.answer)
            if reply.no_connection:
                unreachable = reply.answer
            reply.reading.take(reply.request, reply.answer)
            on_reply(reply.reading)

    def close(self) -> None:
        """Wake who waits, ask nothing more."""
        self._stop.set()
        self._workers.close()

    def _check(self, answer: Any) -> None:
        if isinstance(answer, Refused) and answer.status in _STOPS_EVERYTHING:
            self._refused = answer
            self._stop.set()
            raise answer
        if isinstance(answer, BaseException) and not isinstance(answer, ApiError):
            self._stop.set()
            raise answer

    def _nap(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _answer(self, reading: R, request: Request, replies: SimpleQueue[_Reply[R]], connection: Connection) -> None:
        """Do one request with its retries, in a worker. Whatever happens, a reply is put: the caller waits for it."""
        tries = 0
        no_connection = False

        def attempt() -> Any:
            nonlocal tries
            if self._stop.is_set():
                raise BadResponse(f"GET {request.path}: given up, because reading was stopped")
            tries += 1
            return connection.get(request.path, request.query, partial(_decoded, request))

        answer: Any
        try:
            answer = self._retries.run(attempt)
        except TransientError as failure:
            no_connection = failure.no_connection
            answer = _afresh(failure.error, after=f" ({tries} of {ATTEMPTS} tries)")
        except ApiError as failure:
            answer = _afresh(failure)
        except BaseException as failure:  # a bug: the caller's thread raises it
            answer = failure
        replies.put(_Reply(reading, request, answer, tries, no_connection))


def _decoded(request: Request, body: memoryview) -> Any:
    try:
        return request.decode(body)
    except BadResponse as failure:
        return _afresh(failure, before=f"GET {request.path}: ")


def _afresh(error: ApiError, *, before: str = "", after: str = "") -> ApiError:
    """Return the same error without its traceback, whose frames keep a whole page alive."""
    return type(error)(f"{before}{error.message}{after}", hint=error.hint, status=error.status)


def _next(begun: deque[R], waiting: Iterator[R], unreachable: ApiError | None) -> tuple[R, Request] | None:
    """Return a reading and its next request: of those already begun if any has one, else of the next one waiting."""
    for _ in range(len(begun)):
        reading = begun[0]
        if reading.is_done:
            begun.popleft()
            continue
        request = reading.next_request()
        if request is not None:
            return reading, request
        begun.rotate(-1)
    for reading in waiting:
        if unreachable is not None:
            reading.take(None, _afresh(unreachable, before="not asked, because of "))
            continue
        begun.append(reading)
        request = reading.next_request()
        if request is not None:
            return reading, request
    return None
