"""Drive a plan's calls through the spend protocol: intent durable, POST once, outcome durable.

The order of the lines in `_attempt` is the promise of the whole program: the rules R1, R2, R3 and R6 of
`spending/__init__.py`. The runner bounds the POST by T, and the ledger issues a ticket by compare-and-set, whose holder
alone sends. R4 and R5 are in `spending/doubt.py`.

An acceptance may share the commit of its lane's next intent, which follows at once. A process killed before that
commit leaves an open intent, just like one killed before any outcome. Every other outcome has its own commit.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from queue import SimpleQueue
from typing import Protocol

from reconciler.errors import InDoubt, Leased, LedgerError, LimitExceeded, NotSent, Refused, Stopped
from reconciler.model.attempt import Actor, CallResult, Ended, Ending, Intent, Receipt, Stop, StopCause, Ticket
from reconciler.model.history import CallState
from reconciler.model.plan import Call, Plan

STOPS_ALL_SPENDING = frozenset({401, 402, 403, 429})
"""Refusals that the next call would get too: no token, no credits, no quota [V]."""

REFUSALS = STOPS_ALL_SPENDING | {400, 404, 405, 409, 410, 411, 413, 414, 415, 422}
"""Statuses that prove that nothing was started: by the API's documentation, or by their unambiguous meaning in HTTP.

No other status does: a gateway may answer 408, 499 or 502 to a request that the API carried out.
"""

MOST_ATTEMPTS = 3
"""Attempts of a call that provably was not sent, in one apply."""

MOST_TROUBLES = 5
"""Calls in a row without a clear answer after which the apply stops sending."""

LONGEST_HOLD_SECONDS = 3600.0
"""A 429 that asks to wait for longer stops the apply, like one without: a header must not hold it for days."""


class Runner(Protocol):
    """Sends run calls. `client` implements it over HTTP."""

    def send(self, call: Call, begin_by: float) -> Receipt:
        """POST `call` once and return the 2xx answer; the whole call is bounded by T seconds.

        Those begin no later than `begin_by` on `SendTiming.clock`: a process suspended on the way has fewer left.
        Raises NotSent, Refused or InDoubt; any other exception counts as in doubt.
        """


@dataclass(frozen=True, slots=True)
class Effects:
    """The side effects of an apply; called from the threads of several tables at once."""

    send: Callable[[Call, float], Receipt]
    """As `Runner.send`."""
    begin: Callable[[Intent], Ticket]
    """Records an intent, durable on return, if the table's version still equals the intent's.

    Raises Leased if the version changed (another apply began a call for the table), LimitExceeded if a budget would be
    passed, Stopped if the apply was stopped on another machine, LedgerError if it cannot be written.
    """
    end: Callable[[Ticket, Ending], None]
    """Records how an attempt ended, durable on return. Raises LedgerError."""
    on_unrecorded: Callable[[Call, Ticket, Ending], None]
    """Receives an ending that could not be recorded, so that a person can record it."""


@dataclass(frozen=True, slots=True)
class SendTiming:
    """The apply loop's clock, deadlines and concurrency."""

    send_within_seconds: float
    """D."""
    clock: Callable[[], float]
    """Monotonic seconds."""
    pause: Callable[[int], None]
    """Waits before attempt number n + 1 of a call that was not sent."""
    admit: Callable[[Callable[[], object]], object] = lambda _: None
    """Waits until a request may be sent, if there is a rate; before the clock of an attempt starts. If that takes long,
    it first calls its argument, which records what is known."""
    hold: Callable[[float], object] | None = None
    """Told for how many seconds a 429 asks to wait: waits, and the call is tried again. Without it a 429 stops all."""
    concurrency: int = 1
    """Tables whose calls are in flight at once; calls of one table are sent one at a time."""


@dataclass(slots=True)
class _Lane:
    """Calls that are sent one after the other, table by table."""

    kept: tuple[Call, Ended] | None = None
    """The last accepted call, if its ending still has to be recorded."""


