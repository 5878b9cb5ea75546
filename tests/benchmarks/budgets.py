"""The row of budgets: a plan that keeps them, over a ledger that has spent for two years, against one without."""

import time
from collections.abc import Iterator
from statistics import median

from reconciler.ledger import open_ledger, spent
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import tables
from tests.benchmarks.measuring import project, serving
from tests.benchmarks.row import Row
from tests.benchmarks.server import World, table_id

TABLES = 500
DAYS = 730
LIMITS = (
    (
        "{per_day: {max_credits: 1e9, max_cells: 1e9}, per_month: {max_credits: 1e9, max_cells: 1e9}, "
        "per_table: {per_day: {max_cells: 1e9}, per_month: {max_credits: 1e9}}, "
        "timezone: Europe/Berlin, anomaly: {factor: 1e6}, forecast_per_month: 1e9, min_balance: 1e6}"
    )
    .replace("1e9", "1000000000")
    .replace("1e6", "1000000")
)


def fill(path: str) -> None:
    """Let each table have been bought every day for two years, by an apply a day."""
    now = time.time()

    def work(tx: Transaction) -> None:
        tx.execute(tables.insert(), [{"table_id": table_id(n), "version": 1, "fence": 1} for n in range(TABLES)])
        for day in range(DAYS):
            quarter = spent.quarter_of(now - day * 86_400)
            heaps = [
                spent.Heap(table_id(n), quarter, f"sha256:{day:064x}", f"table-{n}", ("team=gtm",))
                for n in range(TABLES)
            ]
            spent.add(tx, [(heap, spent.Amount(100, 100_000_000)) for heap in heaps])

    with open_ledger(path) as ledger:
        ledger.initialise()
        ledger._store.write(work, seconds=600)


def budgets(repeats: int) -> Iterator[Row]:
    """Every cell of each table due; the whole command, start and reading included."""
    walls, cpus, seconds = [], [], []
    with serving(World(tables=TABLES, latency=0.0, done=False)) as url, project(url, TABLES, concurrency=16) as made:
        (made.folder / ".reconciler").mkdir()
        fill(str(made.folder / ".reconciler" / "ledger.db"))
        for _ in range(repeats):
            bare, _ = made.run("plan")
            kept, profile = made.run("plan", "--limits", LIMITS)
            walls.append(kept.seconds / bare.seconds)
            cpus.append(kept.cpu_seconds / bare.cpu_seconds)
            seconds.append(kept.seconds)
            assert profile["sizes"]["calls"] == TABLES
    ratio = median(cpus)
    yield Row(
        f"plan of {TABLES} tables with budgets, sums of {DAYS} days × {TABLES} tables",
        "≤ 1.1 × the CPU without",
        f"{ratio:.2f} ×",
        ratio <= 1.1,
        f"{median(walls):.2f} × the time ({median(seconds):.2f} s)",
    )
