"""Whether a worker is alive, and whether it is ready: noted by the worker as it goes, so that asking takes no time.

A worker that cannot reach its store is alive and not ready: to start it again would not help.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

LATEST_FETCH_SECONDS = 60.0
"""A worker that has not asked for work for longer is not ready."""
LATEST_BEAT_SECONDS = 120.0
"""A worker whose loop has not come round for longer hangs, and is to be started again."""

CHECKS = ("schema", "token")
"""These are not well until they are noted."""
NOT_KNOWN = "not known yet"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a probe."""

    is_well: bool
    text: str
    """A line for each check."""


class Health:
    """The checks of one worker. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._troubles = dict.fromkeys(CHECKS, NOT_KNOWN)
        self._beat_at = clock()
        self._fetched_at: float | None = None
        self._is_ending = False

    def note(self, check: str, trouble: str = "") -> None:
        """Note what is wrong with a check, in words without ids and secrets; empty if it is well."""
        with self._lock:
            self._troubles[check] = trouble

    def beat(self) -> None:
        """Note that the worker's loop came round, with or without an answer of the store."""
        self._beat_at = self._clock()

    def fetched(self) -> None:
        """Note that the worker asked for work, and was answered."""
        self._fetched_at = self._beat_at = self._clock()

    def end(self) -> None:
        """Note that the worker finishes what it does and takes nothing more: alive, and not ready."""
        self._is_ending = True

    def alive(self) -> Answer:
        """Return whether the worker's loop comes round."""
        age = self._clock() - self._beat_at
        return Answer(age <= LATEST_BEAT_SECONDS, f"loop: came round {age:.0f} s ago")

    def ready(self) -> Answer:
        """Return whether the worker takes work: all checks are well, and it asked for work a short while ago."""
        with self._lock:
            troubles = dict(self._troubles)
        age = None if self._fetched_at is None else self._clock() - self._fetched_at
        if age is None:
            troubles["fetch"] = NOT_KNOWN
        else:
            troubles["fetch"] = "" if age <= LATEST_FETCH_SECONDS else f"{age:.0f} s ago"
        if self._is_ending:
            troubles["end"] = "finishes what is in flight"
        lines = [f"{check}: {trouble or 'ok'}" for check, trouble in troubles.items()]
        return Answer(not any(troubles.values()), "\n".join(lines))
