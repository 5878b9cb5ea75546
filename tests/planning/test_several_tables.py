"""One manifest over several tables: its plan is that of each table by itself, and no reader mixes them up."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import event, given, settings

from reconciler.documents import plan_file
from reconciler.manifests import json_schema
from reconciler.model.history import TableHistory
from reconciler.model.limits import BaseLimits, Cap, Limit, Limits, Prices, Rule
from reconciler.model.manifest import ByTag, Manifest, Mode
from reconciler.model.observed import TableSnapshot
from reconciler.model.origin import Origin
from reconciler.model.plan import Call, Plan, SkipReason
from reconciler.planning import drift, status
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.planner import make_plan
from reconciler.render.colour import plain
from reconciler.render.drift_text import cause_text
from reconciler.render.plan_markdown import plan_markdown
from reconciler.render.plan_text import plan_text
from reconciler.render.status_text import status_text
from reconciler.spending.limits_check import check_limits
from tests.example_counts import examples
from tests.planning.brute_force_planner import Oracle
from tests.planning.random_worlds import World, asked, worlds
from tests.planning.tables_and_manifests import (
    NOWHERE,
    SHOWS_WITHIN,
    TABLE,
    a_column,
    a_manifest,
    a_run,
    a_table,
    plan_settings,
)

OTHER = "5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50"
ORIGIN = Origin("2026-01-01T00:00:00Z", "1.0.0", "https://api.extruct.ai")
thorough = settings(max_examples=examples(240))


def tagged(manifests: tuple[Manifest, ...], *tables: str) -> list[Manifest]:
    """Return the manifests as a tag of all the tables resolves them."""
    return [replace(each, table_id=table, source=ByTag("priority")) for each in manifests for table in tables]


def beside(world: World, other: World) -> tuple[TableSnapshot, TableHistory, Mapping[str, Sequence[Any]]]:
    """Return the table of another world, as a second one that has the first one's columns, and what its cells hold."""
    kept = {column.id for column in world.table.columns}
    rows = len(other.table.row_ids)
    states = {column: other.table.states.get(column, bytes(rows)) for column in world.table.states}
    table = replace(other.table, id=OTHER, name="Another", columns=world.table.columns, states=states, digests={})
    calls = tuple(
        replace(call, id=f"other-{call.id}", table_id=OTHER)
        for call in other.history.calls
        if {column for block in call.covered for column in block.columns} <= kept
    )
    values = {column.id: other.values.get(column.id, [None] * rows) for column in table.columns}
    history = TableHistory(OTHER, len(calls), calls)
    return asked(table, world.manifests, values, history), history, values


@thorough
@given(worlds(), worlds())
def test_the_plan_over_two_tables_is_that_of_each(world: World, other: World) -> None:
    """Calls, skips and lines of each table are those it would have had alone, by the planner and by the oracle."""
    # Rows that a manifest names are in one table only, so a manifest over several names none.
    runs = [tuple(replace(run, rows=None) for run in manifest.runs) for manifest in world.manifests]
    wanted = tuple(replace(each, runs=of) for each, of in zip(world.manifests, runs, strict=True))
    second, history, values = beside(world, other)
    snapshots, histories = {TABLE: world.table, OTHER: second}, {TABLE: world.history, OTHER: history}
    plan = make_plan(PlanInputs(tagged(wanted, TABLE, OTHER), snapshots, histories, world.settings))
    read_last_first = {table: snapshots[table] for table in (OTHER, TABLE)}
    turned = make_plan(PlanInputs(tagged(wanted, OTHER, TABLE)[::-1], read_last_first, histories, world.settings))
    assert plan == turned
    for table, held in ((TABLE, world.values), (OTHER, values)):
        alone = make_plan(PlanInputs(tagged(wanted, table), snapshots, histories, world.settings))
        assert [call for call in plan.calls if call.table_id == table] == list(alone.calls)
        assert [skip for skip in plan.skipped if skip.table_id == table] == list(alone.skipped)
        assert [line for line in plan.tables if line.table_id == table] == list(alone.tables)
        oracle = Oracle(snapshots[table], histories[table], wanted, SHOWS_WITHIN, values=held)
        found = Counter({(s.address, s.reason.value): s.cells for s in plan.skipped if s.table_id == table})
        assert found == oracle.skips()
        if not text_of(alone).startswith("Nothing to do:"):
            assert _blocks(text_of(plan), snapshots[table].name) == _blocks(text_of(alone), snapshots[table].name)
        event("calls" if alone.calls else "no call")
    _each_run_is_told_of_its_own_table(plan)
    content = plan_file.document(replace(plan, manifest_digest=f"sha256:{'0' * 64}"), ORIGIN)
    assert json_schema.problems("plan", content) == []
    _every_number_is_told_once(content)


def text_of(plan: Plan) -> str:
    """Return the plan as text; the names of the tables differ, so their lines are told apart."""
    return plan_text(plan, Limits(), (), plain)


