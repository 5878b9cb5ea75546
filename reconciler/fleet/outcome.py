"""How far a step brought a unit, and what its tail says: pure."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from reconciler.documents import report_file
from reconciler.errors import Corrupt, ErroredPlan, ManifestError, ReconcilerError, StalePlan
from reconciler.fleet.written import UnitContent
from reconciler.model.attempt import CallResult, StopCause
from reconciler.model.history import CallState
from reconciler.model.report import Report, Unsent
from reconciler.model.submitted import Phase, Unit, UnitOutcome
from reconciler.operations.apply_step import Step
from reconciler.text.sanitize import one_line

FIRST_LOOK_SECONDS = 1.0
LONGEST_LOOK_SECONDS = 10.0
MOST_FAILURES = 10
"""Looks in a row that failed for a reason that may pass, before a unit is given up."""
_FAILED = 100
"""`tries` from here on count looks that failed."""
_NO_PLAN = f"sha256:{0:064}"
"""In place of the plan's id, which the apply says."""
_PASSES = (StopCause.LEASED, StopCause.LEDGER)


def look_in(tries: int) -> float:
    """Return the seconds until the next look, after so many in a row that changed nothing."""
    return min(LONGEST_LOOK_SECONDS, FIRST_LOOK_SECONDS * 2.0 ** min(tries, 10))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a step's outcome depends on besides the step."""

    shows_within: float
    """Seconds within which an accepted call shows, and after which a doubt is as certain as it gets."""
    is_interrupted: bool
    """True if the worker was told to end: then it is not the apply that was stopped."""
    complete: Callable[[Report], Report]
    """Adds what only the live tables tell, once nothing is left to wait for."""


def outcome_of(unit: Unit, step: Step, around: Surroundings, is_its: Callable[[str, str], bool]) -> UnitOutcome:
    """Return how far a step brought a unit; `is_its` says of a table id and a manifest's name whether they are its."""
    report = restricted(step.report, is_its)
    tables = {each for each in (*step.moving, *step.left) if is_its(each, "")}
    stop = report.stop
    has_ended = stop is None or not any(each.ending is None or each.may_be_tried_again for each in report.results)
    is_interrupted = around.is_interrupted and stop is not None and stop.cause is StopCause.INTERRUPTED
    if stop is not None and not has_ended and (is_interrupted or stop.cause in _PASSES):
        phase = Phase.QUEUED if is_interrupted else Phase.WAITING
        return UnitOutcome(unit.number, phase, look_in(unit.tries), looked(unit), note_of(report))
    accepted = report.in_state(CallState.ACCEPTED)
    is_waiting = (
        any(result.settlement is None for result in accepted)
        or any(result.call.id in step.unsettled for result in report.resumed)
        or bool(report.later)
        or (stop is None and bool(report.unsent))
        or bool(tables & step.moving & step.left)
    )
    # Of its own, and of other applies: another worker may be sending these just now.
    ages = [step.ages.get(result.call.id, 0.0) for result in report.in_state(CallState.IN_DOUBT)]
    ages += [step.ages[call.id] for call in report.in_doubt if call.id in step.ages]
    rest = around.shows_within - min(ages, default=around.shows_within)
    if is_waiting or rest > 0:
        seconds = look_in(unit.tries) if is_waiting else min(look_in(unit.tries), rest)
        return UnitOutcome(unit.number, Phase.WAITING, max(0.05, seconds), looked(unit), note_of(report))
    return ended(unit, around.complete(report))


def looked(unit: Unit) -> int:
    """Return the `tries` of a unit after one more look that changed nothing, and that did not fail."""
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
        resumed=tuple(each for each in report.resumed if is_its(each.call.table_id, each.call.manifest)),
        later=tuple(filter(own, report.later)),
        unsent=tuple(filter(own, report.unsent)),
        blocked=tuple(filter(own, report.blocked)),
        held_back=tuple(filter(own, report.held_back)),
        in_doubt=tuple(filter(own, report.in_doubt)),
        outgrown=tuple(each for each in report.outgrown if is_its("", each.growth.manifest)),
        stale={name: why for name, why in report.stale.items() if is_its("", name)},
    )


def belongs(unit: Unit, content: UnitContent) -> Callable[[str, str], bool]:
    """Return a function that tells whether a table id (may be empty) and a manifest's name belong to a unit."""
    tables = frozenset(unit.table_ids)
    names = frozenset(each["value"]["metadata"]["name"] for each in content.documents)

    def belongs(table_id: str, manifest: str) -> bool:
        if not table_id:
            return manifest in names
        return table_id in tables or (content.whole and manifest in names)

    return belongs


def _is_recorded(result: CallResult) -> bool:
    return result.ending is not None and not result.ending.passes_budget


def note_of(report: Report) -> str:
    """Return what the next step should know of a unit and the ledger does not say, as JSON of a report.

    Of a call that was not sent: that all tries were made. A step that was stopped did not make them all.
    """

    def is_unsaid(result: CallResult) -> bool:
        is_given_up = report.stop is None and _is_recorded(result) and result.may_be_tried_again
        return bool(result.failed or result.not_started) or is_given_up

    results = tuple(filter(is_unsaid, report.results))
    return _written(Report("", results, resumed=report.resumed))


def tail_of(report: Report) -> str:
    """Return what the ledger does not say of a unit: what was not sent, and why; and cells by row. As JSON."""
    unsaid = tuple(each for each in report.results if not _is_recorded(each) or each.failed or each.not_started)
    return _written(replace(report, results=unsaid, stop=None, later=(), yields=()))


def _written(report: Report) -> str:
    return json.dumps(report_file.document(replace(report, plan_id=_NO_PLAN), 0))


def given_up(unit: Unit, error: Exception, sent: Collection[str]) -> UnitOutcome:
    """Return the end of a unit of which nothing more can be sent, and why; `sent` are ids of calls that were begun."""
    said = str(error) if isinstance(error, ManifestError) else _words(error)
    try:
        plan = UnitContent.of_bytes(unit.content).plan
        unsent = [
            Unsent(call["address"], call["table_id"], call["cells"], said)
            for call in plan["calls"]
            if call["id"] not in sent
        ]
        names = list(plan["manifest_digests"])
    except (Corrupt, LookupError, TypeError):
        unsent, names = [Unsent("(unknown)", table, 0, said) for table in unit.table_ids or ("",)], []
    if isinstance(error, StalePlan):
        return UnitOutcome(unit.number, Phase.GIVEN_UP, tail=tail_of(Report("", stale=dict.fromkeys(names, said))))
    return UnitOutcome(unit.number, Phase.GIVEN_UP, tail=tail_of(Report("", unsent=tuple(unsent))))


def _words(error: Exception) -> str:
    if isinstance(error, ErroredPlan):
        return "; ".join(one_line(problem.message) for problem in error.problems)
    return one_line(error.message) if isinstance(error, ReconcilerError) else f"an unexpected {type(error).__name__}"
