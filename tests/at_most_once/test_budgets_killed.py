"""Eight processes that apply at once, half of them killed by SIGKILL: no window of a budget is passed, nothing is lost.

What is charged is counted at the simulator's wire, and a window turns because all that was bought is made older.
`--kills all` plays more of it, on both stores.
"""

import json
import random
from itertools import count, product
from pathlib import Path
from signal import SIGKILL

from sqlalchemy import update

from reconciler.ledger import Ledger, spent
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import calls, spent_totals, tables
from reconciler.ledger.tables import spent as spent_by_table
from reconciler.simulator.server import serve
from tests.at_most_once.driver import Point
from tests.at_most_once.processes import Driver
from tests.at_most_once.projects import SPEED, Project, Stores, table, table_id, workspace

APPLIES = 8
MOST = 20
"""Cells of one window."""
A_MONTH = 31 * 96
"""Quarters of an hour."""
MOST_WINDOWS = 20


def turn(ledger: Ledger, months: int) -> None:
    """Make all of this window older by some months: it is in none that comes and, as they fall, in none before."""
    quarters = A_MONTH * months
    seconds = quarters * spent.QUARTER_SECONDS

    def work(tx: Transaction) -> None:
        now = tx.now()
        recent = spent.quarter_of(now) - A_MONTH // 2
        for sums in (spent_by_table, spent_totals):
            tx.execute(update(sums).where(sums.c.quarter >= recent).values(quarter=sums.c.quarter - quarters))
        older = {"begun_at": calls.c.begun_at - seconds, "booted_at": calls.c.booted_at - seconds}
        tx.execute(update(calls).where(calls.c.begun_at >= now - seconds / 2).values(**older))
        tx.execute(update(tables).values(expires_at=tables.c.expires_at - seconds))

    ledger._store.write(work)


def test_a_budget_is_kept_by_processes_that_are_killed(
    tmp_path: Path, driver: Driver, stores: Stores, is_long: bool
) -> None:
    """Whatever moment ends them, what they may have bought counts; in the end each cell was bought once."""
    usual, every = [("sqlite", 0)], product(("sqlite", "postgres"), range(12))
    for store, seed in every if is_long else usual:
        folder = tmp_path / f"{store}-{seed}"
        ids = [table_id(8 * seed + number) for number in range(APPLIES)]
        with serve(workspace(map(table, ids)), speed=SPEED) as simulator:
            limits = {"per_day": {"max_cells": MOST}, "per_month": {"max_credits": MOST + 0.5}}
            project = Project.make(folder, simulator, driver, ids, stores.url(store, folder), limits=limits)
            play(project, seed)


def play(project: Project, seed: int) -> None:
    """Apply and kill, window by window, until nothing is due; then every cell was charged once."""
    luck = random.Random(seed)
    counts = project.folder / "counts.json"
    assert project.run("ledger", "init").code == 0
    project.apply("--target", "accounts-0", count_to=counts)
    # Of all points, those that an apply gets to in a ledger that is there. One that is alone gets to each of them; of
    # those at once, which may be refused before, luck decides whether any is killed.
    places, before = [Point.parse(name) for name in json.loads(counts.read_text())], 0
    assert project.apply("--target", "accounts-1", at=(luck.choice(places), 1)).code == -SIGKILL
    for window in count():
        assert window < MOST_WINDOWS, "the windows let nothing through"
        for _ in range(2 if window < 2 else 1):
            running = []
            for number in range(APPLIES):
                doom = (luck.choice(places), luck.randint(1, 2)) if window < 2 and number % 2 else None
                how = ("--target", f"accounts-{number}", "--format", "json")
                running.append(project.start("apply", "--yes", "--no-wait", *how, at=doom))
            codes = [process.wait() for process in running]
            assert {*codes} <= {-SIGKILL, 0, 3, 5, 6, 7}, [process.err for process in running]
            charged = project.charges().total()
            assert charged - before <= MOST
        before = charged
        with project.ledger() as ledger:
            turn(ledger, (seed + 1) * (MOST_WINDOWS + 1) - window)  # the seeds share a ledger on PostgreSQL
        project.simulator.finish()
        if 7 in codes and window > 1:
            project.resolve_by_looking()
        if {*codes} == {0} and project.is_at_rest():
            break
    assert set(project.charges().values()) == {1}
    assert project.charges().keys() == project.every_cell()
