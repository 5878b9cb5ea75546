"""The order in which a plan's calls are sent: upstream cells first, and a rollout's first portion before the rest.

Each wave is sent, finishes and is read back before the next one: a cell whose upstream cell failed is then no longer
due.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.model.manifest import Manifest
from reconciler.model.manifest_order import before
from reconciler.model.observed import CellState, Column, TableSnapshot
from reconciler.model.plan import Call, Skip, SkipReason
from reconciler.model.rollout_result import RolloutResult
from reconciler.model.row_set import RowSet
from reconciler.planning.judging import judgements
from reconciler.planning.ledger_view import LedgerView
from reconciler.planning.rectangles import ColumnCells
from reconciler.planning.scopes import Scope
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic

_UNSETTLED = frozenset(
    {
        *(SkipReason.IN_PROGRESS, SkipReason.IN_DOUBT, SkipReason.HELD_BACK),
        *(SkipReason.WAITING, SkipReason.WAITING_FOR_TABLE),
    }
)
"""A manifest with such cells has not finished: downstream manifests have to wait."""


def rollout_result(scope: Scope, snapshot: TableSnapshot, ledger: LedgerView) -> RolloutResult | None:
    """Return the result of a scope's first portion, over the columns with a full portion; None without a rollout."""
    rollout = scope.run.rollout
    if rollout is None:
        return None
    tried = {column.id: _tried(scope, column, ledger)[: rollout.first] for column in scope.columns}
    portions = {column: portion for column, portion in tried.items() if len(portion) == rollout.first}
    cells = sum(map(len, portions.values()))
    failed = sum(
        snapshot.states[column][row] == CellState.FAILED for column, portion in portions.items() for row in portion
    )
    judged = () if rollout.expect is None else judgements(rollout.expect, snapshot, portions)
    return RolloutResult(rollout.first, rollout.max_failed, cells, failed, judged or (), is_judged=judged is not None)


def unjudged(found: Iterable[Scope], results: Mapping[str, RolloutResult | None]) -> list[Diagnostic]:
    """Return a problem for each rollout of which it is unknown what its answers are like; `results` go by address."""
    # Only in a snapshot taken for other manifests: a live read looks at the answers that its manifests ask for.
    message = "the snapshot does not say what the answers of this run's first portion are like"
    hint = "It holds what the manifests that it was taken with ask for; plan from the live tables instead."
    unknown = [scope for scope in found if (of := results[scope.address]) is not None and not of.is_judged]
    return [Diagnostic(scope.run.location, Code.NOT_IN_SNAPSHOT, message, hint) for scope in unknown]


def portion(scope: Scope, column: Column, due: RowSet, ledger: LedgerView) -> RowSet:
    """Return the due rows of a column that belong to its first portion; all of them if the portion is complete."""
    rollout = scope.run.rollout
    if rollout is None:
        return due
    missing = rollout.first - len(_tried(scope, column, ledger))
    return due if missing <= 0 else due.first(missing)


def is_on_trial(scope: Scope, column: Column, ledger: LedgerView) -> bool:
    """Return True if a column's first portion was bought and has not shown yet, so that its result is unknown."""
    rollout = scope.run.rollout
    if rollout is None:
        return False
    portion = _tried(scope, column, ledger)[: rollout.first]
    awaited = ledger.awaited(column).flags()
    return any(awaited[row] for row in portion)


def _tried(scope: Scope, column: Column, ledger: LedgerView) -> list[int]:
    """Return the rows that were tried, in order; if the run names its rows, only those: others may be unread."""
    tried = ledger.tried(column, scope.run.mode, scope.run.revision)
    if scope.run.rows is None:
        return tried
    flags = scope.rows.flags()
    return [row for row in tried if flags[row]]


