"""Two judges of a manifest, one fast and one thorough, always agree."""

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler import schema
from reconciler.errors import ManifestError
from reconciler.loading import load_manifests

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


NAMES = mostly(st.sampled_from(["a", "a-b", "0", "x" * 63]))
SHARED = {
    "columns": mostly(st.lists(mostly(st.sampled_from(["a", "b", "é ü", "x" * 200])), min_size=1, max_size=3)),
    "rows": mostly(st.lists(mostly(st.sampled_from(IDS)), min_size=1, max_size=2)),
}
RUNS = st.one_of(
    keys({"mode": mostly(st.just("new"))}, SHARED),
    keys({"mode": mostly(st.just("failed"))}, {"max_attempts": mostly(st.sampled_from([1, 3, 100])), **SHARED}),
    keys({"mode": mostly(st.just("all")), "revision": mostly(st.sampled_from(["r", "2026-q4", "~" * 100]))}, SHARED),
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
            keys({"table": mostly(TABLES)}, {}).flatmap(
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
        return str(error)
    return None


@given(value=MANIFESTS)
@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_fast_gate_and_the_schema_agree(value: object, tmp_path: Path) -> None:
    """A document passes exactly if its JSON Schema has nothing against it."""
    is_sound = not schema.problems("manifest", value)
    text = said(json.dumps(value), tmp_path)
    assert (text is None) == is_sound
    assert is_sound or "not understood" not in str(text)
