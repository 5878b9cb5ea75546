"""Drift: where the live tables differ from what the manifests want, read from a plan, by run and reason."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from reconciler.model.balance import Reconciliation
from reconciler.model.credits import Credits, Priced
from reconciler.model.drift import FAILS_ON, Drift, DriftKind
from reconciler.model.ended_call import EndedCall
from reconciler.model.expectation import Unmet
from reconciler.model.plan import Call, Plan, PlannedRun, SkipReason
from reconciler.model.stale_cells import StaleCells

DEAD_ENDS = (
    SkipReason.ATTEMPTS_EXHAUSTED,
    SkipReason.NOT_STARTED,
    SkipReason.AGE_UNKNOWN,
    SkipReason.HELD_BACK,
)
"""Why cells that are not as their run wants them stay so, however often it is applied."""


def due(plan: Plan, calls: Iterable[Call]) -> tuple[Drift, ...]:
    """Return why cells of some of a plan's calls are due, one entry for each run, in the plan's order."""
    found: dict[tuple[str, str], Drift] = {}
    lines = _runs(plan)
    for call in calls:
        key = (call.table_id, call.address)
        before = found.get(key)
        both: list[Priced] = [call] if before is None else [before, call]
        run = lines.get(key)
        found[key] = Drift(
            call.address,
            call.table_id,
            call.reason,
            call.revision,
            sum(each.cells for each in both),
            Credits.of(both).total,
            call.table_name,
            *((None, None) if run is None else (run.refresh, run.stale_before)),
        )
    return tuple(found.values())


def causes(plan: Plan, outside: Reconciliation | None = None) -> tuple[Drift, ...]:
    """Return all causes: due cells by run, dead ends by run and reason, what happened outside, calls in doubt."""
    return (*due(plan, (*plan.calls, *plan.waiting)), *_dead_ends(plan), *_outside(outside), *_doubts(plan))


def _dead_ends(plan: Plan) -> Iterator[Drift]:
    cells: dict[tuple[str, str, SkipReason], int] = {}
    for skip in plan.skipped:
        if skip.reason in DEAD_ENDS:
            key = (skip.table_id, skip.address, skip.reason)
            cells[key] = cells.get(key, 0) + skip.cells
    names = {table.table_id: table.name if table.has_siblings else "" for table in plan.tables}
    runs = _runs(plan)
    for (table_id, address, reason), count in cells.items():
        run = runs.get((table_id, address))
        yield Drift(
            address,
            table_id,
            reason,
            run.revision if run else None,
            count,
            Decimal(0),
            names.get(table_id, ""),
            run.refresh if run else None,
            kind=DriftKind.DEAD_END,
            max_attempts=run.max_attempts if run else 0,
        )


def _outside(found: Reconciliation | None) -> Iterator[Drift]:
    if found is None:
        return
    for table in found.tables:
        address, kind = ", ".join(table.manifests), DriftKind.OUTSIDE
        # What an apply has met since is over.
        again = max(0, sum(move.cells for move in table.moves if move.lasts) - table.cells)
        for cells, reruns in ((table.cells, False), (again, True)):
            if cells:
                yield Drift(
                    address, table.table_id, kind, None, cells, Decimal(0), table.name, kind=kind, reruns=reruns
                )
    if found.outside:
        yield Drift("", "", DriftKind.OUTSIDE, None, 0, found.outside, kind=DriftKind.OUTSIDE)


def _doubts(plan: Plan) -> Iterator[Drift]:
    for call in plan.in_doubt:
        yield Drift(
            call.address,
            call.table_id,
            SkipReason.IN_DOUBT,
            None,
            call.cells,
            call.credits,
            call.table_name,
            kind=DriftKind.IN_DOUBT,
            call=call.id,
            age_seconds=call.age_seconds,
        )


def _runs(plan: Plan) -> dict[tuple[str, str], PlannedRun]:
    return {(table.table_id, run.address): run for table in plan.tables for run in table.runs}


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The causes of drift, with the plan they come from."""

    plan: Plan
    """Made from the least that has to be read to find the due cells."""
    unmet: tuple[Unmet, ...] = ()
    """Runs whose answers are not as their `expect` says."""
    ended: tuple[EndedCall, ...] = ()
    """Calls of earlier applies that the live tables show to have ended."""
    outside: Reconciliation | None = None
    """The ledger against the balance and the tables; None if that was not asked for."""

    @property
    def causes(self) -> tuple[Drift, ...]:
        """Due cells by run, dead ends by run and reason, what happened outside, calls in doubt."""
        return causes(self.plan, self.outside)

    @property
    def has_drifted(self) -> bool:
        """True if cells are due, or a call is in doubt."""
        return self.fails_on(FAILS_ON)

    @property
    def errored(self) -> bool:
        """True if something could not be read; `plan.diagnostics` lists it."""
        return self.plan.errored

    @property
    def stale(self) -> tuple[StaleCells, ...]:
        """By run, the answers that predate the prompt or the inputs; only if they were asked for."""
        return self.plan.stale

    def fails_on(self, kinds: Collection[DriftKind]) -> bool:
        """Return True if there is a cause of one of `kinds`."""
        return any(cause.kind in kinds for cause in self.causes)
