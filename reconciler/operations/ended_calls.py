"""Calls of earlier applies that the live tables have ended: told by what only reads, written by `apply` and `wait`."""

from collections.abc import Iterator

from reconciler.model.attempt import Settlement
from reconciler.model.ended_call import EndedCall
from reconciler.model.history import PastCall
from reconciler.operations.observe import Observation
from reconciler.settings.settings import Settings
from reconciler.spending.wait import shown_calls


def ended_calls(observation: Observation, settings: Settings) -> tuple[EndedCall, ...]:
    """Return the calls that the ledger holds for open and the live tables do not, by address."""
    return tuple(sorted(_ended(observation, settings), key=lambda each: (each.address, each.id)))


def _ended(observation: Observation, settings: Settings) -> Iterator[EndedCall]:
    shows_within = settings.project.api.spend.shows_within_seconds
    landed = {ending.call.id: ending.landed for ending in observation.verdicts}
    counted: dict[str, tuple[PastCall, Settlement]] = {}
    for table, snapshot in observation.snapshots.items():
        found = shown_calls(observation.histories[table], snapshot, shows_within)
        counted.update((call.id, (call, settlement)) for call, settlement in found)
    for call, settlement in counted.values():
        yield EndedCall(call.id, call.address, call.cells, landed.get(call.id), settlement)
    for ending in observation.verdicts:
        if ending.call.id not in counted:
            yield EndedCall(ending.call.id, ending.call.address, ending.call.cells, ending.landed, None)
