"""A doubt ends by evidence or a person, once, for the attempt that was looked at."""

import pytest

from reconciler.errors import Leased, LedgerError
from reconciler.ledger import Ledger
from reconciler.model.attempt import Verdict
from reconciler.model.history import CallState
from tests.ledger.calls_and_actors import ALICE, ROBOT, TABLE, Clock, a_call, accepted, begin, ended, state_of


@pytest.mark.parametrize("state", [CallState.INTENT, CallState.IN_DOUBT])
@pytest.mark.parametrize(("landed", "after"), [(True, CallState.ACCEPTED), (False, CallState.NOT_SENT)])
def test_a_doubt_is_resolved(ledger: Ledger, other: Ledger, state: CallState, landed: bool, after: CallState) -> None:
    """An intent without an ending and an answer that cannot be trusted are the same thing."""
    ticket = begin(ledger, a_call())
    if state is CallState.IN_DOUBT:
        ledger.end(ticket, ended(state))
    assert other.resolve(Verdict(a_call().id, 1, landed=landed, reason="looked", actor=ROBOT, evidence="idle")) is after
    assert state_of(ledger, a_call()) == (after, 1)
    assert ledger.events(a_call().id)[-1].detail == {
        "landed": landed,
        "reason": "looked",
        "who": "ci",
        "ci_run": "https://ci.example/runs/7",
        "evidence": "idle",
    }


@pytest.mark.parametrize("state", [CallState.ACCEPTED, CallState.REFUSED, CallState.NOT_SENT])
def test_only_a_doubt_can_be_resolved(ledger: Ledger, state: CallState) -> None:
    """A known outcome is not up for a vote."""
    ledger.end(begin(ledger, a_call()), ended(state))
    with pytest.raises(LedgerError, match="not in doubt"):
        ledger.resolve(Verdict(a_call().id, 1, landed=False, reason="no", actor=ALICE))


def test_a_verdict_on_an_older_attempt_is_refused(ledger: Ledger, other: Ledger) -> None:
    """Two recoverers stopped between reading and writing: only one verdict counts (R6)."""
    begin(ledger, a_call())
    ledger.resolve(Verdict(a_call().id, 1, landed=False, reason="first", actor=ALICE))
    begin(ledger, a_call())
    with pytest.raises(LedgerError, match="attempt 2"):
        other.resolve(Verdict(a_call().id, 1, landed=False, reason="second", actor=ALICE))
    assert state_of(ledger, a_call()) == (CallState.INTENT, 2)


def test_a_young_attempt_may_still_be_in_flight(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """The age counts from the last attempt, by the store's clock (R4)."""
    ledger.end(begin(ledger, a_call()), ended(CallState.NOT_SENT))
    clock.now += 1000
    begin(ledger, a_call())
    clock.now += 179.5
    with pytest.raises(LedgerError, match="may still be in flight"):
        other.resolve(Verdict(a_call().id, 2, landed=False, reason="early", actor=ALICE, min_age_seconds=180))
    clock.now += 0.5
    other.resolve(Verdict(a_call().id, 2, landed=False, reason="quiet", actor=ALICE, min_age_seconds=180))
    assert state_of(ledger, a_call()) == (CallState.NOT_SENT, 2)


def test_a_clock_that_jumps_back_makes_an_attempt_younger_not_older(
    ledger: Ledger, other: Ledger, clock: Clock
) -> None:
    """Doubt lasts longer, and nothing is paid twice."""
    begin(ledger, a_call())
    clock.now -= 3600
    assert other.recall([TABLE])[TABLE].calls[0].age_seconds == 0
    with pytest.raises(LedgerError, match="in flight"):
        other.resolve(Verdict(a_call().id, 1, landed=False, reason="early", actor=ALICE, min_age_seconds=1))


def test_a_clock_that_jumps_back_bars_no_verdict_that_need_not_wait(ledger: Ledger, clock: Clock) -> None:
    """Evidence that a call landed is as good before any time has passed."""
    begin(ledger, a_call())
    clock.now -= 3600
    ledger.resolve(Verdict(a_call().id, 1, landed=True, reason="the table shows it", actor=ALICE))
    assert state_of(ledger, a_call()) == (CallState.ACCEPTED, 1)


def test_a_verdict_under_a_lost_lease_is_refused(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    """A recoverer that was paused past its lease cannot decide any more."""
    begin(ledger, a_call())
    (lease,) = ledger.acquire([TABLE], owner="one", actor=ALICE, seconds=60)
    clock.now += 61
    other.acquire([TABLE], owner="two", actor=ROBOT, seconds=60)
    with pytest.raises(Leased, match="lost"):
        ledger.resolve(Verdict(a_call().id, 1, landed=False, reason="late", actor=ALICE), lease=lease)
    assert state_of(ledger, a_call()) == (CallState.INTENT, 1)


def test_resolving_an_unknown_call_is_an_error(ledger: Ledger) -> None:
    """Also in a ledger that does not exist yet."""
    with pytest.raises(LedgerError, match="no call"):
        ledger.resolve(Verdict("f" * 32, 1, landed=True, reason="?", actor=ALICE))


def test_a_call_resolved_as_landed_counts_as_spent(ledger: Ledger) -> None:
    """Planned cells stand in where no receipt says how many were asked for."""
    begin(ledger, a_call())
    ledger.resolve(Verdict(a_call().id, 1, landed=True, reason="moved", actor=ALICE))
    assert [(line.calls, line.cells) for line in ledger.report("table")] == [(1, 3)]
    ledger.end(begin(ledger, a_call(2)), accepted(requested=5))
    assert [(line.calls, line.cells) for line in ledger.report("table")] == [(2, 8)]
