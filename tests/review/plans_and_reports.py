"""Plan and report documents with a place for every text that comes from outside."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from reconciler.documents.plan_file import plan_id

TABLE = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"
COLUMN = "5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50"
ROW = "00000000-0000-4000-b000-000000000001"
DIGEST = "sha256:" + "0" * 64
DATE = "2026-11-23T06:00:00+01:00"


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """Return a plan document with the id that belongs to its content."""
    return {**content, "plan_id": plan_id(content)}


def call(address: str, keys: list[str], *, cells: int = 3, price: float | None = 3, **more: Any) -> dict[str, Any]:
    """Return a call of a plan."""
    return {
        "id": "a" * 32,
        "address": address,
        "table_id": TABLE,
        "mode": "all",
        "revision": "r1",
        "columns": [COLUMN for _ in keys],
        "column_keys": keys,
        "column_digests": [DIGEST for _ in keys],
        "rows": [ROW],
        "cells": cells,
        "credits": price,
        "reason": "revision_changed",
        "wave": 1,
        **more,
    }


def table(manifest: str, name: str, run_status: str, *runs: dict[str, Any]) -> dict[str, Any]:
    """Return a table of a plan."""
    return {
        "manifest": manifest,
        "labels": {},
        "table_id": TABLE,
        "name": name,
        "run_status": run_status,
        "rows": 420,
        "columns_digest": DIGEST,
        "cells": {"done": 1, "failed": 0, "empty": 3, "in_progress": 0, "unknown": 0},
        "runs": list(runs),
    }


def run(address: str, revision: str | None = "r1") -> dict[str, Any]:
    """Return a run of a plan's table."""
    return {"address": address, "mode": "all" if revision else "new", "revision": revision, "columns": 1, "cells": 3}


def plan(**parts: Any) -> dict[str, Any]:
    """Return a plan document; its totals are added up from its calls."""
    calls = parts.get("calls", [])
    prices = [each["credits"] for each in calls]
    content = {
        "format_version": "1.0",
        "plan_id": DIGEST,
        "created_at": "2026-01-01T00:00:00Z",
        "tool_version": "0.1.0",
        "errored": bool(parts.get("diagnostics")),
        "git": {"sha": "4f0c5f0c4f0c5f0c4f0c5f0c4f0c5f0c4f0c5f0c", "dirty": False},
        "manifest_digest": DIGEST,
        "api": {"base_url": "https://api.example"},
        "targeted": {"include": [], "exclude": []},
        "tables": [],
        "calls": [],
        "skipped": [],
        "in_doubt": [],
        "totals": {
            "tables": len(parts.get("tables", [])),
            "calls": len(calls),
            "cells": sum(each["cells"] for each in calls),
            "credits": None if None in prices else sum(prices),
            "unpriced_cells": sum(each["cells"] for each in calls if each["credits"] is None),
        },
        "violations": [],
        "diagnostics": [],
        **parts,
    }
    return sealed(content)


def plan_of(names: list[str]) -> dict[str, Any]:
    """Return a plan document whose every text from outside is one of `names`, by turns."""
    each = cycle(names)
    manifest, quiet, revision = next(each), next(each), next(each)
    address = f"{manifest}/{next(each)}"
    git = {"sha": next(each), "dirty": True}
    return plan(
        created_at=next(each),
        git=git,
        tables=[
            table(manifest, next(each), next(each), run(address, revision)),
            table(quiet, next(each), next(each), run(f"{quiet}/x")),
            table(
                "n",
                "name",
                "idle",
                run("n/at", None) | {"refresh": {"at": next(each), "timezone": next(each)}, "next_due": next(each)},
                run("n/date", None) | {"refresh": {"at": "", "timezone": next(each)}, "stale_before": DATE},
                run("n/every", None) | {"refresh": {"every": next(each)}, "stale_before": next(each)},
            ),
        ],
        calls=[
            call(address, [next(each), next(each)], cause="change", revision=revision),
            call(address, [next(each)], cause="due", revision=revision, price=None),
            *(call(f"n/{name}", ["k"], revision=None, reason="cells_stale") for name in ("at", "date", "every")),
        ],
        skipped=[{"address": f"{quiet}/x", "reason": "failed", "cells": 2}],
        in_doubt=[{"id": next(each), "address": next(each), "table_id": next(each), "cells": 1, "credits": 1}],
        violations=[{"rule": next(each), "message": next(each), "set_at": next(each), "contact": next(each)}],
        diagnostics=[{"path": next(each), "line": 1, "column": 2, "message": next(each), "hint": next(each)}],
        against={
            "ref": next(each),
            "changes": [
                {"address": next(each), "text": next(each), "path": next(each), "line": 3, "column": 4},
                {"address": None, "text": next(each), "path": next(each), "line": 3, "column": 4},
            ],
        },
    )


def result(address: str, **more: Any) -> dict[str, Any]:
    """Return a call of a report."""
    return {
        "id": "a" * 32,
        "address": address,
        "table_id": TABLE,
        "mode": "new",
        "revision": None,
        "cells": 3,
        "credits": 3,
        "state": "accepted",
        "detail": "",
        "status": 200,
        "run_id": "run",
        "requested_cells": 3,
        "settled": None,
        **more,
    }


def line(manifest: str, **more: Any) -> dict[str, Any]:
    """Return a manifest's line of a receipt."""
    return {
        "manifest": manifest,
        "calls": 1,
        "cells_planned": 3,
        "cells_requested": 3,
        "cells_refused": 0,
        "cells_not_sent": 0,
        "cells_in_doubt": 0,
        "cells_done": None,
        "cells_failed": None,
        "cells_not_started": None,
        "credits_planned": 3,
        "credits": 3,
        **more,
    }


def report(**parts: Any) -> dict[str, Any]:
    """Return a report document."""
    calls = parts.get("calls", [])

    def count(state: str) -> int:
        return sum(each["state"] == state for each in calls)

    accepted = [each for each in calls if each["state"] == "accepted"]
    return {
        "format_version": "1.0",
        "plan_id": DIGEST,
        "exit_code": 0,
        "stopped": None,
        "calls": [],
        "by_manifest": [],
        "in_doubt_before": [],
        "unrecorded": [],
        "waited": False,
        "still_running": [],
        "totals": {
            "calls": len(calls),
            **{state: count(state) for state in ("accepted", "refused", "not_sent", "in_doubt", "not_attempted")},
            "cells_planned": sum(each["cells"] for each in calls),
            "cells_accepted": sum(each["requested_cells"] or 0 for each in accepted),
            "credits_accepted": sum(each["credits"] for each in accepted),
            "cells_failed": 0,
        },
        **parts,
    }


def report_of(names: list[str]) -> dict[str, Any]:
    """Return a report document whose every text from outside is one of `names`, by turns."""
    each: Iterator[str] = cycle(names)
    return report(
        plan_id=next(each),
        stopped={"cause": "refused", "message": next(each), "hint": next(each)},
        calls=[
            result(next(each), id=next(each), detail=next(each)),
            result(next(each), id=next(each), detail=next(each), state="in_doubt", requested_cells=None),
        ],
        by_manifest=[line(next(each))],
        in_doubt_before=[{"id": next(each), "address": next(each), "table_id": "", "cells": 1, "credits": None}],
        unrecorded=[next(each)],
        still_running=[next(each)],
    )
