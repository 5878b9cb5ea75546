"""How the live tables differ from what the manifests want."""

from dataclasses import replace

from reconciler.operations import observe
from reconciler.operations.connection import Connections
from reconciler.operations.ended_calls import ended_calls
from reconciler.operations.judge import unmet_in
from reconciler.operations.observe import Sources, Targets
from reconciler.planning.drift import DriftReport

__all__ = ["DriftReport", "drift_of"]


def drift_of(targets: Targets, connections: Connections, *, stale: bool) -> DriftReport:
    """Read the tables of `targets` and return their drift, with `stale` also answers to another prompt or inputs."""
    reader, ledger = connections.to_observe()
    settings = connections.settings
    targets = observe.resolve(replace(targets, stale=stale), reader)
    sources = Sources(reader, ledger, settings)
    observation = observe.observe_tables(targets, targets.tables, sources, whole=stale, judging=True)
    plan = observe.plan(targets, observation, settings)
    return DriftReport(plan, unmet_in(targets.manifests, observation.snapshots), ended_calls(observation, settings))
