"""Two judges of a manifest, one fast and one thorough, always agree."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import ManifestError
from reconciler.manifests import json_schema
from reconciler.manifests.loader import load_manifests
from tests.example_counts import examples, portion

IDS = ("0a1a669a-9a40-497c-bb00-d49dd8ee5b74", "7E0C4D52-5F0B-4B5E-9D0C-0E6B8F9D1A23")
ODD = st.sampled_from(
    [None, True, 0, 1, -1, 1.0, 2.5, 101, "", "a", "a\n", "a b", "é", "-a", "a-", "A", "x" * 64, "x" * 101]
)
ODD = ODD | st.sampled_from(
    ["x" * 201, "a\u0007", "\u2028", [], {}, ["a"], {"a": "b"}, IDS[0], IDS[0] + "\n", [IDS[1]]]
)
TABLES = st.sampled_from(
    [
        *IDS,
        f"https://app.extruct.ai/tables/{IDS[0]}",
        f"https://app.extruct.ai/tables/{IDS[1]}/?a#b",
        f"https://app.extruct.ai/tables/{IDS[0]}\n",
        f"https://app.extruct.ai/tables/{IDS[0]}?a b",
        f"http://app.extruct.ai/tables/{IDS[0]}",
    ]
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what is drawn from `good`, now and then something odd."""
    return st.integers(0, 14).flatmap(lambda dice: ODD if dice == 0 else good)


def keys(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings of these keys, now and then with one too few or too many."""
    whole = st.fixed_dictionaries(required, optional=optional)
    partial = st.fixed_dictionaries({}, optional={**required, **optional, "x": ODD, "colums": ODD})
    return st.integers(0, 14).flatmap(lambda dice: partial if dice == 0 else whole)


OPERANDS = mostly(st.sampled_from(["DE", "", 3, 2.5, True]))
TESTS = keys(
    {"column": mostly(st.just("a"))},
    {
        "equals": OPERANDS,
        "in": mostly(st.lists(OPERANDS, min_size=1, max_size=2)),
        "matches": mostly(st.just("^a")),
        "exists": mostly(st.just(True)),
        "missing": mostly(st.just(True)),
        "gt": mostly(st.sampled_from([1, 2.5, "2026-01-01", "2026"])),
        "lt": mostly(st.sampled_from([1, -2.5, "2026-01-01"])),
    },
)
CONDITIONS: st.SearchStrategy[Any] = st.recursive(
    TESTS,
    lambda parts: st.one_of(
        keys({"all": mostly(st.lists(parts, min_size=1, max_size=2))}, {}),
        keys({"any": mostly(st.lists(parts, min_size=1, max_size=2))}, {"column": st.just("a")}),
        keys({"not": mostly(parts)}, {}),
    ),
    max_leaves=3,
)
NAMES = mostly(st.sampled_from(["a", "a-b", "0", "x" * 63]))
SHARED = {
    "columns": mostly(st.lists(mostly(st.sampled_from(["a", "b", "é ü", "x" * 200])), min_size=1, max_size=3)),
    "rows": mostly(st.lists(mostly(st.sampled_from(IDS)), min_size=1, max_size=2))
    | keys({}, {"where": mostly(CONDITIONS), "limit": mostly(st.integers(1, 9))}),
    "rollout": mostly(
        keys({"first": mostly(st.integers(1, 9)), "max_failed": mostly(st.sampled_from(["0%", "2.5%", "100%"]))}, {})
    ),
}
REFRESH = st.one_of(
    keys({"every": mostly(st.sampled_from(["90m", "30d"]))}, {}),
    keys({"at": mostly(st.just("0 6 * * 1"))}, {"timezone": mostly(st.just("UTC"))}),
    keys({}, {"every": st.just("1d"), "at": st.just("0 6 * * 1"), "timezone": st.just("UTC")}),
)
FOUND = st.one_of(
    keys({"name": mostly(st.just("Target Accounts"))}, {}),
    keys({"name": st.just("T")}, {"child_of": st.just("b"), "column": st.just("c")}),
)
RUNS = st.one_of(
    keys({"mode": mostly(st.just("new"))}, {"max_attempts": mostly(st.sampled_from([1, 3, 100])), **SHARED}),
    keys({"mode": mostly(st.just("failed"))}, {"max_attempts": mostly(st.sampled_from([1, 3, 100])), **SHARED}),
    keys({"mode": mostly(st.just("all")), "revision": mostly(st.sampled_from(["r", "2026-q4", "~" * 100]))}, SHARED),
    keys({"mode": st.just("all"), "refresh": mostly(REFRESH)}, {"revision": st.just("r"), **SHARED}),
    keys({"mode": st.sampled_from(["new", "failed", "all"])}, {"revision": st.just("r"), "max_attempts": st.just(2)}),
)
MANIFESTS = keys(
    {
        "apiVersion": mostly(st.just("reconciler/v1")),
        "kind": mostly(st.just("TableRun")),
        "metadata": mostly(
            keys(
                {"name": NAMES},
                {
                    "labels": mostly(
                        st.dictionaries(
                            st.sampled_from(["a", "a.b_c-d", "a b", "-"]), mostly(st.text("ab é")), max_size=2
                        )
                    )
                },
            )
        ),
        "spec": mostly(
            keys(
                {"table": mostly(TABLES | FOUND)},
                {
                    "tables": mostly(keys({"tag": mostly(st.just("priority"))}, {})),
                    "allow_growth": mostly(
                        keys(
                            {"max_cells": mostly(st.integers(0, 9))}, {"max_credits": mostly(st.sampled_from([0, 2.5]))}
                        )
                    ),
                },
            ).flatmap(
                lambda spec: st.builds(
                    lambda runs: {**spec, "runs": runs}, mostly(st.lists(mostly(RUNS), min_size=1, max_size=1))
                )
            )
        ),
    },
    {},
)


def said(text: str, folder: Path) -> str | None:
    """Return what is said of a manifest; None if it passes."""
    file = folder / "a.yaml"
    file.write_text(text)
    try:
        load_manifests([file])
    except ManifestError as error:
        # Whether a calendar's words mean anything is not a question of its shape.
        words = ("is not a calendar", "there is no time zone")
        if not all(any(word in problem.message for word in words) for problem in error.problems):
            return str(error)
    return None


def sound(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest that passes."""
    return {
        "apiVersion": "reconciler/v1",
        "kind": "TableRun",
        "metadata": {"name": "a", "labels": {"team": "gtm"}},
        "spec": {"runs": [{"mode": "new"}], **spec},
    }


WHERE = {
    "all": [
        {"column": "a", "equals": "x"},
        {"any": [{"column": "a", "in": [1, "x"]}, {"column": "b", "gt": 1, "lt": 9}]},
        {"not": {"column": "a", "matches": "x"}},
        {"column": "a", "exists": True, "missing": True},
    ]
}
WHOLE = sound({"table": IDS[0], "allow_growth": {"max_cells": 9, "max_credits": 2.5}})
OTHER_TABLES = [sound({"table": {"name": "T"}}), sound({"tables": {"tag": "t"}})]
EVERY_RUN = [
    sound({"table": IDS[0], "runs": [run]})
    for run in (
        {"name": "n", "mode": "new", "columns": ["a"], "rows": [IDS[0]]},
        {"name": "f", "mode": "failed", "columns": ["a"], "rows": [IDS[0]], "max_attempts": 3},
        {"name": "r", "mode": "all", "columns": ["a"], "rows": [IDS[0]], "revision": "r"},
        {"name": "e", "mode": "all", "refresh": {"every": "30d"}, "rollout": {"first": 10, "max_failed": "20%"}},
        {"name": "c", "mode": "all", "refresh": {"at": "0 6 * * 1", "timezone": "Europe/Berlin"}},
        {"name": "w", "mode": "new", "rows": {"where": WHERE, "limit": 3}},
    )
]
TEXTS = [
    "",
    "a",
    "-",
    "a-",
    "A",
    "é",
    "٣",
    "a b",
    " a",
    "a\n",
    "\na",
    "a\t",
    "a\u007f",
    "a\u0085",
    "a\u2028",
    "~",
    "new",
    "all",
]
LENGTHS = ["x" * length for length in (36, 63, 64, 100, 101, 200, 201)]
LINKS = [f"https://app.extruct.ai/tables/{IDS[1]}{tail}" for tail in ("", "/", "?a", "/#b", "\n", "/x", "?a\n", "? ")]
OTHERS: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    100,
    101,
    1.0,
    2.5,
    [],
    {},
    [[]],
    [None],
    [1],
    [{}],
    {"a": "b"},
    {"a": 1},
    {"": ""},
]
REPLACEMENTS: list[Any] = [*TEXTS, *LENGTHS, *LINKS, *OTHERS, *IDS, IDS[0] + "\n", IDS[0][1:]]


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every part of a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, item in items for path in paths(item, (*at, key)))]


