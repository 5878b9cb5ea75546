"""Problems of a worker, reported to a person: one that recurs every second is not reported every second."""

import threading
from collections.abc import Callable

from reconciler.spending.elapsed import elapsed

AGAIN_SECONDS = 60.0
"""After which the same problem is reported again."""
_MOST_REMEMBERED = 1000


class Troubles:
    """Reports each problem at most once a minute. Safe to share between threads."""

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = elapsed) -> None:
        """`clock` returns seconds, and never goes back."""
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._told_at: dict[str, float] = {}

    def tell(self, trouble: str) -> None:
        """Report a problem, unless it was reported a short while ago."""
        now = self._clock()
        with self._lock:
            if now - self._told_at.get(trouble, float("-inf")) < AGAIN_SECONDS:
                return
            if len(self._told_at) >= _MOST_REMEMBERED:
                self._told_at.clear()
            self._told_at[trouble] = now
        self._tell(trouble)
