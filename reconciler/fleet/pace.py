"""The rate that all workers of a workspace share: one statement by the ledger's clock for each request."""

import threading
from collections.abc import Callable

from reconciler.errors import NotSent
from reconciler.ledger.rates import Rates
from reconciler.operations.apply_events import Interrupt
from reconciler.spending.elapsed import elapsed

_ASKS_EVERY_SECONDS = 1.0
"""Without a rate: how often the ledger is asked whether the API wants no requests for now."""
_LONG_SECONDS = 1.0
"""A longer wait counts as long: a worker may be killed during it, so it first records what it knows."""


class SharedPace:
    """Lets requests through at the workspace's rate, whichever machine sends them. Safe to share between threads."""

    def __init__(
        self,
        rates: Rates,
        workspace: str,
        per_second: float | None,
        interrupt: Interrupt,
        on_wait: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`on_wait` is told how many seconds each request has to wait."""
        self._on_wait = on_wait
        self._rates = rates
        self._workspace = workspace
        self._per_second = per_second
        self._interrupt = interrupt
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._held_until = float("-inf")

    def admit(self, before_long: Callable[[], object] = lambda: None) -> None:
        """Wait until a request may be sent; before a long wait, call `before_long`. Raises LedgerError.

        Returns at once if the worker was told to end, which senders check next.
        """
        if self._per_second is not None:
            self._wait(self._rates.take(self._workspace, self._per_second), before_long)
            return
        with self._lock:
            now = elapsed()
            if now - self._asked_at >= _ASKS_EVERY_SECONDS:
                self._asked_at, self._held_until = now, now + self._rates.held(self._workspace)
            left = self._held_until - now
        self._wait(max(0.0, left), before_long)

    def _wait(self, seconds: float, before_long: Callable[[], object]) -> None:
        self._on_wait(seconds)
        if seconds > _LONG_SECONDS:
            before_long()
        if seconds > 0:
            self._interrupt.sleep(seconds)

    def admit_read(self) -> None:
        """Wait until a read may be sent. Raises NotSent if the worker was told to end, and LedgerError."""
        self.admit()
        if self._interrupt:
            raise NotSent("not read, because the worker was told to end")

    def hold(self, seconds: float) -> None:
        """Let no machine send a request for so long, as the API asked, and wait that long. Raises LedgerError."""
        self._rates.hold(self._workspace, seconds)
        with self._lock:
            self._held_until = max(self._held_until, elapsed() + seconds)
        self._interrupt.sleep(seconds)
