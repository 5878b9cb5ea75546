"""Settle calls in doubt by evidence: a pure judgement of a table's history and its current cells (R4 and R5).

Any sign that the cells moved means the call landed. Only clear proof of no movement, and only for mode `new`, after
the quiet period, means it did not. Everything else stays in doubt until the table shows more or a person decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.model.compact import RowIndex
from reconciler.model.history import CallState, PastCall, TableHistory
from reconciler.model.manifest import Mode
from reconciler.model.observed import CellState, TableSnapshot
from reconciler.spending import evidence

NEVER_RUN = (CellState.EMPTY, CellState.PENDING_IDLE)


@dataclass(frozen=True, slots=True)
class DoubtEnding:
    """A call in doubt that the live table has ended."""

    call: PastCall
    landed: bool
    evidence: str
    """The evidence in words, for the ledger."""


def judge(
    history: TableHistory, snapshot: TableSnapshot, quiet_seconds: float
) -> tuple[TableHistory, tuple[DoubtEnding, ...]]:
    """Return the history with every provable ending in place, and the verdicts that changed it.

    The history must have been read before the snapshot: then a call older than Q in the history was also older than Q
    when the snapshot was read.
    """
    if not any(call.is_open for call in history.calls):
        return history, ()
    row_index = RowIndex(snapshot.row_ids)
    verdicts = []
    calls = []
    for call in history.calls:
        verdict = _judge(call, snapshot, row_index, quiet_seconds) if call.is_open else None
        if verdict is None:
            calls.append(call)
            continue
        verdicts.append(verdict)
        if verdict.landed:
            calls.append(replace(call, state=CallState.ACCEPTED))
    return replace(history, calls=tuple(calls)), tuple(verdicts)


def _judge(
    call: PastCall, snapshot: TableSnapshot, row_index: Mapping[str, int], quiet_seconds: float
) -> DoubtEnding | None:
    moved = evidence.sign_of_landing(call, snapshot, row_index)
    if moved:
        return DoubtEnding(call, landed=True, evidence=moved)
    if call.mode is not Mode.NEW or call.age_seconds < quiet_seconds or not snapshot.is_finished:
        return None
    if not _is_untouched(call, snapshot, row_index):
        return None
    text = f"idle, {call.cells} cells still without a value {call.age_seconds:.0f} s after the last attempt"
    return DoubtEnding(call, landed=False, evidence=text)


def _is_untouched(call: PastCall, snapshot: TableSnapshot, row_index: Mapping[str, int]) -> bool:
    """Return True if every cell of the call still exists and is empty; a deleted row or column proves nothing."""
    for block in call.covered:
        rows = [row_index.get(row) for row in block.rows]
        for column in block.columns:
            states = snapshot.states.get(column)
            if states is None or any(row is None or states[row] not in NEVER_RUN for row in rows):
                return False
    return True
