"""Tables are planned as they are read, in whatever order: the plan is the one made when all of them had been read."""

import json
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from reconciler.documents import plan_file
from reconciler.model.history import TableHistory
from reconciler.model.manifest import Manifest, NameAt
from reconciler.model.observed import TableSnapshot
from reconciler.model.origin import Origin
from reconciler.model.plan import Plan
from reconciler.planning.inputs import PlanInputs, PlanOptions
from reconciler.planning.planner import Planner, make_plan
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic
from tests.example_counts import examples
from tests.planning.random_worlds import World, worlds
from tests.planning.tables_and_manifests import NOWHERE, row_id

ORIGIN = Origin("2026-01-01T00:00:00Z", "1.0.0", "https://api.extruct.ai")
OPTIONS = PlanOptions(manifest_digest=f"sha256:{'0' * 64}", maps=True, stale=True)


def part(world: World, number: int, upstream: Sequence[str]) -> tuple[list[Manifest], TableSnapshot, TableHistory]:
    """Return a world as one of several: its table has an id, its manifests and calls have names, of their own."""
    table = row_id(number)
    after = tuple(NameAt(name, NOWHERE) for name in upstream)
    manifests = [
        replace(each, name=f"{each.name}-{number}", table_id=table, depends_on=after) for each in world.manifests
    ]
    calls = tuple(replace(call, id=f"{number}-{call.id}", table_id=table) for call in world.history.calls)
    return manifests, replace(world.table, id=table), replace(world.history, table_id=table, calls=calls)


def in_bytes(plan: Plan) -> str:
    return json.dumps(plan_file.document(plan, ORIGIN))


@settings(max_examples=examples(240))
@given(st.lists(worlds(), min_size=2, max_size=4), st.data())
def test_the_order_of_reading_changes_no_byte(several: list[World], data: st.DataObject) -> None:
    """Also if tables cannot be read, and manifests wait for each other."""
    manifests: list[Manifest] = []
    found: dict[str, tuple[TableSnapshot, TableHistory]] = {}
    for number, world in enumerate(several):
        upstream = [each.name for each in manifests if data.draw(st.booleans())]
        own, snapshot, history = part(world, number, upstream)
        manifests += own
        found[snapshot.id] = snapshot, history
    unread = data.draw(st.sets(st.sampled_from([*found]), max_size=1))
    read = {table: each for table, each in found.items() if table not in unread}
    problems = [
        Diagnostic(each.table_place, Code.UNREADABLE_TABLE, f"{each.name}: cut", "")
        for each in manifests
        if each.table_id in unread
    ]
    snapshots = {table: snapshot for table, (snapshot, _) in read.items()}
    histories = {table: history for table, (_, history) in read.items()}
    chosen = several[0].settings
    at_once = make_plan(PlanInputs(manifests, snapshots, histories, chosen, problems), OPTIONS)
    planner = Planner(data.draw(st.permutations(manifests)), chosen, OPTIONS)
    for table in data.draw(st.permutations([*read])):
        planner.add(table, *read[table])
    while_read = planner.plan(problems)
    assert while_read == at_once
    assert in_bytes(while_read) == in_bytes(at_once)
    assert planner.plan(problems) == at_once
    event(f"calls: {bool(at_once.calls)}, waiting: {bool(at_once.waiting)}, unread: {bool(unread)}")
