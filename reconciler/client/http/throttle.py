"""How many reads may be out at once: as many as allowed until the API objects, then half, and one by one more again.

All workers pass this one gate before each try, retries included; a `Retry-After` that one of them was told holds all.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

OBJECTIONS = (429, 503)
"""Statuses that mean too much at once [V]."""


@dataclass(slots=True)
class Window:
    """The number that may be out: halved by an objection, grown by one for each whole round that went well."""

    most: int
    size: float = 0.0
    halved: int = 0
    """How often it was halved."""

    def __post_init__(self) -> None:
        self.size = float(self.most)

    @property
    def limit(self) -> int:
        """Requests that may be out at once, at least one."""
        return max(1, int(self.size))

    def objected(self, halved_when_sent: int) -> None:
        """Take in an objection to a request sent when the window had been halved so many times.

        Those sent before the latest halving object to the window as it was, so a whole round halves it once.
        """
        if halved_when_sent == self.halved:
            self.size = max(1.0, self.size / 2)
            self.halved += 1

    def went_well(self) -> None:
        """Take in an answer."""
        self.size = min(float(self.most), self.size + 1.0 / self.size)


class Throttle:
    """The gate of one reader. Safe to share between threads."""

    def __init__(self, most: int, sleep: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`sleep` may return early, once nobody is to wait any more."""
        self.window = Window(most)
        self._sleep = sleep
        self._clock = clock
        self._changed = threading.Condition()
        self._out = 0
        self._held_until = 0.0
        self._is_open = True
        self.waited_seconds = 0.0
        """Spent at the gate, all workers together."""

    @contextmanager
    def passage(self, patient_until: float) -> Iterator[int]:
        """Wait for a place and for the end of every hold; gives the number of halvings so far.

        `patient_until`: a hold that ends by then was slept out already, by the one who was told of it.
        """
        began = self._clock()
        with self._changed:
            self._changed.wait_for(lambda: not self._is_open or self._out < self.window.limit)
            self._out += 1
            halved, held_until = self.window.halved, self._held_until
        try:
            left = held_until - self._clock()
            if held_until > patient_until and left > 0:
                self._sleep(left)
            with self._changed:
                self.waited_seconds += self._clock() - began
            yield halved
        finally:
            with self._changed:
                self._out -= 1
                self._changed.notify_all()

    def objected(self, halved_when_sent: int, hold_seconds: float) -> float:
        """Take in an objection that asks everyone to wait; returns until when, by the clock."""
        with self._changed:
            self.window.objected(halved_when_sent)
            until = self._clock() + hold_seconds
            if hold_seconds:
                self._held_until = max(self._held_until, until)
            return until

    def went_well(self) -> None:
        """Take in an answer."""
        with self._changed:
            self.window.went_well()
            self._changed.notify()

    def open_for_good(self) -> None:
        """Let everyone through: nothing is sent any more."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
