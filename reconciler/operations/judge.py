"""The runs whose answers are not as their `expect` says, judged once their calls were waited for."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.errors import ReconcilerError
from reconciler.model.expectation import Unmet
from reconciler.model.history import CallState
from reconciler.model.manifest import Manifest
from reconciler.model.observed import TableSnapshot
from reconciler.model.report import Report
from reconciler.operations.apply_context import WaitContext
from reconciler.operations.observe import Sources, Targets, observe_tables
from reconciler.planning.judging import unmet
from reconciler.text.sanitize import one_line


def unmet_in(manifests: Iterable[Manifest], snapshots: Mapping[str, TableSnapshot]) -> tuple[Unmet, ...]:
    """Return the runs of manifests that the answers in their tables breach."""
    by_table: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        if any(run.expect is not None for run in manifest.runs):
            by_table.setdefault(manifest.table_id, []).append(manifest)
    found = (each for table, of in by_table.items() if table in snapshots for each in unmet(of, snapshots[table]))
    return tuple(sorted(found, key=lambda each: (each.address, each.table_id)))


def judged(report: Report, targets: Targets, context: WaitContext) -> Report:
    """Return the report with what the answers of the runs are like whose calls were waited for.

    Raises nothing: an answer that cannot be read changes nothing that was spent, and is reported as not judged.
    """
    ended = {
        (result.call.address, result.call.table_id)
        for result in (*report.resumed, *report.in_state(CallState.ACCEPTED))
        if result.settlement is not None
    }
    kept = []
    for manifest in targets.manifests:
        runs = (run for run in manifest.runs if run.expect is not None)
        asked = tuple(run for run in runs if (f"{manifest.name}/{run.name}", manifest.table_id) in ended)
        if asked:
            kept.append(replace(manifest, runs=asked))
    if not kept or context.interrupt:
        return report
    tables = {manifest.table_id for manifest in kept}
    sources = Sources(context.reader, context.ledger, context.settings, context.profile)
    problems: dict[str, str] = {}
    snapshots: Mapping[str, TableSnapshot] = {}
    try:
        with context.interrupt.reading():
            observation = observe_tables(
                replace(targets, manifests=tuple(kept)), tables, sources, whole=False, judging=True
            )
        snapshots = observation.snapshots
        problems = {table: error.message for table, error in observation.unreadable.items()}
    except ReconcilerError as error:
        problems = dict.fromkeys(tables, error.message)
    unread = (
        Unmet(f"{manifest.name}/{run.name}", manifest.table_id, problem=f"they could not be read: {one_line(problem)}")
        for manifest in kept
        if (problem := problems.get(manifest.table_id)) is not None
        for run in manifest.runs
    )
    return replace(report, unmet=(*unmet_in(kept, snapshots), *unread))
