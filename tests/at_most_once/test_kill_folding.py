"""SIGKILL at the lines that fold calls into a checkpoint: real processes, both stores, a saved plan around it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest

from reconciler.simulator.live import LiveSimulator
from reconciler.simulator.server import serve
from tests.at_most_once.driver import Point, points
from tests.at_most_once.processes import Driver
from tests.at_most_once.projects import SPEED, Project, Stores, manifest, table, table_id, workspace

FOLDING = {
    "reconciler.operations.project_ledger": ("ProjectLedger.compact",),
    "reconciler.ledger.ledger": ("Ledger.compact",),
    "reconciler.ledger.checkpoints": ("compact", "_write"),
    "reconciler.ledger.approvals": ("remember",),
    "reconciler.model.folding": ("fold", "_Folding.add", "_Folding.result", "_Column.parts"),
    "reconciler.ledger.store": ("Store._write",),
    "sqlalchemy.engine.default": ("DefaultDialect.do_commit",),
}
SAMPLE = 15
"""Every so many lines in the short run."""
AT_ONCE = 8


@pytest.fixture(scope="module")
def simulator() -> Iterator[LiveSimulator]:
    """Serve a table for each line."""
    with serve(workspace([table(table_id(number)) for number in range(110)]), speed=SPEED) as simulator:
        yield simulator


def kill(case: tuple[int, Point, str], tmp: Path, simulator: LiveSimulator, driver: Driver, stores: Stores) -> str:
    """Apply a saved plan, kill `ledger compact` at a line, and go on; return what went wrong."""
    number, point, store = case
    folder = tmp / str(number)
    identity = table_id(number)
    project = Project.make(folder, simulator, driver, [identity], stores.url(store, folder))
    assert project.run("plan", "--out", "plan.json").code == 0
    assert project.apply("--plan", "plan.json", "--wait").code == 0
    charges = project.charges()
    if set(charges.values()) != {1} or charges.keys() != project.every_cell():
        return f"{point}: the first apply bought {charges}"
    before = project.run("plan", "--format", "json").json
    if project.run("ledger", "compact", at=(point, 1)).code != -9:
        return f"{point}: it was not reached"
    folded = [project.run("plan", "--format", "json").json]
    if project.run("ledger", "compact").code != 0:
        return f"{point}: compacting again failed"
    folded.append(project.run("plan", "--format", "json").json)
    for plan in folded:
        if any(plan[key] != before[key] for key in ("tables", "calls", "skipped", "totals")):
            return f"{point}: another plan: {plan}"
    again = [project.apply("--plan", "plan.json", "--wait"), project.apply("--wait")]
    if [done.code for done in again] != [0, 0] or project.charges() != charges:
        return f"{point}: bought again: {project.charges() - charges}, {[done.err for done in again]}"
    # A new revision is due, on top of what the checkpoint holds.
    (folder / "manifests" / "0.yaml").write_text(manifest(identity, "accounts-0", "r2"), encoding="utf-8")
    done = project.apply("--wait")
    if done.code != 0 or sum(project.charges().values()) != sum(charges.values()) + 3:
        return f"{point}: the next revision bought {project.charges() - charges}, {done.err}"
    return ""


def test_a_kill_while_calls_are_folded_buys_nothing_twice_and_forgets_nothing(
    tmp_path: Path, simulator: LiveSimulator, driver: Driver, stores: Stores, is_long: bool
) -> None:
    """Whatever was folded, the same is planned, and a plan that is used up stays so."""
    stores.url("postgres", tmp_path)
    every = list(points(FOLDING))
    some = every if is_long else every[::SAMPLE]
    cases = [(number, point, store) for (number, point), store in zip(enumerate(some), cycle(["sqlite", "postgres"]))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = list(pool.map(lambda case: kill(case, tmp_path, simulator, driver, stores), cases))
    unreached = [each for each in wrong if each.endswith("not reached")]
    assert [each for each in wrong if each and each not in unreached] == []
    assert len(unreached) <= len(wrong) / 4
