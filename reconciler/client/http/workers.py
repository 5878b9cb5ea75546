"""Threads that each own one connection and do their jobs in order.

Not `concurrent.futures`: the interpreter joins its threads at exit, so after Ctrl-C or a 401 one slow answer would keep
the program from ending. These are daemon threads, and reads may be abandoned at any moment.
"""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from reconciler.client.http.connection import Connection, ConnectionCost

LONGEST_GOODBYE = 1.0
"""Seconds that closing waits, over all threads, for answers that are no longer needed."""

Job = Callable[[Connection], None]


class Workers:
    """At most `size` threads, started as needed. A job must not raise."""

    def __init__(self, size: int, connect: Callable[[], Connection]) -> None:
        self._size = size
        self._connect = connect
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._connections: list[Connection] = []
        self._lock = threading.Lock()
        self._unfinished = 0

    def give(self, job: Job) -> None:
        """Run `job` in a thread, with its connection."""
        with self._lock:
            self._unfinished += 1
            if self._unfinished > len(self._threads) < self._size:
                thread = threading.Thread(target=self._work, name="reconciler-read", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._jobs.put(job)

    def cut_late(self) -> None:
        """Give up on answers that take far too long."""
        for connection in list(self._connections):
            connection.cut_if_late()

    def spent(self) -> list[ConnectionCost]:
        """Return how each connection spent its time."""
        return [connection.spent for connection in self._connections]

    def close(self) -> None:
        """Let the threads close their connections and end; one still waiting for an answer is left behind."""
        for _thread in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + LONGEST_GOODBYE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        connection = self._connect()
        self._connections.append(connection)
        try:
            while (job := self._jobs.get()) is not None:
                job(connection)
                with self._lock:
                    self._unfinished -= 1
                del job  # otherwise it keeps its table's layout alive until the next job
        finally:
            connection.close()
