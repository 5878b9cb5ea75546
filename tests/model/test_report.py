"""The result of an apply: counts from outcomes, and the exit code of every combination."""

from itertools import combinations, product

import pytest

from reconciler.model.attempt import CallResult, Ending, Receipt, Settlement, Stop, StopCause
from reconciler.model.history import CallState
from reconciler.model.plan import CallInDoubt
from reconciler.model.report import ExitCode, Report, bought_cells, cost_of, sum_cells
from tests.planning.tables_and_manifests import a_call

CALL = a_call(1)


def accepted(requested: int | None = 2, settled: Settlement | None = None) -> CallResult:
    """Return an accepted call, perhaps with what waiting found."""
    return CallResult(CALL, Ending(CallState.ACCEPTED, receipt=Receipt("run", requested)), settlement=settled)


RESULTS = {
    "accepted": accepted(),
    "settled": accepted(settled=Settlement(2, 0, 0)),
    "not started": accepted(settled=Settlement(1, 0, 1)),
    "failed cells": accepted(settled=Settlement(1, 1, 0)),
    "refused": CallResult(CALL, Ending(CallState.REFUSED, "no", 404)),
    "not sent": CallResult(CALL, Ending(CallState.NOT_SENT, "no")),
    "in doubt": CallResult(CALL, Ending(CallState.IN_DOUBT, "reset")),
    "not tried": CallResult(CALL, None, "the apply had stopped"),
}
FINE = {"accepted", "settled"}
OLD_DOUBT = CallInDoubt("old", "accounts/new", "table", 2, None, 1.0)


def expected(names: tuple[str, ...], stop: StopCause | None, *, in_doubt_before: bool, unrecorded: bool) -> int:
    """The highest of 7, 6, then the others, said once more in plain words."""
    if in_doubt_before or unrecorded or "in doubt" in names:
        return 7
    was_tried = any(name != "not tried" for name in names)
    if not was_tried and stop is StopCause.LEASED:
        return 5
    if not was_tried and stop is StopCause.LEDGER:
        return 1
    if not was_tried and stop is StopCause.LIMIT:
        return 3
    return 6 if stop or any(name not in FINE for name in names) else 0


COMBINATIONS = [names for size in range(4) for names in combinations(RESULTS, size)]


@pytest.mark.parametrize("stop", [None, *StopCause], ids=lambda stop: stop.value if stop else "ran to the end")
@pytest.mark.parametrize("in_doubt_before", [False, True], ids=["", "doubt before"])
@pytest.mark.parametrize("unrecorded", [False, True], ids=["", "unrecorded"])
def test_the_exit_code_of_every_combination(stop: StopCause | None, in_doubt_before: bool, unrecorded: bool) -> None:
    """Up to three kinds of results together with every reason to stop; no flag changes a refusal."""
    for names, waited in product(COMBINATIONS, [False, True]):
        report = Report(
            "p",
            tuple(RESULTS[name] for name in names),
            Stop(stop, "why") if stop else None,
            in_doubt=(OLD_DOUBT,) if in_doubt_before else (),
            unrecorded=("id",) if unrecorded else (),
            waited=waited,
            still_running=("table",) if waited else (),
        )
        code = expected(names, stop, in_doubt_before=in_doubt_before, unrecorded=unrecorded)
        assert report.exit_code() == code, names
        detailed = 2 if code == 0 and FINE & set(names) else code
        assert report.exit_code(detailed=True) == detailed, names


def test_the_contracts_exit_codes_are_all_there() -> None:
    """By number and name."""
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "ERROR": 1,
        "CHANGES": 2,
        "LIMIT": 3,
        "STALE": 4,
        "LEASED": 5,
        "PARTIAL": 6,
        "IN_DOUBT": 7,
        "RUNNING": 8,
        "USAGE": 64,
        "CANCELLED": 130,
    }


def test_sums_come_from_outcomes() -> None:
    """The number that the API took, or the planned one if it did not say."""
    assert [bought_cells(accepted(number)) for number in (0, 1, 5, None)] == [0, 1, 5, 2]
    assert bought_cells(RESULTS["refused"]) == 2
    assert sum_cells([accepted(), RESULTS["refused"]]) == 4
    assert cost_of([accepted(), accepted()]).total == 4
    assert cost_of([accepted(), CallResult(a_call(2, price=None), None)]).total is None
    assert cost_of([]).total == 0


def test_results_are_sorted_by_how_they_ended() -> None:
    """Every result is in exactly one heap."""
    report = Report("p", tuple(RESULTS.values()))
    heaps = [report.in_state(state) for state in CallState] + [report.not_attempted]
    assert sum(map(len, heaps)) == len(RESULTS)
    assert len(report.in_state(CallState.ACCEPTED)) == 4
    assert report.not_attempted == (RESULTS["not tried"],)
    assert report.failed_cells == 1
