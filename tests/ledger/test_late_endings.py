"""A sender may wake up after its call was recovered: what it says then must lose no payment and undo no verdict."""

import pytest

from reconciler.errors import Leased, LedgerError
from reconciler.ledger import Ledger
from reconciler.model.attempt import Ticket, Verdict
from reconciler.model.history import CallState
from reconciler.model.plan import Call
from tests.ledger.calls_and_actors import ALICE, TABLE, a_call, accepted, begin, ended, kinds, state_of


def _recover(ledger: Ledger, call: Call, *, landed: bool, attempt: int = 1) -> CallState:
    return ledger.resolve(Verdict(call.id, attempt, landed=landed, reason="evidence", actor=ALICE))


@pytest.fixture
def ticket(ledger: Ledger) -> Ticket:
    """The ticket of a sender that has fallen silent."""
    return begin(ledger, a_call())


def test_an_acceptance_beats_a_verdict_of_not_sent(ledger: Ledger, other: Ledger, ticket: Ticket) -> None:
    """The call is paid for whatever recovery thought, and plans made in between fail."""
    _recover(other, a_call(), landed=False)
    version = other.recall([TABLE])[TABLE].version
    ledger.end(ticket, accepted())
    assert state_of(other, a_call()) == (CallState.ACCEPTED, 1)
    assert kinds(other, a_call()) == [("intent", 1), ("resolved", 1), ("accepted", 1)]
    with pytest.raises(Leased):
        begin(other, a_call(2), version=version)


def test_a_doubt_beats_a_verdict_of_not_sent(ledger: Ledger, other: Ledger, ticket: Ticket) -> None:
    """The sender says it did send: the cells are blocked again, and plans made in between fail."""
    _recover(other, a_call(), landed=False)
    version = other.recall([TABLE])[TABLE].version
    ledger.end(ticket, ended(CallState.IN_DOUBT))
    assert state_of(other, a_call()) == (CallState.IN_DOUBT, 1)
    with pytest.raises(Leased):
        begin(other, a_call(2), version=version)


@pytest.mark.parametrize("state", [CallState.NOT_SENT, CallState.REFUSED, CallState.IN_DOUBT])
def test_nothing_late_undoes_an_acceptance(ledger: Ledger, other: Ledger, ticket: Ticket, state: CallState) -> None:
    """Landed by evidence stays landed; the contradiction is kept as an event."""
    _recover(other, a_call(), landed=True)
    ledger.end(ticket, ended(state))
    assert state_of(other, a_call()) == (CallState.ACCEPTED, 1)
    assert kinds(other, a_call())[-1] == (state.value, 1)
    assert other.events(a_call().id)[-1].detail["late"] is True


def test_a_late_acceptance_adds_its_receipt_and_is_paid_once(ledger: Ledger, other: Ledger, ticket: Ticket) -> None:
    """Evidence and receipt speak of one payment."""
    _recover(other, a_call(), landed=True)
    ledger.end(ticket, accepted("run-7", 2))
    record = other.find(a_call().id)
    assert (record.run_id, record.requested_cells, record.payments) == ("run-7", 2, 1)


@pytest.mark.parametrize("state", [CallState.NOT_SENT, CallState.REFUSED])
def test_a_doubt_is_not_talked_away_by_the_same_sender(ledger: Ledger, ticket: Ticket, state: CallState) -> None:
    """Once it said in doubt, only an acceptance, evidence or a person ends it."""
    ledger.end(ticket, ended(CallState.IN_DOUBT))
    ledger.end(ticket, ended(state))
    assert state_of(ledger, a_call()) == (CallState.IN_DOUBT, 1)
    ledger.end(ticket, accepted())
    assert state_of(ledger, a_call()) == (CallState.ACCEPTED, 1)


@pytest.mark.parametrize("state", list(CallState)[1:])
def test_an_ending_of_an_older_attempt_is_recorded_and_reported(
    ledger: Ledger, other: Ledger, ticket: Ticket, state: CallState
) -> None:
    """R6 was broken somewhere: the sender is told, and the newer attempt keeps its state."""
    _recover(other, a_call(), landed=False)
    begin(other, a_call())
    with pytest.raises(LedgerError, match="attempt 1 ended after attempt 2 had begun"):
        ledger.end(ticket, ended(state))
    assert state_of(other, a_call()) == (CallState.INTENT, 2)
    assert kinds(other, a_call())[-1] == (state.value, 1)


@pytest.mark.parametrize("state", [CallState.NOT_SENT, CallState.REFUSED])
def test_an_older_acceptance_survives_a_newer_attempt_that_bought_nothing(
    ledger: Ledger, other: Ledger, ticket: Ticket, state: CallState
) -> None:
    """In either order of the two endings the call is paid for, once."""
    _recover(other, a_call(), landed=False)
    second = begin(other, a_call())
    with pytest.raises(LedgerError):
        ledger.end(ticket, accepted())
    other.end(second, ended(state))
    assert state_of(other, a_call()) == (CallState.ACCEPTED, 2)
    assert other.find(a_call().id).payments == 1


def test_an_older_acceptance_after_a_newer_attempt_bought_nothing(
    ledger: Ledger, other: Ledger, ticket: Ticket
) -> None:
    """The truth of the first attempt arrives last, and is kept without complaint."""
    _recover(other, a_call(), landed=False)
    other.end(begin(other, a_call()), ended(CallState.NOT_SENT))
    ledger.end(ticket, accepted())
    assert state_of(other, a_call()) == (CallState.ACCEPTED, 2)


def test_a_doubt_after_an_older_acceptance_resolves_to_accepted(ledger: Ledger, other: Ledger, ticket: Ticket) -> None:
    """Attempt 2 did not land, attempt 1 did: the call was paid for."""
    _recover(other, a_call(), landed=False)
    begin(other, a_call())
    with pytest.raises(LedgerError):
        ledger.end(ticket, accepted())
    assert _recover(other, a_call(), landed=False, attempt=2) is CallState.ACCEPTED


def test_a_double_payment_is_counted(ledger: Ledger, other: Ledger, ticket: Ticket) -> None:
    """If the worst happens, it is shown: two payments, in the record and in the report."""
    _recover(other, a_call(), landed=False)
    other.end(begin(other, a_call()), accepted("run-2"))
    with pytest.raises(LedgerError):
        ledger.end(ticket, accepted("run-1"))
    assert other.find(a_call().id).payments == 2
    assert (other.report("table")[0].calls, other.report("table")[0].cells) == (2, 6)
