"""A checkpoint from elsewhere is checked before anything is planned from it, and in little memory."""

import zlib
from array import array
from collections.abc import Mapping

import pytest

from reconciler.model.checkpoint import VERSIONS, Checkpoint, Name, pack_counts, pack_values
from reconciler.model.folding import fold
from reconciler.model.runs import merged, pack_runs

LAST = ("last", "c")
PURCHASES = ("purchases", "c")
PORTIONS = ("portions", "c", "new", None, "config")
ONE = pack_counts(array("I", [1]))


@pytest.mark.parametrize(
    "parts",
    [
        {PORTIONS: pack_values([[1, 0, 10**12]])},
        {PORTIONS: pack_values([["first", 0, 1], [1, 1, 1]])},
        {PORTIONS: pack_values([[2**64, 0, 1]])},
        {LAST: ONE, PURCHASES: pack_values([[1.0, "boot", "yesterday", None]])},
        {LAST: ONE, PURCHASES: zlib.compress(b"[[NaN,null,null,null]]")},
        {LAST: ONE, PURCHASES: pack_values([])},
        {("bought", "c"): pack_counts(array("I", [1, 1, 1]))},
    ],
)
def test_what_cannot_be_planned_from_is_refused(parts: Mapping[Name, bytes]) -> None:
    """Few bytes may name a billion rows, and a time may be none."""
    with pytest.raises(ValueError, match=r"."):
        Checkpoint(("r1", "r2"), parts).check()


def test_versions_are_never_counted_one_by_one() -> None:
    """However many a few bytes say that there are."""
    folded = fold(Checkpoint((), {VERSIONS: pack_runs([(1, 10**12)])}), [])
    assert folded.versions() == [(1, 10**12)]


def test_runs_are_merged() -> None:
    """Those that touch, overlap or repeat, in whatever order."""
    assert merged([(7, 2), (1, 2), (3, 1), (1, 2), (8, 3)]) == [(1, 3), (7, 4)]
