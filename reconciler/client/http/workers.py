"""Threads that do their jobs in order.

Not `concurrent.futures`: the interpreter joins its threads at exit, so after Ctrl-C or a 401 one slow answer would keep
the program from ending. These are daemon threads, and reads may be abandoned at any moment.
"""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

LONGEST_GOODBYE = 1.0
"""Seconds that closing waits, over all threads, for answers that are no longer needed."""

Job = Callable[[], None]


class Workers:
    """At most `size` threads, started as needed. A job must not raise."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._unfinished = 0

    def give(self, job: Job) -> None:
        """Run `job` in a thread."""
        with self._lock:
            self._unfinished += 1
            if self._unfinished > len(self._threads) < self._size:
                thread = threading.Thread(target=self._work, name="reconciler-read", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._jobs.put(job)

    def dismiss(self) -> None:
        """Let the threads end once they have done their jobs."""
        for _thread in self._threads:
            self._jobs.put(None)

    def close(self) -> None:
        """Wait for the threads to end; one that takes longer is left behind."""
        self.dismiss()
        until = time.monotonic() + LONGEST_GOODBYE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            with self._lock:
                self._unfinished -= 1
            del job  # otherwise it keeps its table's layout alive until the next job
