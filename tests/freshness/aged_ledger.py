"""Time that passes for a ledger between two command lines: it is moved into another, its times further back."""

import json
from itertools import count

from tests.journey.desk import Desk

MINUTE, QUARTER, DAY = 60.0, 900.0, 86_400.0
TIMES = ("begun_at", "ended_at", "settled_at", "at")


def later(desk: Desk, seconds: float) -> None:
    """Let so much time pass since everything in the desk's ledger, by `ledger export` and `ledger import`."""
    moved = []
    for line in desk.run("ledger", "export").out.splitlines():
        entry = json.loads(line)
        if entry["type"] == "spent":
            entry["quarter"] -= round(seconds / QUARTER)
        moved.append(
            json.dumps({key: value - seconds if key in TIMES and value else value for key, value in entry.items()})
        )
    desk.write("\n".join(moved) + "\n", "moved.jsonl")
    free = next(path for number in count() if not (path := desk.folder / f"ledger-{number}.db").exists())
    desk.extra["RECONCILER_LEDGER"] = f"sqlite:///{free}"
    assert desk.run("ledger", "import", "moved.jsonl").code == 0
