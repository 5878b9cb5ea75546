"""A ledger as two years of weekly refreshes leave it, written by the ledger's own code under a clock of our own.

    python -m tests.benchmarks.age FILE WEEKS ROWS COLUMNS

Prints the file's size in bytes after each week, as a JSON list.
"""

import json
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from random import Random

from reconciler.ledger import Ledger, open_ledger
from reconciler.model.attempt import Actor, Ended, Ending, Intent, Receipt, Settlement, Yield
from reconciler.model.compact import CellMarks, PackedAnswers, PackedDigests
from reconciler.model.history import Block, CallState
from reconciler.model.input_cells import WIDTH
from reconciler.model.manifest import Mode
from reconciler.model.observed import CellState
from reconciler.model.plan import Call, Reason
from reconciler.text.digest import short_digest
from tests.benchmarks.server import column_id, row_id, table_id

A_WEEK = 604_800.0
MOST_CELLS = 1000
"""Of a call, as by default."""
ACTOR = Actor("ci", "https://ci.example/acme/accounts/actions/runs/1234567890", "5c6f0b7e8d9a4b3c2d" * 2)
LABELS = {"team": "gtm", "owner": "ana"}


@dataclass
class Clock:
    """Seconds since the epoch."""

    now: float

    def __call__(self) -> float:
        """Return them."""
        return self.now


def calls(week: int, rows: int, columns: int) -> list[Call]:
    """Return a refresh of a whole table as the planner cuts it."""
    ids = tuple(column_id(number) for number in range(columns))
    size = max(1, MOST_CELLS // columns)
    every = [row_id(number) for number in range(rows)]
    return [
        Call(
            id=short_digest([week, start]),
            address="table-0/all",
            table_id=table_id(0),
            mode=Mode.ALL,
            revision=None,
            columns=ids,
            column_keys=tuple(f"column_{number}" for number in range(columns)),
            rows=part,
            cells=len(part) * columns,
            credits=Decimal(len(part) * columns),
            reason=Reason.CELLS_STALE,
            covered=(Block(ids, part),),
            before=dict.fromkeys(ids, _marks(week, start, len(part))),
            configs={column: f"sha256:{short_digest(column, 64)}" for column in ids},
        )
        for start in range(0, rows, size)
        for part in [tuple(every[start : start + size])]
    ]


def _marks(week: int, start: int, rows: int) -> CellMarks:
    """Return marks as the planner makes them: of empty cells at first, then of done ones with digests of values."""
    if week == 0:
        return CellMarks(bytes([CellState.EMPTY]) * rows)
    luck = Random(f"{week} {start}")
    digests, answers = (kind(luck.randbytes(kind.WIDTH * rows)) for kind in (PackedDigests, PackedAnswers))
    return CellMarks(bytes([CellState.DONE]) * rows, digests, answers)


def buy(ledger: Ledger, version: int, week: int, found: list[Call], clock: Clock) -> int:
    """Send calls as an apply does, one commit a call; return the table's version behind them."""
    ended = None
    plan_id = f"sha256:{short_digest(week, 64)}"
    for call in found:
        ticket = ledger.begin(Intent(call, plan_id, ACTOR, LABELS, version, ended))
        version = ticket.table_version
        clock.now += 0.5
        receipt = Receipt(short_digest([call.id, "run"]), call.cells)
        ended = Ended(ticket, Ending(CallState.ACCEPTED, "", 200, receipt), call.table_id)
    if ended is not None:
        ledger.end(ended.ticket, ended.ending)
    return version


def _settlement(call: Call, week: int, *, has_inputs: bool) -> Settlement:
    """Return how a call ends: every cell done, a tenth of the answers others than the week before."""
    rows = len(call.rows)
    yields = {column: Yield(rows, rows // 10) for column in call.columns} if week else {}
    return Settlement(call.cells, 0, 0, yields, _inputs(call) if has_inputs else {})


def _inputs(call: Call) -> dict[str, bytes]:
    """Return digests as they are: no two cells are made from the same."""
    return {
        column: b"".join(sha256(f"{column} {row}".encode()).digest()[:WIDTH] for row in call.rows)
        for column in call.columns
    }


def fill(path: Path, weeks: int, rows: int, columns: int, *, has_inputs: bool = False) -> list[int]:
    """Write a ledger of so many weekly refreshes, the last an hour ago; return its size after each.

    `has_inputs`: each column reads others, so that digests of what its cells were made from are kept.
    """
    clock = Clock(time.time() - 3600 - (weeks - 1) * A_WEEK)
    sizes, version = [], 0
    for week in range(weeks):
        found = calls(week, rows, columns)
        began = clock.now
        with open_ledger(str(path), clock=clock) as ledger:
            version = buy(ledger, version, week, found, clock)
            for call in found:
                ledger.settle(call.id, _settlement(call, week, has_inputs=has_inputs))
            for table in ledger.ripe_to_compact([table_id(0)]):
                ledger.compact(table)
        sizes.append(path.stat().st_size)
        clock.now = began + A_WEEK
    return sizes


if __name__ == "__main__":
    print(json.dumps(fill(Path(sys.argv[1]), *map(int, sys.argv[2:]))))  # noqa: T201
