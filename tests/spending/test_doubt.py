"""How a call in doubt ends: by what the table shows, by time, or by a person."""

from dataclasses import replace

import pytest

from reconciler.model.history import Block, CallState, PastCall, TableHistory
from reconciler.model.manifest import Mode
from reconciler.model.observed import TableSnapshot
from reconciler.spending.doubt import judge
from tests.planning.tables_and_manifests import QUIET, TABLE, a_column, a_past_call, a_table, column_id, row_id

OPEN = [CallState.INTENT, CallState.IN_DOUBT]
BLOCK = Block((column_id(1), column_id(2)), (row_id(0), row_id(1)))


def table_of(first: str, second: str, *, run_status: str = "idle", in_progress: int = 0) -> TableSnapshot:
    """Return a table of two columns."""
    return a_table([a_column(1), a_column(2)], [first, second], run_status=run_status, in_progress=in_progress)


def a_doubt(state: CallState, *, mode: Mode = Mode.NEW, age: float = QUIET, mark: str = "0") -> PastCall:
    """Return a call over both rows of both columns, all of whose cells showed `mark` before."""
    revision = "r1" if mode is Mode.ALL else None
    before = dict.fromkeys(BLOCK.columns, (mark, mark))
    return a_past_call(state, [BLOCK], mode=mode, revision=revision, before=before, age=age, settled=False)


def judged(call: PastCall, table: TableSnapshot) -> str:
    """Say in one word what becomes of the call; the history is checked to say the same."""
    history, verdicts = judge(TableHistory(TABLE, 1, (call,)), table, QUIET)
    if not verdicts:
        assert history.calls == (call,)
        return "open"
    (verdict,) = verdicts
    assert verdict.call == call
    assert verdict.evidence
    assert history.calls == ((replace(call, state=CallState.ACCEPTED),) if verdict.landed else ())
    return "landed" if verdict.landed else "not landed"


@pytest.mark.parametrize("state", OPEN)
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("age", [0.0, QUIET, QUIET * 100])
@pytest.mark.parametrize("run_status", ["idle", "running"])
def test_any_cell_that_moved_means_landed(state: CallState, mode: Mode, age: float, run_status: str) -> None:
    """In every mode, at any age, on an idle table and on a running one."""
    call = a_doubt(state, mode=mode, age=age)
    assert judged(call, table_of("..", ".d", run_status=run_status)) == "landed"
    assert judged(call, table_of("p.", "..", run_status=run_status)) == "landed"


@pytest.mark.parametrize("state", OPEN)
@pytest.mark.parametrize("mode", Mode)
def test_empty_cells_that_are_pending_are_judged_when_they_have_ended(state: CallState, mode: Mode) -> None:
    """They may wait for a run, or never have run while another call's cells do; cells that had a value cannot."""
    call = a_doubt(state, mode=mode, age=QUIET * 100)
    assert judged(call, table_of("qq", "qq", run_status="running")) == "open"
    assert judged(call, table_of("q.", ".f", run_status="running")) == "landed"
    assert judged(call, table_of("i.", "..")) == "landed"
    assert judged(a_doubt(state, mode=mode, mark="1"), table_of("qd", "dd", run_status="running")) == "landed"


@pytest.mark.parametrize("state", OPEN)
def test_new_on_an_idle_table_without_a_value_after_the_quiet_period_means_not_landed(state: CallState) -> None:
    """The quiet period counts as passed at its last moment."""
    assert judged(a_doubt(state, age=QUIET), table_of("..", "..")) == "not landed"


@pytest.mark.parametrize("state", OPEN)
@pytest.mark.parametrize(
    ("age", "run_status", "in_progress"),
    [(QUIET - 0.001, "idle", 0), (QUIET, "running", 0), (QUIET, "paused", 0), (QUIET, "idle", 1)],
    ids=["too early", "running", "of a status nobody knows", "cells in progress elsewhere"],
)
def test_new_stays_in_doubt_before_the_quiet_period_or_while_the_table_runs(
    state: CallState, age: float, run_status: str, in_progress: int
) -> None:
    """Any one of them missing proves nothing."""
    table = table_of("..", "..", run_status=run_status, in_progress=in_progress)
    assert judged(a_doubt(state, age=age), table) == "open"


@pytest.mark.parametrize("mode", [Mode.FAILED, Mode.ALL])
@pytest.mark.parametrize("mark", ["0", "1", "2"])
def test_other_modes_never_end_as_not_landed(mode: Mode, mark: str) -> None:
    """Failed cells fail again and done cells are done again without a trace: a person has to say."""
    letters = {"0": "..", "1": "dd", "2": "ff"}[mark]
    assert (
        judged(a_doubt(CallState.IN_DOUBT, mode=mode, age=QUIET * 100, mark=mark), table_of(letters, letters)) == "open"
    )


def test_new_over_cells_that_were_not_empty_stays_in_doubt() -> None:
    """A cell that shows the status it showed before, and is not without a value, proves nothing."""
    assert judged(a_doubt(CallState.INTENT, mark="4"), table_of("uu", "uu")) == "open"


@pytest.mark.parametrize("which", ["row", "column"])
def test_what_has_gone_proves_nothing(which: str) -> None:
    """With a row or a column deleted, untouched cells are no proof any more."""
    table = a_table([a_column(1), a_column(2)], [".", "."]) if which == "row" else a_table([a_column(1)], [".."])
    assert judged(a_doubt(CallState.INTENT), table) == "open"


def test_only_what_is_proven_changes_and_the_order_stays() -> None:
    """Of several calls, each is judged by its own cells."""
    landed = a_past_call(CallState.INTENT, [Block((column_id(1),), (row_id(0),))], id="landed", age=0)
    lost = a_past_call(CallState.INTENT, [Block((column_id(2),), (row_id(0),))], id="lost", age=QUIET)
    early = a_past_call(CallState.IN_DOUBT, [Block((column_id(2),), (row_id(1),))], id="early", age=1)
    paid = a_past_call(CallState.ACCEPTED, [BLOCK], id="paid")
    history, verdicts = judge(TableHistory(TABLE, 7, (paid, landed, lost, early)), table_of("d.", ".."), QUIET)
    assert history == TableHistory(TABLE, 7, (paid, replace(landed, state=CallState.ACCEPTED), early))
    assert [(verdict.call.id, verdict.landed) for verdict in verdicts] == [("landed", True), ("lost", False)]


def test_a_history_without_doubt_is_returned_as_it_is() -> None:
    """Accepted calls are nobody's business here."""
    history = TableHistory(TABLE, 7, (a_past_call(CallState.ACCEPTED, [BLOCK]),))
    assert judge(history, table_of("..", ".."), QUIET) == (history, ())
