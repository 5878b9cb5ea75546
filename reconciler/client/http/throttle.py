"""Limits concurrent reads: the full number until the API objects, then half, then one more at a time.

All workers pass this gate before each try, retries included; a `Retry-After` that one of them receives holds all.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

OBJECTIONS = (429, 503)
"""Statuses that mean too many requests at once [V]."""


@dataclass(slots=True)
class Window:
    """The number of concurrent requests: halved by an objection, one more after each full round without one."""

    most: int
    size: float = 0.0
    halved: int = 0
    """How often it was halved."""

    def __post_init__(self) -> None:
        self.size = float(self.most)

    @property
    def limit(self) -> int:
        """Concurrent requests allowed, at least one."""
        return max(1, int(self.size))

    def objected(self, halved_when_sent: int) -> None:
        """Record an objection to a request that was sent when the window had been halved this many times.

        Objections to requests sent before the latest halving are ignored, so a full round halves the window once.
        """
        if halved_when_sent == self.halved:
            self.size = max(1.0, self.size / 2)
            self.halved += 1

    def went_well(self) -> None:
        """Record an answer."""
        self.size = min(float(self.most), self.size + 1.0 / self.size)


class Throttle:
    """The gate of one reader. Safe to share between threads."""

    def __init__(self, most: int, sleep: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`sleep` may return early once waiting is pointless."""
        self.window = Window(most)
        self._sleep = sleep
        self._clock = clock
        self._changed = threading.Condition()
        self._out = 0
        self._waiting = 0
        """Workers that wait for a slot."""
        self._held_until = 0.0
        self._is_open = True
        self.waited_seconds = 0.0
        """Total time spent at the gate, over all workers."""

    @contextmanager
    def passage(self, patient_until: float, entered: int | None = None) -> Iterator[int]:
        """Wait for a free slot and for the end of every hold; yields the number of halvings so far.

        `patient_until`: a hold ending before this was already waited out by the worker that received it. `entered`:
        what `enter_at_once` returned; then this waits for nothing.
        """
        try:
            yield self._enter(patient_until) if entered is None else entered
        finally:
            self.leave()

    def _enter(self, patient_until: float) -> int:
        began = self._clock()
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._is_open or self._out < self.window.limit)
            self._waiting -= 1
            self._out += 1
            halved, held_until = self.window.halved, self._held_until
        left = held_until - self._clock()
        if held_until > patient_until and left > 0:
            self._sleep(left)
        with self._changed:
            self.waited_seconds += self._clock() - began
        return halved

    def enter_at_once(self) -> int | None:
        """Take a slot that is free and not on hold, and return the number of halvings so far; else return None.

        Then `leave`. A slot for which a worker waits is not free: it would wait until all other requests were sent.
        """
        with self._changed:
            if self.is_waited_for or self._out >= self.window.limit or self._held_until > self._clock():
                return None
            self._out += 1
            return self.window.halved

    @property
    def is_waited_for(self) -> bool:
        """True while a worker waits for a slot."""
        return self._waiting > 0

    def leave(self) -> None:
        """Free a slot."""
        with self._changed:
            self._out -= 1
            self._changed.notify_all()

    def objected(self, halved_when_sent: int, hold_seconds: float) -> float:
        """Record an objection that asks all workers to wait; return until when, by the clock."""
        with self._changed:
            self.window.objected(halved_when_sent)
            until = self._clock() + hold_seconds
            if hold_seconds:
                self._held_until = max(self._held_until, until)
            return until

    def went_well(self) -> None:
        """Record an answer."""
        with self._changed:
            self.window.went_well()
            self._changed.notify()

    def resume(self, other: "Throttle") -> None:
        """Take over the window, the hold and the time of another one, but not its requests."""
        with other._changed:
            self.window = replace(other.window)
            self._held_until, self.waited_seconds = other._held_until, other.waited_seconds

    def open_for_good(self) -> None:
        """Let all workers through, because nothing is sent any more."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
