"""The plan file: an identity that only its content changes, and orders that only its content decides."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.documents import plan_file
from reconciler.model.manifest import Mode
from reconciler.model.observed import TableSnapshot
from reconciler.model.origin import GitState, Origin
from reconciler.model.plan import Plan
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import make_plan
from tests.planning.tables_and_manifests import TABLE, a_column, a_manifest, a_run, a_table, column_id, plan_settings

ORIGIN = Origin("2026-01-01T00:00:00Z", "1.0.0", "https://api.extruct.ai", GitState("abc", dirty=False))
SIMPLE = a_table([a_column(1), a_column(2)], ["..d", ".dd"])


def plan_of(table: TableSnapshot = SIMPLE) -> Plan:
    """Plan every empty cell of a table."""
    return make_plan(PlanInputs([a_manifest(a_run(Mode.NEW))], {TABLE: table}, {}, plan_settings()))


def test_each_plan_file_has_an_id_of_its_own() -> None:
    """The time counts too: two plan files are two approvals, however equal what they approve."""
    early, late = (
        plan_file.document(plan_of(), ORIGIN),
        plan_file.document(plan_of(), replace(ORIGIN, created_at="later")),
    )
    assert early["plan_id"] != late["plan_id"]
    assert early["calls"] == late["calls"]
    assert early["plan_id"] == plan_file.plan_id(early)


def every_leaf(value: Any) -> list[tuple[Any, Any]]:
    """Return the container and key of every value that holds no other."""
    if not isinstance(value, dict | list):
        return []
    found: list[tuple[Any, Any]] = []
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        found += every_leaf(inner) if isinstance(inner, dict | list) and inner else [(value, key)]
    return found


def test_an_edited_file_no_longer_matches_its_id() -> None:
    """Whatever was edited, the time too."""
    content = plan_file.document(plan_of(), ORIGIN)
    for container, key in every_leaf(content):
        if container is content and key == "plan_id":
            continue
        before = container[key]
        container[key] = "edited"
        assert plan_file.plan_id(content) != content["plan_id"], key
        container[key] = before
    assert plan_file.plan_id(content) == content["plan_id"]


def test_a_rectangle_that_covers_more_lists_what_is_due_in_it() -> None:
    """Approval is for the due cells alone; an exact rectangle needs no list."""
    (call,) = plan_file.document(plan_of(), ORIGIN)["calls"]
    rows = SIMPLE.row_ids
    assert (call["columns"], call["rows"]) == ([column_id(1), column_id(2)], list(rows[:2]))
    assert call["due"] == [
        {"columns": [column_id(1)], "rows": list(rows[:2])},
        {"columns": [column_id(2)], "rows": [rows[0]]},
    ]
    (call,) = plan_file.document(plan_of(a_table([a_column(1)], [".."])), ORIGIN)["calls"]
    assert "due" not in call


def test_within_a_manifest_what_others_wait_for_is_sent_first() -> None:
    """However the table and the manifest order the columns."""
    columns = [a_column(1, 2), a_column(2, 3), a_column(3), a_column(4, 1)]
    table = a_table(columns, ["."] * 4)
    plan = make_plan(PlanInputs([a_manifest(a_run(Mode.NEW))], {TABLE: table}, {}, plan_settings(max_cells_per_call=1)))
    keys = [call.column_keys for call in plan.calls]
    assert [key for (key,) in keys] == ["key_3", "key_2", "key_1", "key_4"]


@pytest.mark.parametrize("order", [1, -1])
def test_manifests_that_claim_one_column_are_told_so_in_one_way(order: int) -> None:
    """Whichever was read first."""
    manifests = [a_manifest(a_run(Mode.NEW), name=name) for name in ("a", "b")]
    plan = make_plan(PlanInputs(manifests[::order], {TABLE: SIMPLE}, {}, plan_settings()))
    assert plan == make_plan(PlanInputs(manifests, {TABLE: SIMPLE}, {}, plan_settings()))
    assert plan.errored
    assert plan.calls == ()
    assert all("`a`" in problem.message for problem in plan.diagnostics)
