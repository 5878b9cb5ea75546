"""How often and how patiently a read is tried again. Run calls are never retried here, or anywhere in this package.

tenacity drives it, and not stamina on top of it: stamina sleeps with `time.sleep` and takes its chance from the global
`random`, so it could neither be woken when a 401 stops everything nor be tested without waiting.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

import tenacity

from reconciler.client.http.connection import TransientError

ATTEMPTS = 5
"""Tries of one read, the first included."""
FIRST_WAIT = 1.0
"""Seconds; the upper end of the first wait, doubled for each further one."""
LONGEST_WAIT = 10.0
"""Seconds; no backoff is longer. A 5xx wants 5 to 10 [V]."""
LONGEST_RETRY_AFTER = 60.0
"""Seconds; a server that asks for more gets this much patience."""
LONGEST_IN_ALL = 300.0
"""Seconds from the first try; no further one begins after that."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryTiming:
    """Time and chance, as arguments."""

    sleep: Callable[[float], None]
    """Takes seconds."""
    random: Callable[[], float]
    """0 ≤ x < 1."""
    now: Callable[[], float] = time.time
    """Seconds since 1970: what an HTTP date in `Retry-After` is compared with."""


class Retries:
    """Tries reads again. Safe to share between threads."""

    def __init__(self, patience: RetryTiming) -> None:
        self._patience = patience
        self._retrying = tenacity.Retrying(
            sleep=patience.sleep,
            wait=self._wait,
            stop=_has_had_enough,
            retry=tenacity.retry_if_exception_type(TransientError),
            reraise=True,
        )

    def run(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` returns, after as many tries as it takes.

        Raises TransientError, that of the last try, when there were enough of them; anything else passes at once.
        """
        return self._retrying(attempt)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.retry_after if isinstance(failure, TransientError) else None
        return wait_seconds(self._patience, state.attempt_number, asked)


def wait_seconds(patience: RetryTiming, tries: int, retry_after: str | None) -> float:
    """Return the seconds to wait after try number `tries`: what the server asked for, else full jitter, doubling."""
    asked = retry_after_seconds(retry_after, patience.now)
    if asked:
        return min(asked, LONGEST_RETRY_AFTER)
    return patience.random() * min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (tries - 1))


def retry_after_seconds(text: str | None, now: Callable[[], float]) -> float | None:
    """Return how long a `Retry-After` asks to wait: seconds or an HTTP date; None where it is absent or nonsense.

    `now` gives seconds since 1970. A date that has passed is 0.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        return max(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now(), 0.0)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _has_had_enough(state: tenacity.RetryCallState) -> bool:
    since_start = max(state.seconds_since_start or 0.0, state.idle_for)
    return state.attempt_number >= ATTEMPTS or since_start + state.upcoming_sleep > LONGEST_IN_ALL
