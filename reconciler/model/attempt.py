"""Attempts to send calls and their outcomes: the nouns that apply, the ledger and the report share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from reconciler.model.budget import Budget, Charge
from reconciler.model.history import Block, CallState
from reconciler.model.plan import Call


@dataclass(frozen=True, slots=True)
class Receipt:
    """A 2xx answer of the run endpoint."""

    run_id: str
    """Empty if the answer named none."""
    requested_cells: int | None
    """`num_requested_cells` [D]; None if the answer did not say."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or CI job that applies; recorded in every intent."""

    name: str
    """`user@host`, or the CI run."""
    ci_run: str | None = None
    """A URL or number of the CI run."""
    git_sha: str | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """Permission to send one attempt of one call; issued by the journal once the intent is durable."""

    call_id: str
    attempt: int
    table_version: int
    """The table's version after the intent; the next intent for the table must find this version."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt of a call ended."""

    state: CallState
    """Any but INTENT."""
    detail: str = ""
    """The events on the wire, for people; never contains an answer's body or the token."""
    status: int | None = None
    """The HTTP status, if there was an answer."""
    receipt: Receipt | None = None
    """Set exactly when the state is ACCEPTED."""
    passes_budget: bool = False
    """True if the attempt was not begun, because a budget would be passed: by what others spent since the plan."""
    stop: "Stop | None" = None
    """Set if nothing more may be sent after it: recorded together, so that it holds on every machine."""
    retry_after: float | None = None
    """For how many seconds a 429 asks to wait; None if it does not say."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that has ended, with its ending."""

    ticket: Ticket
    ending: Ending
    table_id: str
    """Of its call."""


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
    """How a call before this one ended: recorded in the same transaction, so both or neither."""
    charge: Charge | None = None
    """The amount and the labels that the call counts with in budgets; None: its own."""
    budgets: tuple[Budget, ...] = ()
    """Those that it must keep, with all that was spent before it."""
    apply_id: str = ""
    """The apply of several machines that it is sent for: none begins once that was stopped. Empty if there is none."""
    growth: "GrowthBound | None" = None
    """Of a manifest whose table grows while it is applied: what all its calls under the plan may come to."""


@dataclass(frozen=True, slots=True)
class GrowthBound:
    """The most that a manifest's calls may come to under one plan: what the plan lists of it, and what may be added."""

    manifest: str
    cells: int
    credits: Decimal | None
    """None for any price."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a doubt about an attempt ends: whether it landed, and who says so on what grounds."""

    call_id: str
    attempt: int
    landed: bool
    reason: str
    actor: Actor
    evidence: str | None = None
    """The evidence in the live table; None for a person's word."""
    min_age_seconds: float = 0.0
    """How old the attempt has to be, by the store's clock, for the verdict to hold."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The cells of an accepted call, counted once its table was idle."""

    done: int
    failed: int
    not_started: int
    """Neither done nor failed."""
    yields: Mapping[str, "Yield"] = field(default_factory=dict)
    """Of mode `all`: column id → what became of the answers that were there. The ledger keeps it with the event."""
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    """Column id → for each row of its block a digest of what its cell was made from, as `TableSnapshot.inputs`."""


@dataclass(frozen=True, slots=True)
class Yield:
    """How many answers of a column a call gave again, and how many of those are others now."""

    answers: int
    """Cells that were done before the call and are done after it."""
    changed: int
    """Those whose answer is another one; its explanation and its sources do not count."""
    credits: Decimal | None = None
    """The planned cost of these cells; None if a price is unknown."""

    def __add__(self, other: "Yield") -> "Yield":
        both = None if self.credits is None or other.credits is None else self.credits + other.credits
        return Yield(self.answers + other.answers, self.changed + other.changed, both)

    @property
    def credits_per_change(self) -> Decimal | None:
        """The credits for each answer that changed; None if none did, or a price is unknown."""
        return None if self.credits is None or not self.changed else self.credits / self.changed


@dataclass(frozen=True, slots=True)
class CallResult:
    """A planned call with its outcome in this apply."""

    call: Call
    ending: Ending | None
    """None if it was not attempted: the apply stopped, or gave up on its table, before its turn."""
    reason: str = ""
    """Why it was not attempted."""
    settlement: Settlement | None = None
    """Set when the apply waited for it."""
    not_started: tuple[Block, ...] = ()
    """The cells that were neither done nor failed at the settlement."""
    failed: tuple[Block, ...] = ()
    """The cells that had failed at the settlement."""

    @property
    def may_be_tried_again(self) -> bool:
        """True if it bought nothing for a reason that may pass: it was not sent, or met a 429."""
        ending = self.ending
        is_brief = ending is not None and (ending.state is CallState.NOT_SENT or ending.status == 429)
        return is_brief and ending is not None and not ending.passes_budget


class StopCause(StrEnum):
    """Why an apply stopped sending before its last call."""

    REFUSED = "refused"
    OVERBOUGHT = "overbought"
    """More cells were accepted than planned."""
    TROUBLE = "trouble"
    """Too many calls in a row got no clear answer."""
    INTERRUPTED = "interrupted"
    LEDGER = "ledger"
    LOOK = "look"
    """The tables could not be read again between two waves."""
    LEASED = "leased"
    """Another apply is working on a table."""
    LIMIT = "limit"
    """The account cannot pay for the whole apply, or the live tables exceed a limit that the plan kept."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The fact that an apply stopped early, with its cause and a sentence about it."""

    cause: StopCause
    message: str
    hint: str = ""
