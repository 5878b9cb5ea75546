"""How far a step brought a unit, and what its tail says: pure."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler.documents import report_file
from reconciler.model.attempt import CallResult, StopCause
from reconciler.model.history import CallState
from reconciler.model.report import Report, Unsent
from reconciler.model.submitted import Phase, Unit, UnitOutcome
from reconciler.operations.apply_step import Step

FIRST_LOOK_SECONDS = 1.0
LONGEST_LOOK_SECONDS = 10.0
MOST_FAILURES = 10
"""Looks in a row that failed for a reason that may pass, before a unit is given up."""
_FAILED = 100
"""`tries` from here on count looks that failed."""
_PASSES = (StopCause.INTERRUPTED, StopCause.LEASED, StopCause.LEDGER)


def look_in(tries: int) -> float:
    """Return the seconds until the next look, after so many in a row that changed nothing."""
    return min(LONGEST_LOOK_SECONDS, FIRST_LOOK_SECONDS * 2.0 ** min(tries, 10))


def outcome_of(
    unit: Unit,
    step: Step,
    shows_within: float,
    is_its: Callable[[str, str], bool],
    complete: Callable[[Report], Report],
) -> UnitOutcome:
    """Return how far a step brought a unit.

    `is_its` says of a table id and a manifest's name whether they are the unit's. `complete` adds what only the live
    tables tell, once nothing is left to wait for.
    """
    report = restricted(step.report, is_its)
    tables = {each for each in (*step.moving, *step.left) if is_its(each, "")}
    stop = report.stop
    if stop is not None and stop.cause in _PASSES and any(result.ending is None for result in report.results):
        phase = Phase.QUEUED if stop.cause is StopCause.INTERRUPTED else Phase.WAITING
        return UnitOutcome(unit.number, phase, look_in(unit.tries), _looked(unit))
    accepted = report.in_state(CallState.ACCEPTED)
    is_waiting = (
        any(result.settlement is None for result in accepted)
        or bool(report.later)
        or (stop is None and bool(report.unsent))
        or bool(tables & step.moving & step.left)
    )
    doubts = report.in_state(CallState.IN_DOUBT)
    rest = max((shows_within - step.ages.get(result.call.id, 0.0) for result in doubts), default=0.0)
    if is_waiting or rest > 0:
        seconds = look_in(unit.tries) if is_waiting else min(look_in(unit.tries), rest)
        return UnitOutcome(unit.number, Phase.WAITING, max(0.05, seconds), _looked(unit))
    return ended(unit, complete(report))


def _looked(unit: Unit) -> int:
    return 1 if unit.tries >= _FAILED else min(unit.tries + 1, _FAILED - 1)


def failed(unit: Unit, *, for_good: bool) -> UnitOutcome | None:
    """Return when to try again after a look that failed; None if it has failed too often, which some never do."""
    failures = unit.tries - _FAILED if unit.tries >= _FAILED else 0
    if for_good and failures + 1 >= MOST_FAILURES:
        return None
    return UnitOutcome(unit.number, Phase.WAITING, look_in(failures), _FAILED + min(failures + 1, MOST_FAILURES))


def ended(unit: Unit, report: Report) -> UnitOutcome:
    """Return the end of a unit, by what is left of it."""
    if report.in_state(CallState.IN_DOUBT):
        phase = Phase.IN_DOUBT
    else:
        is_short = report.unsent or report.stale or any(not _is_recorded(each) for each in report.results)
        phase = Phase.GIVEN_UP if is_short else Phase.SETTLED
    return UnitOutcome(unit.number, phase, tail=tail_of(report))


def restricted(report: Report, is_its: Callable[[str, str], bool]) -> Report:
    """Return the part of a report that is about a unit."""

    def own(each: object) -> bool:
        address = getattr(each, "address", "")
        return is_its(getattr(each, "table_id", ""), address.partition("/")[0])

    return replace(
        report,
        results=tuple(each for each in report.results if is_its(each.call.table_id, each.call.manifest)),
        later=tuple(filter(own, report.later)),
        unsent=tuple(filter(own, report.unsent)),
        held_back=tuple(filter(own, report.held_back)),
        in_doubt=tuple(filter(own, report.in_doubt)),
        outgrown=tuple(each for each in report.outgrown if is_its("", each.growth.manifest)),
        stale={name: why for name, why in report.stale.items() if is_its("", name)},
    )


def _is_recorded(result: CallResult) -> bool:
    return result.ending is not None and not result.ending.passes_budget


def tail_of(report: Report) -> str:
    """Return what the ledger does not say of a unit: what was not sent, and why, as JSON."""
    unsaid = tuple(result for result in report.results if not _is_recorded(result))
    return json.dumps(report_file.document(replace(report, results=unsaid, stop=None, later=(), yields=()), 0))


def given_up(unit: Unit, addresses: Sequence[tuple[str, str, int]], reason: str, stale: dict[str, str]) -> UnitOutcome:
    """Return the end of a unit of which nothing more can be sent: its calls by address, table and cells, and why."""
    unsent = () if stale else tuple(Unsent(address, table, cells, reason) for address, table, cells in addresses)
    return UnitOutcome(unit.number, Phase.GIVEN_UP, tail=tail_of(Report("", unsent=unsent, stale=stale)))
