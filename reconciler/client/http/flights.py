"""The requests whose small answers one thread awaits together, and what wakes that thread."""

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from reconciler.client.http.connection import Connection
from reconciler.client.http.early import NotPlainError
from reconciler.client.http.request import Query

T = TypeVar("T")


@dataclass(slots=True)
class Landed(Generic[T]):
    """A request that the thread need not await any longer."""

    connection: Connection
    what: T
    """As it was given to `begin`."""
    answer: Any
    """The result of `decode`."""
    is_plain: bool = True
    """False if `get` of the connection has to tell what the answer is."""
    status: int | None = None
    """Of an answer that is not plain, if known."""


@dataclass(slots=True)
class _Flight(Generic[T]):
    what: T
    decode: Callable[[memoryview], Any]
    until: float


class Flights(Generic[T]):
    """For one thread, but for `wake`."""

    def __init__(self, patience_seconds: float) -> None:
        """An answer that takes longer than `patience_seconds` is left to `get`, which has timeouts."""
        self._patience_seconds = patience_seconds
        self._selector = selectors.DefaultSelector()
        self._waking, self._woken = socket.socketpair()
        for each in (self._waking, self._woken):
            each.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._files: dict[Connection, int] = {}
        """The connections that are watched; those without a flight are idle."""
        self._flights: dict[Connection, _Flight[T]] = {}
        """In the order in which they began."""

    def begin(
        self, connection: Connection, path: str, query: Query, decode: Callable[[memoryview], Any], what: T
    ) -> bool:
        """Send a GET if that takes no waiting, and return whether it is sent; else the connection is not watched."""
        if not connection.ask(path, query):
            self.release(connection)
            return False
        if connection not in self._files:
            self._files[connection] = connection.file
            self._selector.register(connection.file, selectors.EVENT_READ, connection)
        self._flights[connection] = _Flight(what, decode, time.monotonic() + self._patience_seconds)
        return True

    def landed(self, timeout_seconds: float) -> Iterator[Landed[T]]:
        """Wait until something happens, and yield what has landed, one by one; perhaps nothing."""
        if self._flights:
            first = next(iter(self._flights.values()))
            timeout_seconds = min(timeout_seconds, max(first.until - time.monotonic(), 0.0))
        for key, _ in self._selector.select(timeout_seconds):
            connection: Connection | None = key.data
            if connection is None:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
            elif connection not in self._files:  # released meanwhile: a worker may have it
                continue
            elif connection in self._flights:
                yield from self._look(connection)
            elif connection.has_ended():  # the server may close it whenever it likes
                self.release(connection)
                connection.close()
        while self._flights:
            connection, flight = next(iter(self._flights.items()))
            if flight.until > time.monotonic():
                break
            yield self._left(connection)

    def release(self, connection: Connection) -> None:
        """Watch a connection no longer, e.g. because a worker will have it."""
        self._flights.pop(connection, None)
        file = self._files.pop(connection, None)
        if file is not None:
            self._selector.unregister(file)

    def wake(self) -> None:
        """End the waiting; for any thread."""
        with suppress(OSError):  # as many are waiting to be received as fit, or all is closed
            self._waking.send(b"\0")

    def abort(self) -> list[Connection]:
        """Close the connections that await an answer, and return them."""
        aborted = list(self._flights)
        for connection in aborted:
            self.release(connection)
            connection.close()
        return aborted

    def close(self) -> None:
        """Close what is the flights' own."""
        for each in (self._selector, self._waking, self._woken):
            each.close()

    def _look(self, connection: Connection) -> Iterator[Landed[T]]:
        flight = self._flights[connection]
        try:
            answer = connection.answered(flight.decode)
        except NotPlainError as failure:
            yield self._left(connection, failure.status)
            return
        if answer is None:
            return
        if connection.file < 0:
            self.release(connection)
        else:
            del self._flights[connection]
        yield Landed(connection, flight.what, *answer)

    def _left(self, connection: Connection, status: int | None = None) -> Landed[T]:
        flight = self._flights[connection]
        self.release(connection)
        return Landed(connection, flight.what, None, is_plain=False, status=status)
