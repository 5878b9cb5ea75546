"""The status of the live tables: everything in them, against the manifests."""

from dataclasses import replace

from reconciler.operations import observe
from reconciler.operations.connection import Connections
from reconciler.operations.ended_calls import ended_calls
from reconciler.operations.observe import Sources, Targets
from reconciler.planning.status import Status, status_of

__all__ = ["Status", "read_status"]


def read_status(targets: Targets, connections: Connections) -> Status:
    """Read whole tables, and return what is done, due and in doubt in them. Raises ApiError, LedgerError."""
    settings = connections.settings
    reader, ledger = connections.to_observe()
    targets = observe.resolve(targets, reader)
    observation = observe.observe_tables(targets, targets.tables, Sources(reader, ledger, settings))
    found = status_of(observe.plan(targets, observation, settings))
    return replace(found, ended=ended_calls(observation, settings))
