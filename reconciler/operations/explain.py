"""Read and plan the tables that a manifest depends on, and return the decisions about its cells."""

from dataclasses import replace

from reconciler.errors import ManifestError, SettingsError
from reconciler.operations import observe
from reconciler.operations.connection import Connections
from reconciler.operations.observe import Sources, Targets
from reconciler.planning.explanation import ExplainedCells, Question, explain
from reconciler.planning.waves import upstream_of
from reconciler.text.sanitize import one_line

__all__ = ["ExplainedCells", "explain_cells"]


def explain_cells(
    targets: Targets, selector: str, column: str | None, row: str | None, connections: Connections
) -> tuple[ExplainedCells, ...]:
    """Return why each cell of `MANIFEST[/RUN]` is due or not; sends only GET and writes nothing.

    Raises SettingsError for a name that is not there, ManifestError if a table cannot be read.
    """
    question = Question.of(selector, column, row, targets.every)
    reader, ledger = connections.to_observe()
    targets = observe.resolve(targets, reader)
    upstream = upstream_of(question.manifest, targets.manifests)
    own = {each.table_id for each in targets.manifests if each.name == question.manifest}
    # A cell depends on what else is due in its table, and on the manifests upstream.
    needed = tuple(
        each for each in targets.manifests if each.table_id in own or each.name in {question.manifest, *upstream}
    )
    targets = replace(targets, manifests=needed, maps=True, stale=True)
    sources = Sources(reader, ledger, connections.settings, connections.profile)
    observation = observe.observe_tables(targets, targets.tables, sources)
    plan = observe.plan(targets, observation, connections.settings)
    waiting = next((each for each in plan.pending if each.manifest == question.manifest), None)
    if waiting is not None:
        raise SettingsError(
            f"{question.manifest} has no cells yet: it waits for {one_line(waiting.waits_for)}",
            hint="Its cells can be explained once the table is there.",
        )
    if plan.diagnostics:
        raise ManifestError(plan.diagnostics)
    prices = connections.settings.project.prices
    return explain(question, plan, observation.snapshots, observation.histories, prices, sorted(upstream))
