"""An approval is for the cells that were due when it was given, and for nothing else."""

from reconciler.model.history import Block
from reconciler.model.manifest import Mode
from reconciler.model.observed import TableSnapshot
from reconciler.model.plan import Plan
from reconciler.planning.inputs import PlanInputs, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.spending.approval import Approval
from tests.planning.tables_and_manifests import (
    TABLE,
    a_column,
    a_manifest,
    a_run,
    a_table,
    column_id,
    plan_settings,
    row_id,
)

COLUMNS = [a_column(1), a_column(2)]
THEN = a_table(COLUMNS, ["..d", ".dd"])


def plan_of(table: TableSnapshot, within: Approval | None = None, mode: Mode = Mode.NEW) -> Plan:
    """Plan one run over the whole table."""
    return make_plan(
        PlanInputs([a_manifest(a_run(mode))], {TABLE: table}, {}, plan_settings()), PlanOptions(within=within)
    )


APPROVED = Approval.of_calls(plan_of(THEN).calls)


def due(plan: Plan) -> list[Block]:
    """Return the due cells of a plan, block by block."""
    return [block for call in plan.calls for block in call.covered]


def test_what_fell_due_since_is_not_sent() -> None:
    """Also where the approved call had covered the cell in passing."""
    assert due(plan_of(a_table(COLUMNS, ["....", "...."]), APPROVED)) == [
        Block((column_id(1),), (row_id(0), row_id(1))),
        Block((column_id(2),), (row_id(0),)),
    ]


def test_what_was_filled_meanwhile_drops_out() -> None:
    """Silently: nothing is skipped that was not skipped before."""
    now = plan_of(a_table(COLUMNS, ["d.d", "d.d"]), APPROVED)
    assert due(now) == [Block((column_id(1),), (row_id(1),))]
    assert now.diagnostics == ()


def test_rows_that_have_gone_are_not_asked_for() -> None:
    """Rows are known by their ids, not by where they stood."""
    assert due(plan_of(a_table(COLUMNS, [".", "."]), APPROVED)) == [Block((column_id(1), column_id(2)), (row_id(0),))]


def test_an_approval_is_for_one_mode() -> None:
    """Cells approved to be filled are not thereby approved to be bought again."""
    assert due(plan_of(THEN, APPROVED, Mode.ALL)) == []


def test_an_empty_approval_approves_nothing() -> None:
    """Not everything."""
    assert due(plan_of(THEN, Approval.of_calls(()))) == []
