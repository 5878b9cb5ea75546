"""(desired, observed, history) → Plan. Pure: the same inputs give the same plan, bit for bit.

For each table: resolve the scopes, decide each column in dependency order (`cell_decision.py` decides about one cell),
cover the due cells with rectangles, and count the rest by reason.
"""

from reconciler.model.history import TableHistory
from reconciler.model.manifest import Manifest
from reconciler.model.plan import Pending, Plan, PlannedTable, Skip
from reconciler.model.stale_cells import StaleCells
from reconciler.planning.growth import growth
from reconciler.planning.inputs import PlanInputs, PlanOptions
from reconciler.planning.table_plan import TablePlan
from reconciler.planning.table_planner import TablePlanner
from reconciler.planning.waves import blocked_manifests, in_turn
from reconciler.text.digest import digest

NO_OPTIONS = PlanOptions()


def make_plan(inputs: PlanInputs, options: PlanOptions = NO_OPTIONS) -> Plan:
    """Compare what the manifests want with what the tables show and the ledger remembers."""
    manifests, pending, snapshots = inputs.manifests, inputs.pending, inputs.snapshots
    by_table: dict[str, list[Manifest]] = {}
    for manifest in sorted(manifests, key=lambda manifest: (manifest.name, manifest.table_id)):
        by_table.setdefault(manifest.table_id, []).append(manifest)
    waiting: frozenset[str] = frozenset()
    planned: dict[str, TablePlan] = {}
    while True:
        for table, owners in by_table.items():
            is_new = table not in planned or any(owner.name in waiting for owner in owners)
            if table in snapshots and is_new:
                history = inputs.histories.get(table) or TableHistory(table)
                planner = TablePlanner(owners, snapshots[table], history, inputs.settings, options, waiting)
                planned[table] = planner.plan()
        parts = list(planned.values())
        calls = [call for part in parts for call in part.calls]
        before = waiting
        waiting |= blocked_manifests(manifests, calls, (skip for part in parts for skip in part.skipped))
        if waiting == before:
            break
    ordered = in_turn(manifests, calls)
    grown = growth((*manifests, *pending), ordered, snapshots, inputs.settings.prices)
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
        ledger_id=next((each.ledger_id for each in inputs.histories.values() if each.ledger_id), ""),
        held_up=tuple(skip for part in parts for skip in part.held_up),
        waiting=in_turn(manifests, (call for part in parts for call in part.waiting)),
        stale=tuple(sorted((each for part in parts for each in part.stale), key=_by_address)),
        maps=tuple(part.cell_map for part in parts if part.cell_map is not None),
        diagnostics=tuple(sorted([*inputs.unreadable, *(p for part in parts for p in part.diagnostics)])),
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
