"""The report of an apply of several machines: its calls by the ledger, and what the last looks at its units left."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.documents.plan_reader import decimal
from reconciler.documents.report_reader import report_of
from reconciler.errors import Corrupt
from reconciler.fleet.written import UnitContent, budgets_and_units
from reconciler.ledger.applies import Applies
from reconciler.manifests import json_schema
from reconciler.model.attempt import CallResult, StopCause
from reconciler.model.history import CallState
from reconciler.model.manifest import Mode
from reconciler.model.plan import Call, Reason
from reconciler.model.report import Report
from reconciler.model.submitted import ApplyProgress, SubmittedApply, Unit
from reconciler.spending.yields import added_up


def report_of_apply(apply: SubmittedApply, applies: Applies) -> Report:
    """Return the report of an apply all of whose units have ended; the same however often it is asked for.

    Raises LedgerError.
    """
    of_table: dict[str, list[CallResult]] = {}
    for result in applies.calls(apply.id):
        of_table.setdefault(result.call.table_id, []).append(result)
    budgets, submitted = budgets_and_units(apply.content)
    report = Report(apply.plan_id, stop=apply.stop, waited=True, budgets=budgets)
    stop_reason = "" if apply.stop is None else f"the apply had stopped: {apply.stop.message}"
    count = 0
    for count, unit in enumerate(applies.units(apply.id), 1):
        if unit.number != count - 1:
            raise _incomplete(apply)
        own = [result for table in unit.table_ids for result in of_table.pop(table, ())]
        tail = noted_in(unit)
        if tail is None:
            own += _never_looked_at(unit, stop_reason)
        else:
            own = _with_noted(own, tail.results)
            report = _joined(report, tail)
        report = replace(report, results=(*report.results, *sorted(own, key=lambda each: each.call.wave)))
    if count < submitted or (apply.cells and not count):
        raise _incomplete(apply)
    # Tables that did not exist when the plan was made.
    grown = tuple(result for own in of_table.values() for result in own)
    noted = {result.call.id: result for result in report.resumed}
    resumed = _with_noted(applies.calls_named(noted), noted.values())
    report = replace(report, results=(*report.results, *grown), resumed=tuple(resumed))
    in_doubt = {result.call.id for result in report.in_state(CallState.IN_DOUBT)}
    if report.stop is not None and not _kept_from(report):
        report = replace(report, stop=None)
    return replace(
        report,
        yields=added_up((*report.resumed, *report.results)),
        in_doubt=tuple(each for each in report.in_doubt if each.id not in in_doubt),
    )


def _kept_from(report: Report) -> bool:
    """Say whether a stop kept anything from being sent, which one that came too late did not, or tells of a call."""
    assert report.stop is not None
    is_whole = len(report.in_state(CallState.ACCEPTED)) == len(report.results) and not (report.unsent or report.stale)
    return report.stop.cause is StopCause.OVERBOUGHT or not is_whole


def refuse_incomplete(progress: ApplyProgress) -> None:
    """Raise Corrupt if units of an apply are missing."""
    apply = progress.apply
    if sum(progress.units.values()) < budgets_and_units(apply.content)[1]:
        raise _incomplete(apply)


def _incomplete(apply: SubmittedApply) -> Corrupt:
    hint = "See `reconciler ledger list` for what was bought, and `reconciler plan` for what is still due."
    return Corrupt(f"units of apply {apply.id[:8]} are missing from the ledger", hint=hint)


def noted_in(unit: Unit) -> Report | None:
    """Return what the last look at a unit left; None before the first. Raises Corrupt."""
    if not unit.tail:
        return None
    try:
        content = json.loads(unit.tail)
    except (ValueError, RecursionError) as error:
        raise _unreadable(unit, error) from None
    problems = json_schema.problems("report", content)
    if problems:
        raise _unreadable(unit, problems[0].message)
    return report_of(content)


def _with_noted(results: Iterable[CallResult], noted: Iterable[CallResult]) -> list[CallResult]:
    """Return calls as the ledger has them, with the cells that were noted of them, and those that it does not have."""
    left = {result.call.id: result for result in noted}
    found = []
    for result in results:
        seen = left.pop(result.call.id, None)
        found.append(result if seen is None else replace(result, failed=seen.failed, not_started=seen.not_started))
    return [*found, *left.values()]


def _unreadable(unit: Unit, why: object) -> Corrupt:
    return Corrupt(f"what unit {unit.number} of apply {unit.apply_id[:8]} left cannot be read: {why}")


def _joined(report: Report, tail: Report) -> Report:
    return replace(
        report,
        resumed=(*report.resumed, *tail.resumed),
        in_doubt=(*report.in_doubt, *tail.in_doubt),
        held_back=(*report.held_back, *tail.held_back),
        outgrown=(*report.outgrown, *tail.outgrown),
        unsent=(*report.unsent, *tail.unsent),
        blocked=(*report.blocked, *tail.blocked),
        unmet=(*report.unmet, *tail.unmet),
        unrecorded=(*report.unrecorded, *tail.unrecorded),
        stale={**report.stale, **tail.stale},
    )


def _never_looked_at(unit: Unit, reason: str) -> Iterator[CallResult]:
    """Yield the planned calls of a unit that ended before any worker looked at it."""
    for call in UnitContent.of_bytes(unit.content).plan["calls"]:
        planned = Call(
            id=call["id"],
            address=call["address"],
            table_id=call["table_id"],
            mode=Mode(call["mode"]),
            revision=call["revision"],
            columns=tuple(call["columns"]),
            column_keys=tuple(call["column_keys"]),
            rows=tuple(call["rows"]),
            cells=call["cells"],
            credits=decimal(call["credits"]),
            reason=Reason(call["reason"]),
            wave=call["wave"],
        )
        yield CallResult(planned, None, reason)
