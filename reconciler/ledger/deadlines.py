"""A deadline for every operation on a store, whatever it waits for: a name, a connection, a lock, an answer, a disk.

A server behind a proxy that acknowledges and says nothing keeps no timeout of its own, and a library's call cannot be
ended from outside. So each operation runs on a thread that is only waited for: until the deadline, not beyond an
interrupt. One that is given up has its connection cut, and commits nothing any more.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")

INTERRUPTED_SECONDS = 2.0
"""How long an operation may take once the program was told to end: what still has to be recorded is a few of them."""
_LOOK_SECONDS = 0.1
_LONGEST_LOOK_SECONDS = 1.0


class Silent(Exception):
    """The store has not answered in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class GivenUp(Exception):
    """The caller no longer waits for this operation; raised in the operation's own thread."""


class Operation:
    """One operation under way."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.waited = 0.0
        self.is_given_up = False
        self._is_untimed = False
        self._lock = threading.Lock()
        self._connection: Any = None

    def holds(self, connection: Any) -> None:
        """Take note of the driver's connection to a server that the operation waits for from now on."""
        with self._lock:
            self._connection = connection
        self.require()

    def let_go(self) -> None:
        """Forget the connection: it will be another operation's."""
        with self._lock:
            self._connection = None

    def require(self) -> None:
        """Raise GivenUp if the caller no longer waits for the operation."""
        if self.is_given_up:
            raise GivenUp

    def go_on(self) -> None:
        """Restart the time limit: the store has answered, and more is to come."""
        self.waited = 0.0
        self.require()

    @contextmanager
    def untimed(self) -> Iterator[None]:
        """Wait for something else than the store, as long as that takes."""
        self._is_untimed = True
        try:
            yield
        finally:
            self.go_on()
            self._is_untimed = False

    def wait(self, seconds: float) -> None:
        """Count what it was waited for."""
        if not self._is_untimed:
            self.waited += seconds

    def give_up(self) -> None:
        """Let its thread end: whatever it does next fails."""
        self.is_given_up = True
        with self._lock, suppress(Exception):
            if self._connection is not None:
                # Closing is its thread's business; shutting down is what wakes it.
                with socket.socket(fileno=os.dup(self._connection.fileno())) as wire:
                    wire.shutdown(socket.SHUT_RDWR)


class _Thread(threading.Thread):
    """Does one job after the other. A daemon: the program may end while it hangs."""

    def __init__(self) -> None:
        super().__init__(name="ledger", daemon=True)
        self.jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def run(self) -> None:
        """Work until there is None to do."""
        while (job := self.jobs.get()) is not None:
            job()


class Deadlines:
    """Runs operations, each until its deadline. Usable from several threads."""

    def __init__(self, interrupted: Callable[[], bool]) -> None:
        self._interrupted = interrupted
        self._idle: list[_Thread] = []
        self._current = threading.local()

    @property
    def current(self) -> Operation | None:
        """The operation that the calling thread is at work on."""
        operation: Operation | None = getattr(self._current, "operation", None)
        return operation

    def run(self, work: Callable[[], Result], operation: Operation) -> Result:
        """Run `work` and return what it returns, or raise what it raises. Raises Silent once its time is up."""
        outcome: list[Result] = []
        failure: list[BaseException] = []
        # A bare lock, because waking up is what takes longest: held until the work is done.
        done = threading.Lock()
        done.acquire()

        def job() -> None:
            self._current.operation = operation
            try:
                operation.require()
                outcome.append(work())
            except BaseException as error:  # raised again in the thread that waits
                failure.append(error)
            finally:
                self._current.operation = None
                done.release()

        thread = self._thread()
        try:
            thread.jobs.put(job)
            self._await(operation, done)
        except BaseException:
            operation.give_up()
            thread.jobs.put(None)
            raise
        self._idle.append(thread)
        if failure:
            raise failure.pop()
        return outcome.pop()

    def _thread(self) -> _Thread:
        try:
            return self._idle.pop()
        except IndexError:
            thread = _Thread()
            thread.start()
            return thread

    def _await(self, operation: Operation, done: threading.Lock) -> None:
        hurried = 0.0
        before = time.monotonic()
        while not done.acquire(timeout=_LOOK_SECONDS):
            now = time.monotonic()
            # A process that was stopped has not waited.
            looked = min(now - before, _LONGEST_LOOK_SECONDS)
            before = now
            operation.wait(looked)
            hurried += looked if self._interrupted() else 0.0
            if (operation.waited > operation.seconds or hurried > INTERRUPTED_SECONDS) and done.locked():
                raise Silent(operation.waited)

    def close(self) -> None:
        """Let the threads end that have nothing to do."""
        while self._idle:
            self._idle.pop().jobs.put(None)
