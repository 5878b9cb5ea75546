"""The decision about one cell: due, or not and why. Everything else in planning only gathers its facts.

A cell's facts fit into one byte, so the decision is taken once for each of the 256 possible bytes and a whole column
is then decided by `bytes.translate`.
"""

from dataclasses import dataclass
from enum import IntEnum

from reconciler.model.manifest import Mode
from reconciler.model.observed import CellState
from reconciler.model.plan import SkipReason

STATE_BITS = 0b111
MISSING_INPUTS = 1 << 3
IN_DOUBT = 1 << 4
BLOCKED = 1 << 5
SPENT = 1 << 6
AWAITED = 1 << 7

_STATES = {state.value: state for state in CellState} | {CellState.PENDING_IDLE.value: CellState.EMPTY}
"""What a state's bits mean for the decision: on an idle table, what is pending is as good as empty."""


class Decision(IntEnum):
    """What becomes of a cell in this plan; 0 is kept for cells out of scope. The last two are decided of whole runs."""

    DUE = 1
    DONE = 2
    SATISFIED = 3
    FAILED = 4
    IN_PROGRESS = 5
    MISSING_INPUTS = 6
    BLOCKED = 7
    ATTEMPTS_EXHAUSTED = 8
    IN_DOUBT = 9
    UNKNOWN_STATUS = 10
    HELD_BACK = 11
    WAITING = 12
    AGE_UNKNOWN = 13
    NOT_STARTED = 14
    WAITING_FOR_TABLE = 15

    @property
    def skip_reason(self) -> SkipReason:
        """The reason a plan gives for a verdict that is not DUE."""
        return SkipReason[self.name]


@dataclass(frozen=True, slots=True)
class CellFacts:
    """Everything a decision about one cell rests on."""

    state: CellState
    missing_inputs: bool = False
    in_doubt: bool = False
    """A call that covered it may have been paid for and nobody knows."""
    blocked: bool = False
    """An upstream cell is not done and not part of this plan."""
    spent: bool = False
    """`all`: bought at this revision, or as lately as the `refresh` asks. `new`, `failed`: bought `max_attempts` times
    in this mode with the column's present configuration."""
    awaited: bool = False
    """A call that covered it was accepted lately, and none of the call's cells shows it yet."""
    never_bought: bool = False
    """With a `refresh`: the ledger has no accepted call that covered it, so nobody knows how old it is."""

    @classmethod
    def of_byte(cls, byte: int, *, never_bought: bool = False) -> "CellFacts":
        """Read the facts back from their byte, and the one that stands beside it."""
        state = byte & STATE_BITS
        return cls(
            state=_STATES.get(state, CellState.UNKNOWN),
            missing_inputs=bool(byte & MISSING_INPUTS),
            in_doubt=bool(byte & IN_DOUBT),
            blocked=bool(byte & BLOCKED),
            spent=bool(byte & SPENT),
            awaited=bool(byte & AWAITED),
            never_bought=never_bought,
        )


def decide(mode: Mode, cell: CellFacts) -> Decision:
    """Say whether `cell` is due under `mode`, and if not, why (the contract's section 2)."""
    settled = _state_holds(mode, cell) or _is_unclear(cell)
    if settled is not None:
        return settled
    if mode is Mode.NEW and cell.state is CellState.FAILED:
        return Decision.FAILED
    if cell.spent and mode is Mode.NEW:
        return Decision.NOT_STARTED
    if cell.spent and mode is Mode.FAILED:
        return Decision.ATTEMPTS_EXHAUSTED
    if cell.never_bought and cell.state is not CellState.EMPTY:
        return Decision.AGE_UNKNOWN
    if cell.missing_inputs:
        return Decision.MISSING_INPUTS
    if cell.blocked:
        return Decision.BLOCKED
    return Decision.DUE


def _is_unclear(cell: CellFacts) -> Decision | None:
    """The verdict of a cell of which nobody can say by now what it will show, or None."""
    if cell.in_doubt:
        return Decision.IN_DOUBT
    if cell.state in (CellState.IN_PROGRESS, CellState.PENDING) or cell.awaited:
        return Decision.IN_PROGRESS
    return Decision.UNKNOWN_STATUS if cell.state is CellState.UNKNOWN else None


def _state_holds(mode: Mode, cell: CellFacts) -> Decision | None:
    """The verdict of a cell that already is where its run wants it, or None."""
    if mode is Mode.ALL:
        return Decision.SATISFIED if cell.spent else None
    if is_done(cell.state):
        return Decision.DONE
    if mode is Mode.FAILED and cell.state is CellState.EMPTY:
        return Decision.SATISFIED
    return None


def is_done(state: CellState) -> bool:
    """A done cell blocks nothing downstream."""
    return state in (CellState.DONE, CellState.DONE_WITHOUT_VALUE)


def leaves_alone(mode: Mode, cell: CellFacts) -> bool:
    """Say whether a call of `mode` may cover `cell` although it is not due.

    Only where the API leaves such a cell alone under every reading of its documentation, so that covering it costs
    nothing: done cells under `new`, done and empty ones under `failed`, none under `all`.
    """
    if cell.in_doubt or cell.awaited:
        return False
    if mode is Mode.NEW:
        return cell.state is CellState.DONE
    if mode is Mode.FAILED:
        never_run = cell.state is CellState.EMPTY and not cell.missing_inputs and not cell.blocked
        return cell.state is CellState.DONE or never_run
    return False


_EVERY_BYTE = tuple(CellFacts.of_byte(byte) for byte in range(256))

VERDICTS: dict[Mode, bytes] = {mode: bytes(decide(mode, facts) for facts in _EVERY_BYTE) for mode in Mode}
"""Mode → translation table from a facts byte to its Decision."""

AGELESS_VERDICTS = bytes(decide(Mode.ALL, CellFacts.of_byte(byte, never_bought=True)) for byte in range(256))
"""The same for the cells of a run with a `refresh` that the ledger never bought."""


LEFT_ALONE: dict[Mode, bytes] = {mode: bytes(leaves_alone(mode, facts) for facts in _EVERY_BYTE) for mode in Mode}
"""Mode → translation table from a facts byte to 1 where a call may cover the cell in passing."""

DONE_STATES = bytes(is_done(_STATES.get(byte, CellState.UNKNOWN)) for byte in range(256))
"""Translation table from a state byte to 1 where the cell is done."""

WAITS_FOR_OTHERS = bytes(verdict in (Decision.BLOCKED, Decision.WAITING) for verdict in range(256))
"""Translation table from a verdict to 1 where the cell may fall due once others have ended."""

IS_PENDING = bytes(byte == CellState.PENDING for byte in range(256))
"""Translation table from a state byte to 1 where the cell is PENDING."""

IS_DUE = bytes(verdict == Decision.DUE for verdict in range(256))
"""Translation table from a verdict to 1 where it is DUE."""


def _replacing(verdict: Decision, by: Decision) -> bytes:
    return bytes(range(256)).replace(bytes([verdict]), bytes([by]))


WHILE_RUNNING = _replacing(Decision.NOT_STARTED, Decision.IN_PROGRESS)
"""Translation table of verdicts for a table that runs: what was bought and is empty may be about to start."""

INSTEAD_OF_DUE = {verdict: _replacing(Decision.DUE, verdict) for verdict in (Decision.HELD_BACK, Decision.WAITING)}
"""Decision → translation table that gives it to every due cell."""
