"""The decision about one cell: due, or not and why. The rest of planning only gathers its facts.

A cell's facts fit into one byte, so the decision is made once for each of the 256 possible bytes, and a whole column
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
"""The state that the decision reads from a state's bits: on an idle table, a pending cell counts as empty."""


class Decision(IntEnum):
    """The plan's decision about a cell; 0 is reserved for cells out of scope.

    HELD_BACK, WAITING and WAITING_FOR_TABLE apply to all due cells of a run, the others to single cells.
    """

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
    """Everything that the decision about one cell depends on."""

    state: CellState
    missing_inputs: bool = False
    in_doubt: bool = False
    """A call that covered it may or may not have been paid for."""
    blocked: bool = False
    """An upstream cell is not done and not part of this plan."""
    spent: bool = False
    """`all`: bought at this revision, or as recently as the `refresh` requires. `new`, `failed`: bought `max_attempts`
    times in this mode with the column's current configuration."""
    awaited: bool = False
    """A call that covered it was accepted recently, and none of the call's cells shows it yet."""
    never_bought: bool = False
    """With a `refresh`: no accepted call in the ledger covered it, so its age is unknown."""

    @classmethod
    def of_byte(cls, byte: int, *, never_bought: bool = False) -> "CellFacts":
        """Decode the facts from their byte; `never_bought` does not fit into it."""
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
    """Decide whether `cell` is due under `mode`, and if not, why."""
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
    """Return the verdict of a cell whose next value or status is not known yet, or None."""
    if cell.in_doubt:
        return Decision.IN_DOUBT
    if cell.state in (CellState.IN_PROGRESS, CellState.PENDING) or cell.awaited:
        return Decision.IN_PROGRESS
    return Decision.UNKNOWN_STATUS if cell.state is CellState.UNKNOWN else None


def _state_holds(mode: Mode, cell: CellFacts) -> Decision | None:
    """Return the verdict of a cell that is already where its run wants it, or None."""
    if mode is Mode.ALL:
        return Decision.SATISFIED if cell.spent else None
    if is_done(cell.state):
        return Decision.DONE
    if mode is Mode.FAILED and cell.state is CellState.EMPTY:
        return Decision.SATISFIED
    return None


def is_done(state: CellState) -> bool:
    """Return True if the cell is done, and so blocks nothing downstream."""
    return state in (CellState.DONE, CellState.DONE_WITHOUT_VALUE)


def leaves_alone(mode: Mode, cell: CellFacts) -> bool:
    """Return True if a call of `mode` may cover `cell` although it is not due.

    Only if the API leaves such a cell alone under every reading of its documentation, so that covering it costs
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
"""The same, for cells of a run with a `refresh` that no call in the ledger bought."""


LEFT_ALONE: dict[Mode, bytes] = {mode: bytes(leaves_alone(mode, facts) for facts in _EVERY_BYTE) for mode in Mode}
"""Mode → translation table from a facts byte to 1 if a call may cover the cell in passing."""

DONE_STATES = bytes(is_done(_STATES.get(byte, CellState.UNKNOWN)) for byte in range(256))
"""Translation table from a state byte to 1 if the cell is done."""

WAITS_FOR_OTHERS = bytes(verdict in (Decision.BLOCKED, Decision.WAITING) for verdict in range(256))
"""Translation table from a verdict to 1 if the cell may fall due once other cells have finished."""

IS_PENDING = bytes(byte == CellState.PENDING for byte in range(256))
"""Translation table from a state byte to 1 if the cell is PENDING."""

IS_DUE = bytes(verdict == Decision.DUE for verdict in range(256))
"""Translation table from a verdict to 1 if it is DUE."""


def _replacing(verdict: Decision, by: Decision) -> bytes:
    return bytes(range(256)).replace(bytes([verdict]), bytes([by]))


WHILE_RUNNING = _replacing(Decision.NOT_STARTED, Decision.IN_PROGRESS)
"""Translation table of verdicts for a running table: a cell that was bought and is empty may be about to start."""

INSTEAD_OF_DUE = {verdict: _replacing(Decision.DUE, verdict) for verdict in (Decision.HELD_BACK, Decision.WAITING)}
"""Decision → translation table that replaces DUE with it."""
