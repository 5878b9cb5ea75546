"""Status: a plan read as the status of every run.

Nothing here decides again: the plan says which cells are due, blocked or in doubt, so `status`, `drift` and `plan`
never disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from reconciler.model.credits import Credits
from reconciler.model.drift import Drift
from reconciler.model.ended_call import EndedCall
from reconciler.model.manifest import Mode
from reconciler.model.plan import CallInDoubt, CellCounts, Pending, Plan, PlannedTable, SkipReason
from reconciler.planning.drift import due as due_by_run
from reconciler.text.location import Diagnostic


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One run of a manifest."""

    address: str
    mode: Mode
    revision: str | None
    cells: int
    """Cells in its scope."""
    shown: CellCounts | None
    """Those cells by what they show; None if nothing was due without reading them."""
    due: int
    """Cells that a call would buy now; 0 while the table runs."""
    credits: Decimal | None
    """Credits for the due cells; None if a price is unknown."""
    waiting: int
    """In progress, or due once the table is idle."""
    blocked: int
    """An upstream cell is neither done nor due."""
    missing_inputs: int
    in_doubt: int
    """Covered by a call that may or may not have been paid for."""
    exhausted: int
    """Failed, and already rerun as often as the run allows."""
    not_started: int
    """Empty, and already bought as often as the run allows."""
    age_unknown: int
    """Never bought in the ledger, so whether it is stale is unknown."""
    held_back: int
    """Held back because too many cells of the first portion failed."""
    behind: int
    """Of a manifest that waits for an upstream manifest to finish."""
    next_due: datetime | None
    """With a `refresh`: when the first cell that is fresh now falls due."""


@dataclass(frozen=True, slots=True)
class ManifestStatus:
    """The status of a manifest's table."""

    manifest: str
    table_id: str
    name: str
    run_status: str
    is_finished: bool
    rows: int
    cells: CellCounts | None
    """Over all output columns, in a run's scope or not; None if rows were not read."""
    runs: tuple[RunStatus, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The status of everything the manifests name."""

    tables: tuple[ManifestStatus, ...]
    calls: int
    """Calls that an apply would send now."""
    in_doubt: tuple[CallInDoubt, ...]
    diagnostics: tuple[Diagnostic, ...]
    pending: tuple[Pending, ...] = ()
    """Manifests whose table does not exist yet."""
    ended: tuple[EndedCall, ...] = ()
    """Calls of earlier applies that the live tables show to have ended."""

    @property
    def due(self) -> int:
        """Cells that calls would buy now."""
        return sum(run.due for table in self.tables for run in table.runs)

    @property
    def cost(self) -> Credits:
        """Their cost."""
        return Credits.sum((run.credits, run.due) for table in self.tables for run in table.runs)


def status_of(plan: Plan) -> Status:
    """Read a plan as a status."""
    skipped: dict[tuple[str, str, SkipReason], int] = {}
    for skip in plan.skipped:
        key = (skip.table_id, skip.address, skip.reason)
        skipped[key] = skipped.get(key, 0) + skip.cells
    due = {(each.table_id, each.address): each for each in due_by_run(plan, plan.calls)}
    return Status(
        tables=tuple(_table(table, skipped, due) for table in plan.tables),
        calls=len(plan.calls),
        in_doubt=plan.in_doubt,
        diagnostics=plan.diagnostics,
        pending=plan.pending,
    )


def _table(
    table: PlannedTable, skipped: Mapping[tuple[str, str, SkipReason], int], due: Mapping[tuple[str, str], Drift]
) -> ManifestStatus:
    def count(address: str, reason: SkipReason) -> int:
        return skipped.get((table.table_id, address, reason), 0)

    runs = []
    for run in table.runs:
        drift = due.get((table.table_id, run.address))
        runs.append(
            RunStatus(
                address=run.address,
                mode=run.mode,
                revision=run.revision,
                cells=run.cells,
                shown=run.states,
                due=drift.cells if drift else 0,
                credits=drift.credits if drift else Decimal(0),
                waiting=count(run.address, SkipReason.IN_PROGRESS) + count(run.address, SkipReason.WAITING_FOR_TABLE),
                blocked=count(run.address, SkipReason.BLOCKED),
                missing_inputs=count(run.address, SkipReason.MISSING_INPUTS),
                in_doubt=count(run.address, SkipReason.IN_DOUBT),
                exhausted=count(run.address, SkipReason.ATTEMPTS_EXHAUSTED),
                not_started=count(run.address, SkipReason.NOT_STARTED),
                age_unknown=count(run.address, SkipReason.AGE_UNKNOWN),
                held_back=count(run.address, SkipReason.HELD_BACK),
                behind=count(run.address, SkipReason.WAITING),
                next_due=run.next_due,
            )
        )
    return ManifestStatus(
        table.manifest,
        table.table_id,
        table.name,
        table.run_status,
        table.is_finished,
        table.rows,
        table.cells,
        tuple(runs),
    )
