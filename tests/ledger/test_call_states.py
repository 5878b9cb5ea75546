"""The state machine of money, exhaustively: whatever is said about an attempt in whatever order, no payment is lost."""

from itertools import product

import pytest

from reconciler.ledger import call_states
from reconciler.ledger.call_states import CallProgress
from reconciler.model.history import CallState

ENDINGS = [state for state in CallState if state is not CallState.INTENT]
OPEN = (CallState.INTENT, CallState.IN_DOUBT)
UNPAID = (CallState.NOT_SENT, CallState.REFUSED)
STANDINGS = [
    CallProgress(state, attempt, payments)
    for state, attempt, payments in product(CallState, (1, 2, 3), (0, 1, 2))
    if (payments > 0 or state is not CallState.ACCEPTED) and (payments == 0 or state not in UNPAID)
]
ENDED = [
    (standing, attempt, ending, counted)
    for standing, ending, counted in product(STANDINGS, ENDINGS, (False, True))
    for attempt in range(1, standing.attempt + 1)
    if standing.payments or not counted
]


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_attempt_in_time_ends_as_its_sender_says(ending: CallState) -> None:
    """The straight road: intent, then its ending."""
    move = call_states.end(CallProgress(CallState.INTENT, 1, 0), 1, ending, counted=False)
    assert move.standing == CallProgress(ending, 1, int(ending is CallState.ACCEPTED))
    assert (move.late, move.reopens, move.complaint) == (False, False, "")


def test_no_ending_takes_a_payment_back() -> None:
    """Payments never shrink, and a call that was paid for is never closed as unpaid."""
    for standing, attempt, ending, counted in ENDED:
        after = call_states.end(standing, attempt, ending, counted=counted).standing
        assert after.payments >= standing.payments
        assert after.attempt == standing.attempt
        assert not (after.payments and after.state in UNPAID), (standing, attempt, ending)


def test_accepted_is_final() -> None:
    """Nothing leads out of it."""
    for standing, attempt, ending, counted in ENDED:
        if standing.state is CallState.ACCEPTED:
            assert call_states.end(standing, attempt, ending, counted=counted).standing.state is CallState.ACCEPTED


def test_every_acceptance_counts_once() -> None:
    """And leaves the call accepted, unless a newer attempt is still on its way."""
    for standing, attempt, ending, counted in ENDED:
        if ending is CallState.ACCEPTED:
            after = call_states.end(standing, attempt, ending, counted=counted).standing
            assert after.payments == standing.payments + (not counted)
            newer_is_open = attempt < standing.attempt and standing.state in OPEN
            assert after.state is (standing.state if newer_is_open else CallState.ACCEPTED)


def test_only_the_newest_attempt_closes_a_call_as_unpaid() -> None:
    """And only from an intent: a late word can never make cells due again."""
    for standing, attempt, ending, counted in ENDED:
        after = call_states.end(standing, attempt, ending, counted=counted).standing
        if after.state in UNPAID and standing.state not in UNPAID:
            assert (standing.state, attempt, standing.payments) == (CallState.INTENT, standing.attempt, 0)


def test_reopening_is_always_said() -> None:
    """A call closed as unpaid that is no longer so makes plans made since fail."""
    for standing, attempt, ending, counted in ENDED:
        move = call_states.end(standing, attempt, ending, counted=counted)
        assert move.reopens == (standing.state in UNPAID and move.standing.state not in UNPAID)


def test_a_superseded_sender_is_always_told() -> None:
    """Unless its acceptance is the only one and the newer attempt bought nothing."""
    for standing, attempt, ending, counted in ENDED:
        move = call_states.end(standing, attempt, ending, counted=counted)
        if attempt == standing.attempt:
            assert move.complaint == ""
        elif not (ending is CallState.ACCEPTED and standing.state in UNPAID):
            assert move.complaint


@pytest.mark.parametrize("landed", [True, False])
def test_resolving_ends_every_doubt(landed: bool) -> None:
    """Landed is a payment; not landed leaves what an earlier attempt paid for."""
    for standing in STANDINGS:
        if standing.state in OPEN:
            after = call_states.resolve(standing, landed=landed).standing
            assert after.payments == standing.payments + landed
            assert after.state is (CallState.ACCEPTED if after.payments else CallState.NOT_SENT)
