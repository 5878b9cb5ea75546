"""What became of each call: the nouns that apply, the ledger and the report share."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.history import Block, CallState
from reconciler.model.plan import Call


@dataclass(frozen=True, slots=True)
class Receipt:
    """A 2xx answer of the run endpoint."""

    run_id: str
    """Empty where the answer named none."""
    requested_cells: int | None
    """`num_requested_cells` [D]; None where the answer did not say."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who applies: written into every intent."""

    name: str
    """`user@host`, or the CI run."""
    ci_run: str | None = None
    """A URL or number of the CI run."""
    git_sha: str | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to send one attempt of one call; given by the journal when the intent is durable."""

    call_id: str
    attempt: int
    table_version: int
    """The table's version after the intent: what the next intent for the table must find."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt of a call ended."""

    state: CallState
    """Any but INTENT."""
    detail: str = ""
    """What the wire said, for people; never an answer's body or the token."""
    status: int | None = None
    """The HTTP status, where there was an answer."""
    receipt: Receipt | None = None
    """Set exactly when the state is ACCEPTED."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that has ended, and how."""

    ticket: Ticket
    ending: Ending


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt that is about to be made: what the journal writes down before a byte is sent."""

    call: Call
    plan_id: str
    actor: Actor
    labels: Mapping[str, str]
    """Those of the call's manifest, for the ledger's reports."""
    version: int
    """The table's version in the ledger when the call was planned; another one now means another apply has begun."""
    ended: Ended | None = None
    """How the table's call before this one ended: recorded in the same transaction, so both or neither."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The cells of an accepted call, read again when its table was idle."""

    done: int
    failed: int
    not_started: int
    """Neither done nor failed."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """A planned call and what became of it in this apply."""

    call: Call
    ending: Ending | None
    """None: not attempted, because the apply stopped or its table was given up before its turn."""
    reason: str = ""
    """Why it was not attempted."""
    settlement: Settlement | None = None
    """Set when the apply waited for it."""
    not_started: tuple[Block, ...] = ()
    """With a settlement: which cells are neither done nor failed."""


class StopCause(StrEnum):
    """Why an apply stopped sending before its last call."""

    REFUSED = "refused"
    OVERBOUGHT = "overbought"
    """More cells were accepted than planned."""
    TROUBLE = "trouble"
    """Too many calls in a row without a clear answer."""
    INTERRUPTED = "interrupted"
    LEDGER = "ledger"
    LOOK = "look"
    """The tables could not be looked at again between two waves."""
    LEASED = "leased"
    """Another apply is at work on a table."""


@dataclass(frozen=True, slots=True)
class Stop:
    """That an apply stopped, and why, in words."""

    cause: StopCause
    message: str
    hint: str = ""
