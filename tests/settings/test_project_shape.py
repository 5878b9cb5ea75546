"""A project file that the fast judge lets pass is sound by the schema too."""

import copy
from collections.abc import Iterator
from typing import Any

from reconciler.manifests import json_schema
from reconciler.settings.project_shape import fits

WHOLE: dict[str, Any] = {
    "apiVersion": "reconciler/v1",
    "kind": "Project",
    "spec": {
        "manifests": ["manifests/", "more.yaml"],
        "ledger": ".reconciler/ledger.db",
        "ledger_connections": 4,
        "workspace": {"organization": "acme"},
        "api": {
            "url": "https://api.extruct.ai",
            "concurrency": 16,
            "run_concurrency": 4,
            "timeout_seconds": 30,
            "page_rows": 500,
            "ca_bundle": "ca.pem",
            "max_cells_per_call": 1000,
            "spend": {"send_within_seconds": 2, "call_seconds": 30, "quiet_seconds": 180.5, "lease_seconds": 60},
        },
        "prices": {"default": 1, "kinds": {"company_people_finder": 2}, "columns": {"recent_news": 0.5}},
        "limits": {
            "contact": "ops",
            "max_credits": 500,
            "max_cells": 5000,
            "min_balance": 0.5,
            "per_day": {"max_credits": 10},
            "per_month": {"max_cells": 10},
            "timezone": "Europe/Berlin",
        },
    },
}
"""Every key that the fast judge knows."""
ODD = [
    *(None, True, False, 0, 1, 2, -1, 1.0, 0.0, 2.5, -0.5, 1e-9, 32, 33, 100, 101, 3600, 3601, 10_000, 10_001),
    *(86_400, 86_401, 100_000, 100_001, 1e6, 1_000_001, 10**12, 10**12 + 1, 1e12 + 1, 10**19, 10**400),
    *(float("nan"), float("inf"), "", "a", "a\n", "5", "é\u2028", "x" * 100, "x" * 101, "x" * 200, "x" * 201),
    *(
        "reconciler/v1",
        "reconciler/v2",
        "TableRun",
        "Project\n",
        "http://a/b",
        "https://a?b",
        "https://a/\n",
        "ftp://a",
    ),
    *([], ["a"], ["a", "a"], [""], [1], [["a"]], {}, {"a": "b"}, {"a": 1}, {"a": -1}, {"a": None}),
    *({"max_credits": 1}, {"max_cells": 1.5}, {"max_cells": 1, "x": 1}, {"default": True}, {"url": "http://a"}),
]


def places(value: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the path to each key."""
    for key, each in value.items():
        yield (key,)
        if isinstance(each, dict):
            yield from ((key, *rest) for rest in places(each))


def test_whatever_fits_is_valid() -> None:
    """With any value in place of any other, or under a key that does not belong there."""
    fitting = 0
    for *outer, key in places(WHOLE):
        for odd in ODD:
            for name in (key, "concurrencies"):
                changed = copy.deepcopy(WHOLE)
                inner = changed
                for step in outer:
                    inner = inner[step]
                inner[name] = odd
                if fits(changed):
                    fitting += 1
                    assert json_schema.problems("project", changed) == [], (*outer, name, odd)
    assert fitting > 100


def test_the_keys_of_most_projects_fit() -> None:
    """They are judged without jsonschema; what is rare, or wrong, is left to it."""
    assert fits(WHOLE)
    assert fits({"apiVersion": "reconciler/v1", "kind": "Project"})
    assert not fits({**WHOLE, "spec": {"notify": []}})
    assert not fits([WHOLE])