class SpendProtocol:
    """One apply of one plan. Call `run` once; `stop` may be called while it runs, even from a signal handler."""

    def __init__(
        self,
        plan: Plan,
        effects: Effects,
        timing: SendTiming,
        *,
        plan_id: str,
        actor: Actor,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Once `interrupted` returns True, the calls in flight are finished and recorded, and nothing more is sent."""
        self._plan = plan
        self._effects = effects
        self._timing = timing
        self._plan_id = plan_id
        self._actor = actor
        self._interrupted = interrupted
        self._lock = threading.Lock()
        self._labels = {table.manifest: table.labels for table in plan.tables}
        self._versions = {table.table_id: table.ledger_version for table in plan.tables}
        self._troubles = 0
        self.stopped: Stop | None = None

    def stop(self, stop: Stop) -> None:
        """Send nothing more once the calls in flight have ended; the first reason is kept."""
        with self._lock:
            self.stopped = self.stopped or stop

    def _may_send(self) -> bool:
        if self._interrupted():
            self.stop(Stop(StopCause.INTERRUPTED, "interrupted"))
        return self.stopped is None

    def run(self) -> Iterator[CallResult]:
        """Send the plan's calls and yield each result as soon as it is known."""
        calls = sorted(self._plan.calls, key=lambda call: call.table_id)
        tables = [list(of_table) for _, of_table in groupby(calls, key=lambda call: call.table_id)]
        count = min(self._timing.concurrency, len(tables))
        waiting: SimpleQueue[list[Call] | None] = SimpleQueue()
        known: SimpleQueue[CallResult | None] = SimpleQueue()
        for of_table in [*tables, *[None] * count]:
            waiting.put(of_table)
        with ThreadPoolExecutor(self._timing.concurrency, thread_name_prefix="apply") as pool:
            lanes = [pool.submit(self._run_lane, waiting, known) for _ in range(count)]
            try:
                for _ in lanes:
                    # A lane ends with None, even if it failed.
                    yield from iter(known.get, None)
            except BaseException:
                # Leaving the pool waits for its lanes; without a stop they would go on sending until they are done.
                self.stop(Stop(StopCause.INTERRUPTED, "interrupted"))
                raise
        for lane in lanes:
            lane.result()

    def _run_lane(self, waiting: "SimpleQueue[list[Call] | None]", known: "SimpleQueue[CallResult | None]") -> None:
        """Send the calls of one table after the other, as long as any are waiting."""
        lane, ended_by = _Lane(), None
        try:
            for calls in iter(waiting.get, None):
                ended_by = self._run_table(lane, calls, known) or ended_by
            self._record_kept(lane)
        finally:
            known.put(None)
        if ended_by is not None:
            raise ended_by

    def _run_table(
        self, lane: _Lane, calls: Sequence[Call], known: "SimpleQueue[CallResult | None]"
    ) -> BaseException | None:
        """Send the calls of a table; return what is to be raised once all calls have a result."""
        left = list(calls)
        try:
            for result in self._results(lane, calls):
                del left[0]
                known.put(result)
        except BaseException as error:
            self.stop(_unexpected(error))
            # Whatever happened, each call gets a result: the first may have been sent, the others were not.
            for call in left:
                lost = (
                    Ending(CallState.IN_DOUBT, "an unexpected failure while it was sent") if call is left[0] else None
                )
                known.put(CallResult(call, lost, "" if lost else "the apply had stopped: an unexpected failure"))
            return None if isinstance(error, Exception) else error
        return None

    def _results(self, lane: _Lane, calls: Sequence[Call]) -> Iterator[CallResult]:
        given_up = ""
        for call in calls:
            if not self._may_send():
                assert self.stopped is not None
                yield CallResult(call, None, f"the apply had stopped: {self.stopped.message}")
            elif given_up:
                yield CallResult(call, None, given_up)
            else:
                result = self._send(lane, call)
                given_up = self._after(result)
                yield result

    def _send(self, lane: _Lane, call: Call) -> CallResult:
        """Attempt the call until the outcome is something other than *not sent*, or a 429 that says until when."""
        ending: Ending | None = None
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                self._timing.admit(partial(self._record_kept, lane))
                if not self._may_send():
                    assert self.stopped is not None
                    return CallResult(call, ending, "" if ending else f"the apply had stopped: {self.stopped.message}")
                ending = self._attempt(lane, call, is_last=attempt == MOST_ATTEMPTS)
            except Exception as error:
                result = self._not_begun(call, error)
                self._record_kept(lane)  # the next intent may be long in coming
                return result
            if ending.retry_after is not None and ending.stop is None and self._timing.hold is not None:
                self._hold(ending.retry_after)
            elif ending.state is not CallState.NOT_SENT or attempt == MOST_ATTEMPTS:
                break
            elif self._may_send():
                self._timing.pause(attempt)
            if not self._may_send():
                break
        return CallResult(call, ending)

    def _hold(self, seconds: float) -> None:
        """Hold the workspace as the API asked; without the ledger nothing more is sent."""
        assert self._timing.hold is not None
        try:
            self._timing.hold(seconds)
        except LedgerError as error:
            self.stop(Stop(StopCause.LEDGER, error.message, error.hint))

    def _not_begun(self, call: Call, error: Exception) -> CallResult:
        """Return the result of a call whose intent was not recorded; errors in the POST and after are caught there."""
        if isinstance(error, LimitExceeded):
            return CallResult(call, Ending(CallState.NOT_SENT, error.message, passes_budget=True))
        if isinstance(error, Stopped):
            self.stop(Stop(StopCause(error.cause), error.message, error.hint))
            return CallResult(call, None, f"the apply had stopped: {error.message}")
        if isinstance(error, Leased):
            self.stop(Stop(StopCause.LEASED, error.message, error.hint))
            return CallResult(call, None, error.message)
        if isinstance(error, LedgerError):
            self.stop(Stop(StopCause.LEDGER, error.message, error.hint))
            return CallResult(call, None, f"nothing was sent: {error.message}")
        self.stop(_unexpected(error))
        return CallResult(call, None, "nothing was sent: the intent was not recorded")

    def _attempt(self, lane: _Lane, call: Call, *, is_last: bool) -> Ending:
        started = self._timing.clock()  # R1
        _, ended = lane.kept or (None, None)
        labels, version = self._labels[call.manifest], self._versions[call.table_id]
        intent = Intent(call, self._plan_id, self._actor, labels, version, ended)
        ticket = self._effects.begin(intent)  # R2, R6
        lane.kept = None
        self._versions[call.table_id] = ticket.table_version
        waited = self._timing.clock() - started
        if waited < self._timing.send_within_seconds:  # R3
            ending = self._post(call, ticket, started + self._timing.send_within_seconds)
            ending = replace(ending, stop=self._stop_after(call, ending, is_last=is_last))
        else:
            ending = Ending(CallState.NOT_SENT, f"the ledger took {waited:.1f} s to record the intent")
        if ending.state is CallState.ACCEPTED:
            # Two commits in one: it becomes durable with the lane's next intent, which comes at once or not at all.
            lane.kept = (call, Ended(ticket, ending, call.table_id))
        else:
            self._record(call, ticket, ending)
        return ending

    def _post(self, call: Call, ticket: Ticket, begin_by: float) -> Ending:
        try:
            receipt = self._effects.send(call, begin_by)
        except NotSent as error:
            return Ending(CallState.NOT_SENT, error.message)
        except Refused as error:
            return Ending(CallState.REFUSED, error.message, error.status, retry_after=error.retry_after)
        except InDoubt as error:
            return Ending(CallState.IN_DOUBT, error.message, error.status)
        except Exception as error:  # an unlisted exception leaves the call in doubt
            return Ending(CallState.IN_DOUBT, f"unexpected {type(error).__name__} while sending")
        except BaseException:
            self._record(call, ticket, Ending(CallState.IN_DOUBT, "interrupted while sending"))
            raise
        return Ending(CallState.ACCEPTED, receipt=receipt)

    def _record(self, call: Call, ticket: Ticket, ending: Ending) -> None:
        try:
            self._effects.end(ticket, ending)
        except LedgerError as error:
            self._effects.on_unrecorded(call, ticket, ending)
            self.stop(Stop(StopCause.LEDGER, f"the ledger could not record an outcome: {error.message}", error.hint))
        except Exception as error:
            self._effects.on_unrecorded(call, ticket, ending)
            self.stop(_unexpected(error))

    def _record_kept(self, lane: _Lane) -> None:
        if lane.kept is not None:
            (call, ended), lane.kept = lane.kept, None
            self._record(call, ended.ticket, ended.ending)

    def _after(self, result: CallResult) -> str:
        """Act on a result; return why the table's remaining calls are skipped, if they are."""
        ending = result.ending
        if ending is None:
            return result.reason
        if ending.stop is not None:
            self.stop(ending.stop)
        if ending.passes_budget:
            return ""  # a smaller call may still fit
        if ending.state is CallState.ACCEPTED:
            self._count_trouble(0)
            return ""
        if ending.state is CallState.REFUSED:
            self._count_trouble(0)
        elif (troubles := self._count_trouble(1)) >= MOST_TROUBLES:
            message = f"{troubles} calls in a row got no clear answer"
            self.stop(Stop(StopCause.TROUBLE, message, "Check the state of the API before you apply again."))
        return f"call {result.call.id[:8]} for the same table {trouble_words(ending.state)}"

    def _count_trouble(self, more: int) -> int:
        """Return how many calls in a row have had no clear answer; `more=0` starts over."""
        with self._lock:
            self._troubles = self._troubles + more if more else 0
            return self._troubles

    def _stop_after(self, call: Call, ending: Ending, *, is_last: bool) -> Stop | None:
        """Return why nothing more may be sent once this is known of a call; it is recorded with the ending."""
        if ending.state is CallState.REFUSED and ending.status in STOPS_ALL_SPENDING:
            asked = ending.retry_after
            is_short = asked is not None and asked <= LONGEST_HOLD_SECONDS
            if is_short and self._timing.hold is not None and not is_last:
                return None
            return Stop(StopCause.REFUSED, f"the API refused a call: {ending.detail}")
        requested = ending.receipt.requested_cells if ending.receipt else None
        if requested is not None and requested > call.cells:
            message = f"{call.address} asked for {call.cells:,} cells and the API accepted {requested:,}"
            return Stop(StopCause.OVERBOUGHT, message, "Check the table before you apply again.")
        return None


def trouble_words(state: CallState) -> str:
    """Return what became of a call that was not accepted, after its name."""
    return {CallState.REFUSED: "was refused", CallState.NOT_SENT: "could not be sent"}.get(state, "is in doubt")


def _unexpected(error: BaseException) -> Stop:
    # Not its text: a library's message may quote something that no terminal should show.
    return Stop(
        StopCause.TROUBLE,
        f"an unexpected {type(error).__name__} while sending",
        "Report it as a bug. `reconciler ledger list` shows what was recorded.",
    )
