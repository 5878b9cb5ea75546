"""Simulated time: a test advances it, a demo lets it run faster than real time."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""The initial time of every world, so that the same seed gives the same bytes on any day."""


class Clock(Protocol):
    """The simulator's source of time."""

    def now(self) -> float:
        """Return simulated seconds since the Unix epoch."""

    def wall(self) -> float:
        """Return seconds in the client's time, for request rates; only differences are meaningful."""

    def advance(self, seconds: float) -> None:
        """Move simulated time forward."""


class ManualClock:
    """Time that stands still until it is advanced."""

    def __init__(self, start: float = START) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return simulated seconds since the Unix epoch."""
        return self._now

    def wall(self) -> float:
        """Return the same as `now`: no other time passes."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move time forward; backward is a ValueError."""
        if not seconds >= 0:
            raise ValueError("time does not run backwards")
        with self._lock:
            self._now += seconds


class RunningClock:
    """Time that runs `speed` simulated seconds per real second, and can be advanced."""

    def __init__(self, speed: float = 1.0, start: float = START, source: Callable[[], float] = time.monotonic) -> None:
        if not speed > 0:
            raise ValueError("speed must be more than 0")
        self._speed = speed
        self._start = start
        self._source = source
        self._began = source()
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return simulated seconds since the Unix epoch."""
        return self._start + (self._source() - self._began) * self._speed

    def wall(self) -> float:
        """Return real seconds."""
        return self._source()

    def advance(self, seconds: float) -> None:
        """Jump ahead; backward is a ValueError."""
        if not seconds >= 0:
            raise ValueError("time does not run backwards")
        with self._lock:
            self._start += seconds


@lru_cache(maxsize=1024)
def stamp(seconds: float) -> str:
    """Return a moment as the API writes it: ISO 8601 in UTC with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
