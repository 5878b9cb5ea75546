"""Accepted calls of earlier applies that are not settled: waiting for them goes on where it was."""

from collections.abc import Collection, Iterator, Mapping

from reconciler.model.attempt import CallResult, Ending
from reconciler.model.history import CallState, PastCall
from reconciler.model.observed import TableSnapshot
from reconciler.model.plan import Call
from reconciler.operations.apply_context import WaitContext
from reconciler.operations.observe import Observation
from reconciler.planning.table_plan import REASONS
from reconciler.spending.elapsed import elapsed
from reconciler.spending.wait import count_cells


def unsettled(observation: Observation) -> Iterator[PastCall]:
    """Yield the accepted calls whose cells were not counted yet."""
    for history in observation.histories.values():
        yield from (call for call in history.accepted() if not call.settled)


def resume(observation: Observation, settled: Collection[str], context: WaitContext) -> tuple[CallResult, ...]:
    """Return the calls to wait for, those with an id in `settled` counted; note when their quiet periods end."""
    in_doubt = {verdict.call.id for verdict in observation.verdicts}  # to the ledger they are, until it is told
    calls = [call for call in unsettled(observation) if call.id not in in_doubt]
    found = tuple(results_of(calls, observation, context))
    counted = count_cells(found, observation.snapshots)
    return tuple(each if each.call.id in settled else of for of, each in zip(found, counted, strict=True))


def results_of(calls: list[PastCall], observation: Observation, context: WaitContext) -> Iterator[CallResult]:
    """Yield calls of the ledger as the applies that sent them would have reported them before waiting."""
    shows_within = context.settings.project.api.spend.shows_within_seconds
    for call in calls:
        context.rests_at[call.id] = elapsed() + max(0.0, shows_within - call.age_seconds)
        yield _result(call, observation.snapshots[call.table_id])


def _result(past: PastCall, snapshot: TableSnapshot) -> CallResult:
    keys: Mapping[str, str] = {column.id: column.key for column in snapshot.columns}
    columns = tuple(dict.fromkeys(column for block in past.covered for column in block.columns))
    call = Call(
        id=past.id,
        address=past.address,
        table_id=past.table_id,
        mode=past.mode,
        revision=past.revision,
        columns=columns,
        column_keys=tuple(keys.get(column, column) for column in columns),
        rows=tuple(dict.fromkeys(row for block in past.covered for row in block.rows)),
        cells=past.cells,
        credits=past.credits,
        reason=REASONS[past.mode],
        covered=past.covered,
        before=past.before,
    )
    return CallResult(call, Ending(CallState.ACCEPTED))
