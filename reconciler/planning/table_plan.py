"""One table's share of a plan, while it is being assembled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from reconciler.model.cell_map import CellMap
from reconciler.model.forecast import ScheduledCells
from reconciler.model.history import PastCall
from reconciler.model.manifest import Mode, Run
from reconciler.model.observed import TableSnapshot
from reconciler.model.plan import Call, CallInDoubt, PlannedTable, Reason, Skip
from reconciler.model.row_set import RowSet
from reconciler.model.stale_cells import StaleCells
from reconciler.planning.cell_decision import Decision
from reconciler.planning.scopes import Scope
from reconciler.text.location import Diagnostic

Decided: TypeAlias = tuple[Scope, RowSet, RowSet, bytes]
"""A column in a scope: the rows due, the rows harmless to cover, and the verdicts on the cells that no scope takes."""


@dataclass(slots=True)
class TablePlan:
    """A table's share of the plan."""

    tables: list[PlannedTable] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    waiting: list[Call] = field(default_factory=list)
    """Calls that wait until the table is idle."""
    held_up: list[Skip] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    in_doubt: list[CallInDoubt] = field(default_factory=list)
    schedules: list[ScheduledCells] = field(default_factory=list)
    cell_map: CellMap | None = None
    """None if a name is wrong, so that nothing was decided."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    stale: list[StaleCells] = field(default_factory=list)


_IN_ORDER = tuple(Decision)
REASONS = {Mode.NEW: Reason.CELLS_EMPTY, Mode.FAILED: Reason.CELLS_FAILED, Mode.ALL: Reason.REVISION_CHANGED}


def reason_of(run: Run) -> Reason:
    """Return why the cells of a run are due, if they are."""
    if run.follows_config:
        return Reason.CONFIG_CHANGED
    return REASONS[run.mode] if run.refresh is None else Reason.CELLS_STALE


def call_in_doubt(call: PastCall, quiet_seconds: float, table_name: str) -> CallInDoubt:
    """Return a call of the ledger that is open, as a plan shows it."""
    quiet_for = max(0.0, quiet_seconds - call.age_seconds) if call.mode is Mode.NEW else None
    return CallInDoubt(
        call.id,
        call.address,
        call.table_id,
        call.cells,
        call.credits,
        call.age_seconds,
        call.actor,
        quiet_for,
        table_name,
    )


def counts_of(left: bytes, waiting: int) -> dict[Decision, int]:
    """Count the verdicts on the cells that no scope takes, and the due cells that wait for their table."""
    is_empty = left.count(0) == len(left)  # quick, and usual where everything is due
    counts = {} if is_empty else {verdict: left.count(verdict) for verdict in _IN_ORDER}
    counts.pop(Decision.DUE, None)  # it was not approved
    if waiting:
        counts[Decision.WAITING_FOR_TABLE] = waiting
    return counts


def skips_of(found: Sequence[Scope], counted: Mapping[tuple[str, Decision], int], table: str) -> list[Skip]:
    """Return the cells that are not due, by run and reason; `counted` is keyed by address and verdict."""
    return [
        Skip(address, verdict.skip_reason, counted[address, verdict], table)
        for address in (scope.address for scope in found)
        for verdict in _IN_ORDER
        if counted.get((address, verdict))
    ]


def cell_map(snapshot: TableSnapshot, decided: Mapping[str, Sequence[Decided]]) -> CellMap:
    """Return what was decided about each cell of a table; `decided` goes by column id."""
    columns = {column.id: column.key for column in snapshot.columns if decided.get(column.id)}
    verdicts = {column: {scope.address: left for scope, _, _, left in decided[column]} for column in columns}
    return CellMap(snapshot.id, columns, snapshot.row_ids, verdicts)