def changed(manifest: Any, at: tuple[Any, ...], new: Any) -> Any:
    """Return a sound manifest with one part replaced."""
    value = copy.deepcopy({"": manifest})
    parent: Any = value
    for step in ("", *at)[:-1]:
        parent = parent[step]
    parent[("", *at)[-1]] = new
    return value[""]


EVERY_PART = [
    *((WHOLE, at) for at in paths(WHOLE)),
    *((each, at) for each in OTHER_TABLES for at in paths(each) if at[:1] == ("spec",)),
    *((each, at) for each in EVERY_RUN for at in paths(each) if at[:3] == ("spec", "runs", 0)),
]
"""Small manifests with one run each: the thorough judge takes long over large ones."""


@pytest.mark.parametrize("part", range(len(EVERY_PART)))
def test_the_two_agree_on_every_single_change(part: int, tmp_path: Path) -> None:
    """One part of a sound manifest replaced by each of many odd values, and as a key: both judges say the same."""
    manifest, at = EVERY_PART[part]
    for new in portion(REPLACEMENTS, part):
        candidates = [changed(manifest, at, new)]
        if at and isinstance(at[-1], str) and isinstance(new, str):
            candidates.append(changed(manifest, (*at[:-1], new), "x"))
        for value in candidates:
            assert (said(json.dumps(value), tmp_path) is None) == (not json_schema.problems("manifest", value)), value


@given(value=MANIFESTS)
@settings(max_examples=examples(800))
def test_the_fast_gate_and_the_schema_agree(value: object, tmp_path: Path) -> None:
    """A document passes exactly if its JSON Schema has nothing against it."""
    is_sound = not json_schema.problems("manifest", value)
    text = said(json.dumps(value), tmp_path)
    assert (text is None) == is_sound
    assert is_sound or "not understood" not in str(text)
