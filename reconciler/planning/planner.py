"""(desired, observed, history) → Plan. Pure: the same inputs give the same plan, bit for bit.

For each table: resolve the scopes, decide each column in dependency order (`cell_decision.py` decides about one cell),
cover the due cells with rectangles, and count the rest by reason.
"""

from collections.abc import Sequence

from reconciler.model.history import TableHistory
from reconciler.model.manifest import Manifest
from reconciler.model.observed import TableSnapshot
from reconciler.model.plan import Pending, Plan, PlannedTable, Skip
from reconciler.model.stale_cells import StaleCells
from reconciler.planning.growth import growth
from reconciler.planning.inputs import PlanInputs, PlanOptions
from reconciler.planning.plan_settings import PlanSettings
from reconciler.planning.table_plan import TablePlan
from reconciler.planning.table_planner import TablePlanner
from reconciler.planning.waves import blocked_manifests, in_turn
from reconciler.text.digest import digest
from reconciler.text.location import Diagnostic

NO_OPTIONS = PlanOptions()


def make_plan(inputs: PlanInputs, options: PlanOptions = NO_OPTIONS) -> Plan:
    """Compare what the manifests want with what the tables show and the ledger remembers."""
    planner = Planner(inputs.manifests, inputs.settings, options)
    for table, snapshot in inputs.snapshots.items():
        planner.add(table, snapshot, inputs.histories.get(table) or TableHistory(table))
    return planner.plan(inputs.unreadable, inputs.pending)


class Planner:
    """Makes one plan, of whose tables each can be planned as soon as it is read. The order of `add` changes nothing."""

    def __init__(
        self, manifests: Sequence[Manifest], settings: PlanSettings, options: PlanOptions = NO_OPTIONS
    ) -> None:
        self._manifests = manifests
        self._settings = settings
        self._options = options
        self._by_table: dict[str, list[Manifest]] = {}
        for manifest in sorted(manifests, key=lambda manifest: (manifest.name, manifest.table_id)):
            self._by_table.setdefault(manifest.table_id, []).append(manifest)
        self._snapshots: dict[str, TableSnapshot] = {}
        self._histories: dict[str, TableHistory] = {}
        self._planned: dict[str, TablePlan] = {}
        """As if no manifest waited for another."""

    def add(self, table: str, snapshot: TableSnapshot, history: TableHistory) -> None:
        """Plan a table. Its history was read before the snapshot."""
        self._snapshots[table], self._histories[table] = snapshot, history
        if table in self._by_table:
            self._planned[table] = self._plan(table, frozenset())

    def _plan(self, table: str, waiting: frozenset[str]) -> TablePlan:
        snapshot, history = self._snapshots[table], self._histories[table]
        return TablePlanner(self._by_table[table], snapshot, history, self._settings, self._options, waiting).plan()

    def plan(self, unreadable: Sequence[Diagnostic] = (), pending: Sequence[Manifest] = ()) -> Plan:
        """Return the plan of the tables that were added; of the others `unreadable` tells why they were not.

        `pending` are manifests whose tables do not exist yet.
        """
        manifests, options = self._manifests, self._options
        planned = {table: self._planned[table] for table in self._by_table if table in self._planned}
        waiting: frozenset[str] = frozenset()
        while True:
            parts = list(planned.values())
            calls = [call for part in parts for call in part.calls]
            before = waiting
            waiting |= blocked_manifests(manifests, calls, (skip for part in parts for skip in part.skipped))
            if waiting == before:
                break
            for table in planned:
                if any(owner.name in waiting for owner in self._by_table[table]):
                    planned[table] = self._plan(table, waiting)
        ordered = in_turn(manifests, calls)
        grown = growth((*manifests, *pending), ordered, self._snapshots, self._settings.prices)
        named = {call.manifest for call in ordered} | {each.manifest for each in grown}
        return Plan(
            manifest_digest=options.manifest_digest,
            manifest_digests={
                manifest.name: digest(manifest.content())
                for manifest in sorted((*manifests, *pending), key=lambda manifest: manifest.name)
                if manifest.name in named
            },
            tables=tuple(sorted((t for part in parts for t in part.tables), key=_by_manifest)),
            # Table by table, so that upstream columns stay first even if two manifests share a table.
            calls=ordered,
            growth=grown,
            skipped=tuple(sorted((skip for part in parts for skip in part.skipped), key=_by_address)),
            in_doubt=tuple(sorted((open_ for part in parts for open_ in part.in_doubt), key=lambda call: call.id)),
            ledger_id=next((each.ledger_id for each in self._histories.values() if each.ledger_id), ""),
            held_up=tuple(skip for part in parts for skip in part.held_up),
            waiting=in_turn(manifests, (call for part in parts for call in part.waiting)),
            schedules=tuple(cells for part in parts for cells in part.schedules),
            stale=tuple(sorted((each for part in parts for each in part.stale), key=_by_address)),
            maps=tuple(part.cell_map for part in parts if part.cell_map is not None),
            diagnostics=tuple(sorted([*unreadable, *(p for part in parts for p in part.diagnostics)])),
            include=options.include,
            exclude=options.exclude,
            pending=tuple(
                Pending(manifest.name, manifest.table, manifest.table_place)
                for manifest in sorted(pending, key=lambda manifest: manifest.name)
            ),
        )


def _by_manifest(table: PlannedTable) -> tuple[str, str, str]:
    return table.manifest, table.name, table.table_id


def _by_address(cells: Skip | StaleCells) -> tuple[str, str]:
    return cells.address, cells.table_id
