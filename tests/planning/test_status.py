"""A plan read as a status and as causes: nothing is decided a second time, and nothing is lost."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reconciler.documents import status_file
from reconciler.model.drift import DriftKind, Severity
from reconciler.model.history import Block, CallState
from reconciler.model.manifest import Mode
from reconciler.model.observed import CellCounts
from reconciler.model.plan import (
    Call,
    CallInDoubt,
    Plan,
    PlannedRun,
    PlannedTable,
    Reason,
    Skip,
    SkipReason,
)
from reconciler.planning import drift, status
from reconciler.planning.drift import DriftReport
from reconciler.planning.inputs import PlanInputs, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.render.colour import plain
from reconciler.render.drift_text import cause_text
from reconciler.render.status_text import status_text
from tests.planning import tables_and_manifests as tables
from tests.planning.tables_and_manifests import (
    a_column,
    a_manifest,
    a_past_call,
    a_run,
    column_id,
    plan_settings,
    remembering,
    row_id,
)

ADDRESSES = ("a/fill", "a/retry", "b/refresh")
REASONS = {"a/fill": Reason.CELLS_EMPTY, "a/retry": Reason.CELLS_FAILED, "b/refresh": Reason.REVISION_CHANGED}
MODES = {"a/fill": Mode.NEW, "a/retry": Mode.FAILED, "b/refresh": Mode.ALL}


def a_call(address: str, cells: int, price: Decimal | None) -> Call:
    """Return a call of that many cells."""
    revision = "r\x1b1" if address == "b/refresh" else None
    return Call(
        "0" * 32, address, address[0], MODES[address], revision, ("c",), ("k",), (), cells, price, REASONS[address]
    )


def a_skip(address: str, reason: SkipReason, cells: int) -> Skip:
    """Return a skip in the table of its manifest."""
    return Skip(address, reason, cells, address[0])


def a_table(manifest: str, shown: CellCounts | None, *, is_finished: bool = True) -> PlannedTable:
    """Return a manifest's table with its runs."""
    runs = tuple(
        PlannedRun(address, MODES[address], None, 3, 1, 10, shown) for address in ADDRESSES if address[0] == manifest
    )
    return PlannedTable(manifest, manifest, "Näme\n", "idle", is_finished, 10, "", shown, runs)


CALLS = st.builds(
    a_call, st.sampled_from(ADDRESSES), st.integers(1, 10**6), st.none() | st.integers(0, 10**6).map(Decimal)
)
SKIPS = st.builds(a_skip, st.sampled_from(ADDRESSES), st.sampled_from(list(SkipReason)), st.integers(1, 10**6))
SHOWN = st.none() | st.builds(CellCounts, *[st.integers(0, 10**6)] * 5)
PLANS = st.builds(
    lambda calls, skips, shown: Plan("", (a_table("a", shown), a_table("b", shown)), tuple(calls), tuple(skips)),
    st.lists(CALLS, max_size=6),
    st.lists(SKIPS, max_size=6),
    SHOWN,
)


@given(PLANS)
def test_every_cell_and_credit_of_the_plan_is_in_the_status(plan: Plan) -> None:
    """Summed over runs and causes they are the plan's; an unknown price stays unknown."""
    found = status.status_of(plan)
    runs = {run.address: run for table in found.tables for run in table.runs}
    assert found.due == plan.totals().cells
    assert found.cost.total == plan.totals().credits
    causes = drift.causes(plan)
    due = sum(each.cells for each in causes if each.kind is DriftKind.DUE)
    assert due == sum(call.cells for call in (*plan.calls, *plan.waiting))
    dead = sum(each.cells for each in causes if each.kind is DriftKind.DEAD_END)
    assert dead == sum(skip.cells for skip in plan.skipped if skip.reason in drift.DEAD_ENDS)
    for reason, field in (
        (SkipReason.BLOCKED, "blocked"),
        (SkipReason.MISSING_INPUTS, "missing_inputs"),
        (SkipReason.IN_DOUBT, "in_doubt"),
        (SkipReason.ATTEMPTS_EXHAUSTED, "exhausted"),
        (SkipReason.NOT_STARTED, "not_started"),
    ):
        for address, run in runs.items():
            skipped = sum(skip.cells for skip in plan.skipped if (skip.address, skip.reason) == (address, reason))
            assert getattr(run, field) == skipped
    assert DriftReport(plan).has_drifted == bool(plan.has_due or plan.in_doubt)


