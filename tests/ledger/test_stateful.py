"""Any order of intents, endings, verdicts, settlements and clock jumps, through two handles, on both stores."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from reconciler.errors import Leased, LedgerError
from reconciler.ledger import EventRecord, Ledger
from reconciler.model.attempt import Settlement, Ticket, Verdict
from reconciler.model.history import CallState
from tests.example_counts import examples
from tests.ledger.calls_and_actors import ALICE, ROBOT, Clock, a_call, begin, ended

UNPAID = (CallState.NOT_SENT, CallState.REFUSED)
OPEN = (CallState.INTENT, CallState.IN_DOUBT)
ENDINGS = st.sampled_from([state for state in CallState if state is not CallState.INTENT])
HANDLES = st.integers(0, 1)
_fresh = itertools.count(1)


@dataclass
class Seen:
    """The last known state of a call."""

    state: CallState | None = None
    attempt: int = 0
    payments: int = 0
    events: list[EventRecord] = field(default_factory=list)


class Calls(RuleBasedStateMachine):
    """Two calls of one table that its example has for itself, and everything that may be said about them."""

    def __init__(self, handles: list[Ledger], clock: Clock) -> None:
        super().__init__()
        number = next(_fresh)
        self.handles = handles
        self.clock = clock
        self.table = f"table-{number}"
        self.calls = [a_call(number * 2 + which, table=self.table) for which in (0, 1)]
        self.seen = [Seen(), Seen()]
        self.tickets: list[tuple[int, Ticket]] = []
        self.accepted: set[tuple[int, int]] = set()
        self.version = 0

    @rule(handle=HANDLES, which=HANDLES, stale=st.sampled_from([0, 0, 0, 1, -1]))
    def begin(self, handle: int, which: int, stale: int) -> None:
        """Only a call that is new or proven unpaid is begun, and only by who knows the table's version."""
        before = self.seen[which]
        allowed = stale == 0 and (before.state is None or before.state in UNPAID)
        try:
            ticket = begin(self.handles[handle], self.calls[which], version=self.version + stale)
        except Leased:
            assert stale != 0 or before.state is CallState.INTENT
            return
        except LedgerError:
            assert stale == 0
            assert before.state in (CallState.IN_DOUBT, CallState.ACCEPTED)
            return
        assert allowed
        assert (ticket.attempt, ticket.table_version) == (before.attempt + 1, self.version + 1)
        self.tickets.append((which, ticket))

    @precondition(lambda self: self.tickets)
    @rule(handle=HANDLES, data=st.data(), ending=ENDINGS)
    def end(self, handle: int, data: st.DataObject, ending: CallState) -> None:
        """Anybody who ever had a ticket may speak, at any time."""
        which, ticket = data.draw(st.sampled_from(self.tickets))
        try:
            self.handles[handle].end(ticket, ended(ending))
        except LedgerError:
            assert ticket.attempt < self.seen[which].attempt
        if ending is CallState.ACCEPTED:
            self.accepted.add((which, ticket.attempt))

    @rule(handle=HANDLES, which=HANDLES, behind=st.integers(0, 1), landed=st.booleans(), quiet=st.sampled_from([0, 60]))
    def resolve(self, handle: int, which: int, behind: int, landed: bool, quiet: int) -> None:
        """Only a doubt about the newest attempt can be ended, and only after the quiet period."""
        before = self.seen[which]
        attempt = before.attempt - behind
        age = self._age(which)
        allowed = before.state in OPEN and behind == 0 and max(0, age) >= quiet
        try:
            self.handles[handle].resolve(
                Verdict(self.calls[which].id, attempt, landed=landed, reason="r", actor=ROBOT, min_age_seconds=quiet)
            )
        except LedgerError:
            assert not allowed
            return
        assert allowed
        if landed:
            self.accepted.add((which, attempt))

    @rule(handle=HANDLES, which=HANDLES, done=st.integers(0, 3))
    def settle(self, handle: int, which: int, done: int) -> None:
        """Only accepted calls settle."""
        try:
            self.handles[handle].settle(self.calls[which].id, Settlement(done, 0, 3 - done))
        except LedgerError:
            assert self.seen[which].state is not CallState.ACCEPTED
            return
        assert self.seen[which].state is CallState.ACCEPTED

    @rule(seconds=st.sampled_from([-3600, 1, 61, 3600]))
    def pass_time(self, seconds: int) -> None:
        """The store's clock moves, also backwards."""
        self.clock.now += seconds

    @rule(handle=HANDLES)
    def lease(self, handle: int) -> None:
        """Leases come and go without a trace in calls or versions."""
        ledger = self.handles[handle]
        ledger.release(ledger.acquire([self.table], owner="one", actor=ALICE, seconds=60))

    @invariant()
    def nothing_is_lost(self) -> None:
        """Attempts, payments, versions and events only grow; accepted is final; what was accepted stays paid for."""
        ledger = self.handles[0]
        history = self.handles[1].recall([self.table])[self.table]
        assert history.version >= self.version
        self.version = history.version
        recalled = {call.id: call.state for call in history.calls}
        for which, call in enumerate(self.calls):
            before = self.seen[which]
            events = ledger.events(call.id)
            assert events[: len(before.events)] == before.events
            if not events:
                assert call.id not in recalled
                continue
            record = ledger.find(call.id)
            assert record.attempt >= before.attempt
            assert record.payments >= before.payments
            assert before.state is not CallState.ACCEPTED or record.state is CallState.ACCEPTED
            assert record.payments == len({attempt for number, attempt in self.accepted if number == which})
            assert not (record.payments and record.state in UNPAID)
            assert record.state is not CallState.ACCEPTED or record.payments
            assert recalled.get(call.id, record.state) is record.state
            assert (call.id in recalled) == (record.state not in UNPAID)
            self.seen[which] = Seen(record.state, record.attempt, record.payments, events)
        numbers = sorted(event.seq for seen in self.seen for event in seen.events)
        assert numbers == list(range(1, len(numbers) + 1))

    def _age(self, which: int) -> float:
        events = [event for event in self.seen[which].events if event.kind == "intent"]
        return self.clock.now - events[-1].at if events else 0.0


def test_no_order_of_events_loses_a_payment(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """Two handles on one store, ten histories of 25 steps; 40 in the long run."""
    rules: Any = lambda: Calls([ledger, other], clock)  # noqa: E731
    run_state_machine_as_test(
        rules,
        settings=settings(
            max_examples=examples(80),
            stateful_step_count=25,
            database=None,
        ),
    )