@dataclass(frozen=True, slots=True)
class WaveOrder:
    """When a table's cells are sent: first portions and cells that need no trial, upstream first, then all the rest."""

    early: Mapping[str, int]
    """Column id → the wave of its early cells, from 1."""
    late: Mapping[str, int]
    """Column id → the wave of its other cells."""
    behind: Mapping[str, RowSet]
    """Column id → rows sent late: they wait for a rollout's first portion, or depend on a cell that does."""

    @classmethod
    def of(
        cls,
        columns: Sequence[Column],
        due: Mapping[str, RowSet],
        behind: Mapping[str, RowSet],
        depths: Mapping[str, int],
    ) -> "WaveOrder":
        """Assign each column its waves; `columns` come upstream first, `behind` has the rows that wait for a portion.

        A cell waits for due cells upstream in its row. In a cycle no cell waits: otherwise none could ever begin.
        """
        early: dict[str, int] = {}
        late: dict[str, int] = {}
        rows: dict[str, RowSet] = {}
        for column in columns:
            upstream_of = [other for other in column.upstream if other in early and depths[other] < depths[column.id]]
            wanted = due[column.id]
            waiting = behind.get(column.id, wanted - wanted)
            for other in upstream_of:
                waiting |= wanted & rows[other]
            rows[column.id] = waiting
            before = [early[other] for other in upstream_of if (due[other] - rows[other]) & (wanted - waiting)]
            early[column.id] = max(before, default=0) + 1
            late[column.id] = max((late[other] for other in upstream_of if rows[other] & waiting), default=0) + 1
        begun = max((early[column] for column in early if due[column] - rows[column]), default=0)
        return cls(early, {column: wave + begun for column, wave in late.items()}, rows)

    def parted(self, columns: Iterable[ColumnCells]) -> list[tuple[int, list[ColumnCells]]]:
        """Split a scope's cells into waves."""
        waves: dict[int, list[ColumnCells]] = {}
        for cells in columns:
            behind = cells.due & self.behind[cells.column]
            ahead = replace(cells, due=cells.due - behind) if behind else cells
            if ahead.due:
                waves.setdefault(self.early[cells.column], []).append(ahead)
            if behind:
                waves.setdefault(self.late[cells.column], []).append(replace(cells, due=behind))
        return sorted(waves.items())


def blocked_manifests(manifests: Iterable[Manifest], calls: Iterable[Call], skipped: Iterable[Skip]) -> frozenset[str]:
    """Return the manifests that may not begin: an upstream manifest has not finished, and has no calls in this plan."""
    begun = {call.manifest for call in calls}
    unsettled = {skip.address.partition("/")[0] for skip in skipped if skip.reason in _UNSETTLED}
    held = unsettled - begun
    return frozenset(manifest.name for manifest in manifests if any(named.text in held for named in manifest.upstream))


def in_turn(manifests: Sequence[Manifest], calls: Iterable[Call]) -> tuple[Call, ...]:
    """Return the calls with waves counted over all manifests: a manifest's begin when those upstream have ended."""
    calls = tuple(calls)
    if not any(manifest.upstream for manifest in manifests):
        return calls
    lasting: dict[str, int] = {}
    for call in calls:
        lasting[call.manifest] = max(lasting.get(call.manifest, 0), call.wave)
    passed = before(manifests, lasting)
    return tuple(replace(call, wave=call.wave + passed[call.manifest]) for call in calls)


def parted(calls: Sequence[Call]) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
    """Return the calls of the first wave, and those of later waves."""
    first = min((call.wave for call in calls), default=1)
    return tuple(call for call in calls if call.wave == first), tuple(call for call in calls if call.wave > first)


def upstream_of(name: str, manifests: Iterable[Manifest]) -> frozenset[str]:
    """Return the names of all manifests upstream of one, directly or not."""
    known = {manifest.name: manifest for manifest in manifests}
    found: set[str] = set()
    pending = [name]
    while pending:
        manifest = known.get(pending.pop())
        fresh = {named.text for named in manifest.upstream} - found if manifest is not None else set()
        found |= fresh
        pending += fresh
    return frozenset(found)
