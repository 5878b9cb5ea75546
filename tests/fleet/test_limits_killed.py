"""Four workers, killed again and again: no budget, growth or `max_credits` is passed, and no cell is bought twice."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from reconciler.simulator.server import serve
from tests.at_most_once.processes import Driver, Process
from tests.at_most_once.projects import ROWS, SPEED, Project, table, table_id, workspace
from tests.journey.desk import row_id

pytestmark = pytest.mark.long
TABLES = 24
EACH = 3 * ROWS
"""Cells of a table."""
WORKERS, KILLS = 4, 12
COMPANIES = 6
GROWTH = 40
"""Cells that may fall due while the plan is applied: more than will."""
PEOPLE = f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata: {{name: companies}}
spec: {{table: {table_id(900)}, runs: [{{mode: new, columns: [decision_makers]}}]}}
---
apiVersion: reconciler/v1
kind: TableRun
metadata: {{name: people}}
spec:
  table: {{child_of: companies, column: decision_makers}}
  allow_growth: {{max_cells: {GROWTH}, max_credits: {GROWTH}}}
  runs: [{{mode: all, revision: r1, columns: [role]}}]
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """Return a launcher of command lines as processes."""
    folder = tmp_path / "processes"
    folder.mkdir()
    with Driver(folder) as driver:
        yield driver


def submitted(project: Project, plan: str) -> str:
    """Submit a plan; return the apply's id."""
    done = project.run("submit", "--plan", plan)
    assert done.code == 0, done.err
    return done.out.strip()


def carried_out(project: Project, ids: list[str]) -> list[int]:
    """Have the applies carried out by workers that are killed at random; return what following each ends with."""
    luck = random.Random()
    workers: list[Process] = []
    kills = 0
    query = "SELECT count(*) FROM reconciler.units WHERE phase IN ('queued', 'waiting')"
    with psycopg.connect(project.ledger_url, autocommit=True) as connection:
        while (connection.execute(query.encode()).fetchone() or (0,))[0]:
            workers = [each for each in workers if not each.has_ended]
            workers += [project.start("worker", "--concurrency", "2") for _ in range(WORKERS - len(workers))]
            time.sleep(luck.uniform(0.1, 0.8))
            if kills < KILLS:
                luck.choice(workers).signal(signal.SIGKILL)
                kills += 1
    for each in workers:
        each.signal(signal.SIGTERM)
        each.wait()
    assert kills
    return [project.run("follow", each, "--timeout", "1").wait() for each in ids]


def test_a_budget_of_two_applies_is_kept(tmp_path: Path, driver: Driver, new_ledger: Callable[[], str]) -> None:
    """Each was planned within it, both together are not: what fits is bought, and not a cell more."""
    ids = [table_id(number) for number in range(TABLES)]
    most = TABLES * EACH * 3 // 4
    with serve(workspace(map(table, ids)), speed=SPEED) as simulator:
        limits = {"per_month": {"max_cells": most}, "per_day": {"max_credits": most}}
        project = Project.make(tmp_path / "project", simulator, driver, ids, new_ledger(), limits=limits)
        halves = [range(TABLES // 2), range(TABLES // 2, TABLES)]
        for number, half in enumerate(halves):
            target = ",".join(f"accounts-{each}" for each in half)
            assert project.run("plan", "--out", f"{number}.json", "--target", target).code == 0
        codes = carried_out(project, [submitted(project, f"{number}.json") for number in range(2)])
        charges = project.charges()
    assert max(codes) in (6, 7)
    assert set(charges.values()) == {1}
    assert most / 2 < len(charges) <= most


def test_growth_and_max_credits_are_kept(tmp_path: Path, driver: Driver, new_ledger: Callable[[], str]) -> None:
    """A plan that costs all that is allowed, with tables that grow under it, is submitted twice."""
    ids = [table_id(number) for number in range(TABLES)]
    rows = [{"id": row_id(900 + number), "data": {"input": "x.example"}} for number in range(COMPANIES)]
    finder = {"kind": "company_people_finder", "key": "decision_makers", "value": {"roles": ["VP Sales"]}}
    companies = {"id": table_id(900), "name": "Companies", "kind": "company", "columns": [finder], "rows": rows}
    most = TABLES * EACH + COMPANIES + GROWTH
    with serve(workspace([*map(table, ids), companies]), speed=SPEED) as simulator:
        limits = {"max_credits": most + COMPANIES, "max_cells": most}  # a cell of the finder costs two
        project = Project.make(tmp_path / "project", simulator, driver, ids, new_ledger(), limits=limits)
        (project.folder / "manifests" / "people.yaml").write_text(PEOPLE, encoding="utf-8")
        planned = project.run("plan", "--out", "plan.json")
        assert planned.code == 0, planned.out + planned.err
        carried_out(project, [submitted(project, "plan.json") for _ in range(2)])
        charges = simulator.charges()
    assert set(charges.values()) == {1}
    of_people = [each for each in charges if each[0] not in ids and each[0] != table_id(900)]
    assert 0 < len(of_people) <= GROWTH
    assert most / 2 < len(charges) <= most
