"""The two ways between an apply and whoever waits for it: what it tells as it goes, and what asks it to end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from reconciler.model.attempt import CallResult
from reconciler.model.observed import TableStatus
from reconciler.model.plan import Plan


def _ignore(_: object) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class ApplyEvents:
    """What an apply tells while it works; an event that is left out is told to nobody.

    Only `on_plan` may raise, and then nothing is sent.
    """

    on_plan: Callable[[Plan], None] = _ignore
    """What is still due of a plan that was approved before, just before it is sent."""
    on_result: Callable[[CallResult], None] = _ignore
    """What became of a call, as soon as it is known."""
    waiting: Callable[[int], AbstractContextManager[object]] = nullcontext
    """Entered while a wave is waited for, with the number of its cells."""
    on_poll: Callable[[Mapping[str, TableStatus]], None] = _ignore
    """How the tables stand that are waited for, by id."""
    on_unrecorded: Callable[[str], None] = _ignore
    """The ledger did not keep what became of a call: this record of it, JSON, is for a person to keep. Called from the
    thread that sent the call."""
    on_trouble: Callable[[str], None] = _ignore
    """Something went wrong that does not change what was spent."""


class Interrupt:
    """Set by a signal handler; read wherever an apply may stop.

    Nothing here takes a lock in Python: a handler that waited for one its own thread holds would never return.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._abandon: tuple[Callable[[], None], ...] = ()
        self._is_reading = False
        self.is_sending = False
        """True from just before the first intent: from then on an apply ends with its report, whatever happens."""
        self.is_over = False
        """True once nothing is left to do but to report."""

    def set(self) -> None:
        """Ask for the end; the call in flight is finished and recorded first."""
        self._is_set = True
        self._wake.put(None)
        if self._is_reading:
            # Nothing is in flight that its end would have to wait for.
            self._abandon[-1]()

    def abandons(self, sending: Callable[[], None], reading: Callable[[], None]) -> None:
        """Say what `insist` calls, in this order; each must be fit to be called by a signal handler."""
        self._abandon = (sending, reading)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While nothing is sent and tables are only looked at, the first request for the end ends that, too."""
        self._is_reading = bool(self._abandon)
        try:
            yield
        finally:
            self._is_reading = False

    def insist(self) -> None:
        """Ask for the end at once: the waiting for calls in flight ends, too."""
        self.set()
        for abandon in self._abandon:
            abandon()

    def __bool__(self) -> bool:
        return self._is_set

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the interrupt."""
        with suppress(Empty):
            self._wake.get(timeout=max(0.0, seconds))
            self._wake.put(None)  # for the next one who sleeps
