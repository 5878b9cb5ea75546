"""How often reads are retried, and after which waits. Run calls are never retried, here or anywhere in this package.

A library for this, tenacity, took a tenth of the processor's time of a small answer that needs no retry.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from reconciler.client.http.failures import TransientError

ATTEMPTS = 5
"""Tries of one read, the first included."""
FIRST_WAIT = 1.0
"""Seconds; the upper limit of the first wait, doubled for each further wait."""
LONGEST_WAIT = 10.0
"""Seconds; the longest backoff. After a 5xx, 5 to 10 are recommended [V]."""
LONGEST_RETRY_AFTER = 60.0
"""Seconds; the longest `Retry-After` that is honoured."""
LONGEST_IN_ALL = 300.0
"""Seconds from the first try; no further try begins after that."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryTiming:
    """Time and randomness, as arguments."""

    sleep: Callable[[float], None]
    """In seconds."""
    random: Callable[[], float]
    """0 ≤ x < 1."""
    now: Callable[[], float] = time.time
    """Seconds since 1970, to compare an HTTP date in `Retry-After` with."""


class Retries:
    """Retries reads. Safe to share between threads."""

    def __init__(self, timing: RetryTiming) -> None:
        self._timing = timing

    def run(self, attempt: Callable[[], T]) -> T:
        """Return the result of `attempt`, retrying on TransientError.

        Raises the TransientError of the last try once tries are used up; any other exception passes at once.
        """
        began, tries, slept = time.monotonic(), 0, 0.0
        while True:
            tries += 1
            try:
                return attempt()
            except TransientError as failure:
                wait = wait_seconds(self._timing, tries, failure.retry_after)
                since_start = max(time.monotonic() - began, slept)
                if tries == ATTEMPTS or since_start + wait > LONGEST_IN_ALL:
                    raise
            self._timing.sleep(wait)
            slept += wait


def wait_seconds(timing: RetryTiming, tries: int, retry_after: str | None) -> float:
    """Return the seconds to wait after try number `tries`: the server's request, else doubling full jitter."""
    asked = asked_seconds(retry_after, timing.now)
    if asked:
        return min(asked, LONGEST_RETRY_AFTER)
    return timing.random() * min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (tries - 1))


def asked_seconds(retry_after: str | None, now: Callable[[], float]) -> float | None:
    """Return what `retry_after_seconds` returns; its module is loaded once there is such a header."""
    if retry_after is None:
        return None
    module = importlib.import_module("reconciler.client.http.retry_after")
    found: float | None = module.retry_after_seconds(retry_after, now)
    return found
