"""The states of a call, and how each new fact moves it: the money's state machine, as pure functions.

Three things can be said about an attempt, by different processes and in any order: how it ended (by whoever sent it,
perhaps after a long pause), whether it landed (by whoever recovered it), and that a newer attempt was begun. The rules:

- An acceptance is never lost: whoever says so, whenever, the call counts as paid for, and no later word undoes it.
- A doubt beats an earlier verdict that nothing was sent, because the sender says it did send; never an acceptance.
- No other late word changes anything. It is kept as an event.
"""

from dataclasses import dataclass

from reconciler.model.history import CallState

_UNPAID = (CallState.NOT_SENT, CallState.REFUSED)
_OPEN = (CallState.INTENT, CallState.IN_DOUBT)


@dataclass(frozen=True, slots=True)
class CallProgress:
    """Where a call stands."""

    state: CallState
    attempt: int
    """The newest attempt begun."""
    payments: int
    """How many of its attempts were accepted."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The state of a call after a new fact."""

    standing: CallProgress
    reopens: bool = False
    """The call was closed as unpaid and no longer is: plans made since must fail, so the table's version grows."""
    late: bool = False
    """The fact came after another process had ended the attempt."""
    complaint: str = ""
    """The error to raise to the reporter of the fact, after it was recorded; empty if there is none."""


def end(standing: CallProgress, attempt: int, ending: CallState, *, counted: bool) -> Transition:
    """Return the move when the sender of `attempt` says how it ended; `counted`: its acceptance is recorded already."""
    if ending is CallState.ACCEPTED:
        return _accept(standing, attempt, counted=counted)
    if attempt != standing.attempt:
        return Transition(standing, late=True, complaint=_superseded(standing, attempt))
    if standing.state is CallState.INTENT:
        return Transition(_closed(standing, ending))
    if ending is CallState.IN_DOUBT and standing.state in _UNPAID:
        return Transition(_to(standing, CallState.IN_DOUBT), reopens=True, late=True)
    return Transition(standing, late=True)


def resolve(standing: CallProgress, *, landed: bool) -> Transition:
    """Return the move when evidence or a person ends a doubt. The call must be open."""
    assert standing.state in _OPEN
    if landed:
        return Transition(CallProgress(CallState.ACCEPTED, standing.attempt, standing.payments + 1))
    return Transition(_closed(standing, CallState.NOT_SENT))


def _accept(standing: CallProgress, attempt: int, *, counted: bool) -> Transition:
    paid = CallProgress(standing.state, standing.attempt, standing.payments + (not counted))
    accepted = _to(paid, CallState.ACCEPTED)
    late = standing.state is not CallState.INTENT or attempt != standing.attempt
    if attempt == standing.attempt or standing.state in _UNPAID:
        return Transition(accepted, reopens=standing.state in _UNPAID, late=late)
    # A newer attempt is on its way or was accepted too: its own ending decides the state, the payment is counted now.
    return Transition(paid, late=True, complaint=_superseded(standing, attempt))


def _closed(standing: CallProgress, state: CallState) -> CallProgress:
    # An earlier attempt that turned out to be paid for keeps the call paid for, even if this attempt bought nothing.
    if standing.payments and state in _UNPAID:
        state = CallState.ACCEPTED
    return _to(standing, state)


def _to(standing: CallProgress, state: CallState) -> CallProgress:
    return CallProgress(state, standing.attempt, standing.payments)


def _superseded(standing: CallProgress, attempt: int) -> str:
    return f"attempt {attempt} ended after attempt {standing.attempt} had begun; the ledger has recorded both"