@given(PLANS)
def test_one_line_a_cause(plan: Plan) -> None:
    """Each begins with the run; names cannot break it."""
    for cause in drift.causes(plan):
        assert cause_text(cause).startswith(f"{cause.address}: ")
        assert len(cause_text(cause).splitlines()) == 1
        assert "\x1b" not in cause_text(cause)


@given(PLANS)
def test_the_numbers_stand_below_their_heads(plan: Plan) -> None:
    """Whatever their size."""
    lines = status_text(status.status_of(plan), plain).splitlines()
    ends = len(lines[0])
    rows = [line for line in lines if line.startswith("  ")]
    assert {len(line) for line in rows} == {ends}


def test_what_was_not_read_is_a_dash_and_null() -> None:
    """A table whose header proves that nothing is due need not be read, and its cells are then unknown."""
    plan = Plan("", (a_table("a", None),), (), (Skip("a/fill", SkipReason.NOT_DUE, 10, "a"),))
    found = status.status_of(plan)
    assert status_text(found, plain) == (
        "  RUN    MODE    DONE  FAILED  EMPTY  DUE\n"
        "a   Näme\\x0a · 10 rows · idle\n"
        "  fill   new        -       -      -    ·\n"
        "  retry  failed     -       -      -    ·\n"
        "\n"
        "1 table, 2 runs: nothing due."
    )
    document = status_file.status_document(found, "2026-01-01T00:00:00Z")
    assert (document["tables"][0]["cells"], document["tables"][0]["runs"][0]["shown"]) == (None, None)


def test_a_running_table_is_said() -> None:
    """Its due cells show once it is idle."""
    plan = Plan("", (a_table("a", CellCounts(in_progress=3), is_finished=False),))
    assert status_text(status.status_of(plan), plain).endswith("nothing due while 1 table is running.")


def test_a_doubt_is_a_cause_after_the_others() -> None:
    """With the call's id to resolve it by."""
    plan = Plan(
        "",
        calls=(a_call("a/fill", 1, None), a_call("b/refresh", 2, None)),
        in_doubt=(CallInDoubt("f" * 32, "a/retry", "a", 1, None, 7200.0),),
    )
    assert [cause_text(cause) for cause in drift.causes(plan)] == [
        "a/fill: 1 cell has no value",
        "b/refresh: 2 cells were not run at revision r\\x1b1",
        "a/retry: in doubt: 1 cell of call ffffffff, sent 2 h ago, may have been paid for",
    ]


def test_a_dead_end_says_the_way_out() -> None:
    """Cells that no apply ever buys, one or several."""
    reasons = (*drift.DEAD_ENDS, SkipReason.BLOCKED)
    skips = [a_skip("a/retry", reason, number) for number, reason in enumerate(reasons, 1)]
    plan = Plan("", (a_table("a", None),), skipped=tuple(skips))
    found = drift.causes(plan)
    assert [(each.reason, each.cells) for each in found] == [
        (reason, number) for number, reason in enumerate(drift.DEAD_ENDS, 1)
    ]
    assert {(each.credits, each.kind.severity) for each in found} == {(Decimal(0), Severity.WARNING)}
    assert "\n".join(map(cause_text, found)) == (
        "a/retry: dead end: 1 cell is failed and out of attempts; change the column, or raise `max_attempts` above 3\n"
        "a/retry: dead end: 2 cells were bought and never started; look at the table, or raise `max_attempts` above 3 "
        "to buy them again\n"
        "a/retry: dead end: 3 cells were run outside the ledger, so the configuration is unknown; "
        "`reconciler ledger adopt --as NAME` takes them over\n"
        "a/retry: dead end: 4 cells are held back, because the first portion did not do well enough; "
        "`reconciler plan` has the figures"
    )


def test_empty_cells_of_a_running_table_are_empty() -> None:
    """The API shows them as pending while the table runs; in progress are those that a call of ours covers."""
    block = Block((column_id(1),), (row_id(0),))
    ours = a_past_call(CallState.ACCEPTED, [block], settled=False)
    table = tables.a_table([a_column(1)], ["qqqd"], run_status="running", in_progress=1)
    inputs = PlanInputs([a_manifest(a_run(Mode.NEW))], {tables.TABLE: table}, remembering(ours), plan_settings())
    (found,) = status.status_of(make_plan(inputs, PlanOptions())).tables
    assert found.cells == found.runs[0].shown == CellCounts(done=1, empty=2, in_progress=1)
