"""A plan of 200 tables of 100,000 rows: how much memory the process takes that submits it, and how long.

`python -m tests.benchmarks.submit_rows [--tables N] [--rows N]`. Target: under 300 MB. The plan of one row a table is
made by the program and then multiplied, because a plan of so many cells does not fit into the memory of one process.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.documents.plan_file import iter_json, plan_id
from tests.benchmarks.measuring import ledgers, project, run, serving
from tests.benchmarks.server import World, row_id

AT_MOST = 300e6
CELLS_A_CALL = 1000


class Multiplied(list[Any]):
    """The calls of a plan, for so many rows instead of one, each made when it is asked for."""

    def __init__(self, calls: list[Mapping[str, Any]], rows: int) -> None:
        super().__init__(calls)
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        for number, call in enumerate(super().__iter__()):
            for begin in range(0, self._rows, CELLS_A_CALL):
                rows = [row_id(each) for each in range(begin, min(begin + CELLS_A_CALL, self._rows))]
                own = {"id": f"{number:016x}{begin:016x}", "rows": rows, "cells": len(rows), "credits": len(rows)}
                yield {**call, **own}


def multiply(path: Path, rows: int) -> int:
    """Write a new plan, for so many rows a table; return how many cells it has."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content["calls"] = Multiplied(content["calls"], rows)
    cells = len(content["calls"]) * rows
    content["totals"] |= {"calls": cells // CELLS_A_CALL, "cells": cells, "credits": cells}
    content["plan_id"] = plan_id(content)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(iter_json(content))
    return cells


def main() -> int:
    """Print the figures; fail where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100_000)
    chosen = parser.parse_args()
    world = World(tables=chosen.tables, rows=1, columns=1, done=False)
    with ledgers() as fresh, serving(world) as url, project(url, chosen.tables) as made:
        os.environ["RECONCILER_LEDGER"] = fresh()
        program = [sys.executable, "-P", "-m", "reconciler"]
        run([*program, "ledger", "init"], made.folder)
        made.run("plan", "--out", "plan.json")
        file = made.folder / "plan.json"
        began = time.perf_counter()
        cells = multiply(file, chosen.rows)
        size = file.stat().st_size
        sys.stdout.write(
            f"{cells:,} cells, a plan of {size / 1e6:,.0f} MB, made in {time.perf_counter() - began:.0f} s\n"
        )
        spent = run([*program, "submit", "--plan", "plan.json"], made.folder)
        peak = spent.peak_bytes / 1e6
        sys.stdout.write(f"submit: {spent.seconds:.1f} s, {spent.cpu_seconds:.1f} s of CPU, peak {peak:.0f} MB\n")
    return 0 if spent.peak_bytes < AT_MOST else 1


if __name__ == "__main__":
    sys.exit(main())
