"""Spreads the requests of many readings over the connections, and stops them all on 401 or 403.

One thread, the caller's, chooses the next request and hands each answer to its reading. It also awaits small answers,
over all connections at once. Workers are for what takes waiting or time: connecting, retries, large or slow answers,
and every failure. Readings already begun go first, so that few tables are half read at any time and memory stays flat
however many there are.
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
from reconciler.client.http.flights import Flights
from reconciler.client.http.request import Request
from reconciler.client.http.tries import STOPS_EVERYTHING, Result, Tries, afresh
from reconciler.client.http.workers import Workers
from reconciler.errors import ApiError, BadResponse, Refused

LARGE_AT_ONCE = 8
"""Large pages requested at once: more would only wait for each other, and each holds memory."""
LOOK_AT_DEADLINES_SECONDS = 0.5
PATIENCE_SECONDS = 1.0
"""A small answer that takes longer is left to a worker."""


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


@dataclass(slots=True)
class _Reply(Generic[R]):
    reading: R
    request: Request
    result: Result


@dataclass(slots=True)
class _Asked:
    """A request on its way, whose answer the caller's thread awaits."""

    reading: Any
    request: Request
    halved: int
    """How often the throttle was halved when it was sent."""


class Dispatch:
    """Carries out readings with at most `size` requests at once."""

    def __init__(
        self,
        size: int,
        connect: Callable[[], Connection],
        tries: Tries,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """A small answer that takes longer than `patience_seconds` is left to a worker."""
        self._size = size
        self._connect = connect
        self._tries = tries
        self._workers = Workers(size)
        self._connections: list[Connection] = []
        self._idle: list[Connection] = []
        """Those that neither a worker nor a flight has."""
        self._flights: Flights[_Asked] = Flights(patience_seconds)
        self._one_at_a_time = threading.Lock()
        """A second thread waits for the first one's reading to end."""
        self._thread = 0
        """The one that reads."""
        self._grave: set[int] = set()
        """The ids of requests whose answers may stop everything: until that is known, no other is sent."""
        self._next_look = 0.0
        self._is_abandoned = False
        self._refused: Refused | None = None
        self.requests = 0
        """GETs answered or given up, retries included."""

    def run(
        self,
        readings: Iterable[R],
        on_reply: Callable[[R], None],
        meanwhile: Callable[[], bool] | None = None,
    ) -> None:
        """Bring every reading to its outcome; `on_reply` is called after each answer.

        `meanwhile` is called whenever there is nothing to do but wait. It does a moment's work of its own and returns
        whether there may be more; what is left when the last answer has come is its caller's to do.

        Raises Refused on 401 and 403, at once, and sends nothing more, now or later. Raises BadResponse once abandoned.
        If one reading cannot connect in all its tries, readings not yet begun fail with the same error without
        trying.
        """
        if self._one_at_a_time.locked() and self._thread == threading.get_ident():
            raise RuntimeError("a reader cannot begin to read while it calls back from reading")
        with self._one_at_a_time:
            self._run_alone(readings, on_reply, meanwhile)

    def _run_alone(
        self, readings: Iterable[R], on_reply: Callable[[R], None], meanwhile: Callable[[], bool] | None
    ) -> None:
        try:
            self._thread = threading.get_ident()
            if self._refused is not None:
                raise afresh(self._refused)
            self._check_abandoned()
            self._run(_Begun(iter(readings), self._size), on_reply, meanwhile)
        except BaseException:
            self._break_off()
            raise
        finally:
            self._thread = 0

    def _run(self, begun: "_Begun[R]", on_reply: Callable[[R], None], meanwhile: Callable[[], bool] | None) -> None:
        replies: SimpleQueue[_Reply[R]] = SimpleQueue()
        is_busy = False
        self._send_more(begun, replies)
        while begun.out:
            has_come = False
            for reply in self._wait_for(replies, 0.0 if is_busy else LOOK_AT_DEADLINES_SECONDS):
                has_come = True
                self._take(reply, begun)
                self._send_more(begun, replies)
                on_reply(reply.reading)
            is_busy = meanwhile is not None and (has_come or meanwhile())

    def _break_off(self) -> None:
        """End what is under way. A reading that follows neither waits for this one's workers nor misses its slots."""
        is_for_good = self._tries.is_stopped
        self._tries.stop()
        self._idle.extend(self._flights.abort())
        for connection in self._connections:
            connection.cut()
        self._grave.clear()
        if not is_for_good:
            self._workers.dismiss()
            self._workers, self._tries = Workers(self._size), self._tries.restarted()

    def close(self) -> None:
        """End what is under way, and send nothing more."""
        self._is_abandoned = True
        self._tries.stop()
        for connection in self._connections:
            connection.cut()
        self._workers.close()
        self._flights.close()
        while self._idle:
            self._idle.pop().close()

    def abandon(self) -> None:
        """End the current readings, and send nothing more: `run` raises BadResponse. Safe in a signal handler."""
        self._is_abandoned = True

    def spent(self) -> list[ConnectionCost]:
        """Return how each connection spent its time."""
        return [connection.spent for connection in self._connections]

    @property
    def held_seconds(self) -> float:
        """Total seconds that workers waited because the API asked for fewer requests."""
        return self._tries.throttle.waited_seconds

    def _send_more(self, begun: "_Begun[R]", replies: "SimpleQueue[_Reply[R]]") -> None:
        while not self._grave and (found := begun.next()) is not None:
            self._send(*found, replies)

    def _take(self, reply: "_Reply[R]", begun: "_Begun[R]") -> None:
        result = reply.result
        self._grave.discard(id(reply.request))
        self.requests += result.tries
        self._check(result)
        if result.no_connection:
            begun.unreachable = result.answer
        reply.reading.take(reply.request, result.answer)
        begun.answered(reply.reading, reply.request)

    def _send(self, reading: R, request: Request, replies: "SimpleQueue[_Reply[R]]") -> None:
        """Send a small request at once if nothing has to be waited for; else let a worker send it."""
        connection = self._idle.pop() if self._idle else self._new_connection()
        halved = None
        if not request.is_large and self._tries.admit is None and not self._tries.is_stopped:
            halved = self._tries.throttle.enter_at_once()
        if halved is not None:
            asked = _Asked(reading, request, halved)
            if self._flights.begin(connection, request.path, request.query, request.decode, asked):
                return
            self._tries.throttle.leave()
        self._flights.release(connection)
        self._workers.give(partial(self._answer, self._tries, reading, request, replies, connection))

    def _new_connection(self) -> Connection:
        connection = self._connect()
        self._connections.append(connection)
        return connection

    def _wait_for(self, replies: "SimpleQueue[_Reply[R]]", seconds: float) -> "Iterator[_Reply[R]]":
        """Wait until something happens, and yield the answers that have come; perhaps none."""
        self._check_abandoned()
        if time.monotonic() > self._next_look:
            for connection in self._connections:
                connection.cut_if_late()
            self._next_look = time.monotonic() + LOOK_AT_DEADLINES_SECONDS
        for landed in self._flights.landed(seconds if replies.empty() else 0.0):
            asked = landed.what
            if landed.is_plain:
                self._tries.throttle.went_well()
                self._tries.throttle.leave()
                self._idle.append(landed.connection)
                yield _Reply(asked.reading, asked.request, Result(landed.answer))
            else:
                if landed.status in STOPS_EVERYTHING:
                    self._grave.add(id(asked.request))
                job = partial(self._answer, self._tries, asked.reading, asked.request, replies, landed.connection)
                self._workers.give(partial(job, asked.halved))
        with suppress(Empty):
            while True:
                yield replies.get_nowait()

    def _answer(
        self,
        tries: Tries,
        reading: R,
        request: Request,
        replies: "SimpleQueue[_Reply[R]]",
        connection: Connection,
        sent_when_halved: int | None = None,
    ) -> None:
        """Do a worker's job. Always puts a reply, because the caller waits for it."""
        result = tries.get(request, connection, sent_when_halved)
        self._idle.append(connection)
        replies.put(_Reply(reading, request, result))
        self._flights.wake()

    def _check_abandoned(self) -> None:
        if self._is_abandoned:
            self._tries.stop()
            raise BadResponse("reading was stopped")

    def _check(self, result: Result) -> None:
        answer = result.answer
        if isinstance(answer, Refused) and result.stops_everything:
            self._refused = answer
            raise answer
        if isinstance(answer, BaseException) and not isinstance(answer, ApiError):
            self._tries.stop()
            raise answer


class _Begun(Generic[R]):
    """The readings under way, and those that wait. Only an answer gives one more to ask, or room for a large one."""

    def __init__(self, waiting: Iterator[R], most: int) -> None:
        self._waiting = waiting
        self._most = most
        self._large = 0
        self.out = 0
        """Requests that await their answers."""
        self._ready: deque[R] = deque()
        """May have a request."""
        self._held_back: list[R] = []
        """Had none, perhaps because large ones were not allowed."""
        self._queued: set[int] = set()
        """The ids of the objects in both."""
        self.unreachable: ApiError | None = None
        """Why no connection can be made; readings that wait fail with it."""

    def next(self) -> tuple[R, Request] | None:
        """Return a reading and its next request, for sending: of those begun if any has one, else of the next one."""
        found = None if self.out == self._most else self._next(large=self._large < LARGE_AT_ONCE)
        if found is not None:
            self.out += 1
            self._large += found[1].is_large
        return found

    def _next(self, *, large: bool) -> tuple[R, Request] | None:
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
                reading.take(None, afresh(self.unreachable, before="not sent, because of "))
                continue
            self._add(reading)
            request = reading.next_request(large=large)
            if request is not None:
                return reading, request
        return None

    def answered(self, reading: R, request: Request) -> None:
        """Look at `reading` again, and at those held back."""
        self.out -= 1
        self._large -= request.is_large
        self._ready.extend(self._held_back)
        self._held_back.clear()
        self._add(reading)

    def _add(self, reading: R) -> None:
        if id(reading) not in self._queued:
            self._queued.add(id(reading))
            self._ready.append(reading)
