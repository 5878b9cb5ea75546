"""Communication with a running apply: the events it reports, and the interrupt that asks it to end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from reconciler.model.attempt import CallResult
from reconciler.model.observed import TableStatus
from reconciler.model.plan import Plan


def _ignore(_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class ApplyEvents:
    """Callbacks for the events of a running apply; an event without one is ignored.

    If `on_plan` raises, nothing is sent, and if `waiting` does, the apply ends with its report. Whatever the others
    raise is logged, and the apply goes on: an `Interrupt` ends it.
    """

    on_plan: Callable[[Plan], None] = _ignore
    """The part of an already approved plan that is still due, just before it is sent."""
    on_result: Callable[[CallResult], None] = _ignore
    """The result of a call, as soon as it is known."""
    waiting: Callable[[int], AbstractContextManager[object]] = nullcontext
    """Entered while waiting for a wave, with the number of its cells."""
    on_poll: Callable[[Mapping[str, TableStatus]], None] = _ignore
    """The status of the tables that are waited for, by id."""
    on_unrecorded: Callable[[str], None] = _ignore
    """The ledger could not record the outcome of a call: this record of it, JSON, is for a person to keep. Called from
    the thread that sent the call."""
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
        """True from just before the first intent: from then on an apply always ends with its report."""
        self.is_over = False
        """True once only the report is left to do."""
        self.is_hurried = False
        """True if a signal came after that: whatever the report does not need ends at once."""

    def set(self) -> None:
        """Ask the apply to end; the call in flight is finished and recorded first."""
        self._is_set = True
        self._wake.put(None)
        if self._is_reading:
            # No call is in flight that would have to be finished first.
            self._abandon[-1]()

    def abandons(self, sending: Callable[[], None], reading: Callable[[], None]) -> None:
        """Set what `insist` calls, in this order; each must be safe to call from a signal handler."""
        self._abandon = (sending, reading)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While tables are only read and nothing is sent, the first request to end stops the reading too."""
        self._is_reading = bool(self._abandon)
        try:
            yield
        finally:
            self._is_reading = False

    def insist(self) -> None:
        """Ask the apply to end at once, without waiting for calls in flight."""
        self.set()
        for abandon in self._abandon:
            abandon()

    def __bool__(self) -> bool:
        return self._is_set

    def sleep(self, seconds: float) -> None:
        """Sleep until the time is over or the interrupt is set."""
        with suppress(Empty):
            self._wake.get(timeout=max(0.0, seconds))
            self._wake.put(None)  # for the next sleeper