def _blocks(text: str, name: str) -> list[list[str]]:
    """Return the lines below each title with that table's name, however wide their columns."""
    blocks: list[list[str]] = []
    is_in = False
    for line in text.partition("\n\n")[0].splitlines():
        if not line.startswith("  "):
            is_in = f"   {name} · " in line
            if is_in:
                blocks.append([])
        elif is_in:
            blocks[-1].append(" ".join(line.split()))
    return blocks


def _each_run_is_told_of_its_own_table(plan: Plan) -> None:
    for table in status.status_of(plan).tables:
        for run in table.runs:
            mine = [s for s in plan.skipped if (s.table_id, s.address) == (table.table_id, run.address)]
            assert run.blocked == sum(s.cells for s in mine if s.reason is SkipReason.BLOCKED)
            due = [c for c in plan.calls if (c.table_id, c.address) == (table.table_id, run.address)]
            assert run.due == sum(call.cells for call in due)


def _every_number_is_told_once(content: dict[str, Any]) -> None:
    assert all("table_id" in skip for skip in content["skipped"])
    assert {table["found_by"]["tag"] for table in content["tables"]} == {"priority"}
    # A table of runs has a line a run that says how many of its cells are due.
    told = plan_markdown(content)
    lines = [line.split(" | ") for line in told.splitlines() if line.startswith("| `run-") and line.count("|") == 8]
    assert sum(int(line[4].replace(",", "")) for line in lines) == content["totals"]["cells"]


def a_pair(*, cells: tuple[str, str] = ("..", "d.")) -> Plan:
    """Return the plan of one manifest by tag over two tables, each with something due."""
    snapshots = {
        table: replace(a_table([a_column(1)], [column], table=table), name=name)
        for table, column, name in ((TABLE, cells[0], "First"), (OTHER, cells[1], "Evil\u202e\x1b[2J"))
    }
    manifest = replace(a_manifest(a_run(Mode.NEW, ["key_1"])), labels={"team": "gtm"})
    return make_plan(PlanInputs(tagged((manifest,), TABLE, OTHER), snapshots, {}, plan_settings()))


def test_every_line_about_a_run_says_which_table() -> None:
    """In a plan, a status and a drift; a name cannot break it."""
    plan = a_pair()
    assert sorted(map(cause_text, drift.causes(plan))) == [
        "accounts/new (Evil\\u202e\\x1b[2J): 1 cell has no value",
        "accounts/new (First): 2 cells have no value",
    ]
    for text in (text_of(plan), status_text(status.status_of(plan), plain), plan_markdown(document(plan))):
        assert "First" in text
        assert "Evil\\u202e" in text
        assert "\x1b" not in text


def document(plan: Plan) -> dict[str, Any]:
    """Return the plan file's content, as it is read back."""
    content: dict[str, Any] = json.loads(json.dumps(plan_file.document(plan, ORIGIN)))
    return content


def limit(value: int) -> Limit:
    """Return a limit."""
    return Limit(Decimal(value), "here")


def test_limits_by_label_add_tables_up_and_limits_by_table_do_not() -> None:
    """Three cells in all, two in the larger table."""
    plan = a_pair()
    assert [
        each.rule for each in check_limits(plan, Limits(per_label={"team=gtm": Cap(max_cells=limit(2))}), None)
    ] == ["per_label.max_cells"]
    assert check_limits(plan, Limits(per_label={"team=gtm": Cap(max_cells=limit(3))}), None) == ()
    assert check_limits(plan, Limits(per_table=Cap(max_cells=limit(2))), None) == ()
    (violation,) = check_limits(plan, Limits(per_table=Cap(max_cells=limit(1))), None)
    assert TABLE in violation.message


def test_what_a_base_grants_it_grants_to_the_tables_it_names() -> None:
    """A manifest that now takes in a second table may not use a mode there that the base never allowed for it."""
    plan = a_pair()
    base = replace(a_manifest(a_run(Mode.NEW)), labels={"team": "gtm"}, table_id=TABLE)
    held = Limits(modes={Mode.NEW: Rule(("team=gtm",), "here")})
    (violation,) = check_limits(plan, Limits(), BaseLimits(held, (Prices(default=Decimal(1)),), (base,)))
    assert "1 cell " in violation.message
    both = (base, replace(base, table_id=OTHER))
    assert check_limits(plan, Limits(), BaseLimits(held, (Prices(default=Decimal(1)),), both)) == ()


def test_one_manifest_twice_over_one_table_is_refused() -> None:
    """It cannot come about; if it did, no cell would be bought twice."""
    snapshot = a_table([a_column(1)], ["."])
    manifest = a_manifest(a_run(Mode.NEW, ["key_1"]))
    plan = make_plan(PlanInputs([manifest, replace(manifest)], {TABLE: snapshot}, {}, plan_settings()))
    assert plan.errored
    assert plan.calls == ()
    assert plan.diagnostics[0].location == NOWHERE


def test_calls_of_manifests_by_id_name_no_table() -> None:
    """Their address says it."""
    plan = make_plan(
        PlanInputs([a_manifest(a_run(Mode.NEW))], {TABLE: a_table([a_column(1)], ["."])}, {}, plan_settings())
    )
    calls: tuple[Call, ...] = plan.calls
    assert [call.table_name for call in calls] == [""]
