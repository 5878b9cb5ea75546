"""The only module that uses deepdiff; loaded once two states of a project are compared."""

from typing import Any

from deepdiff import DeepDiff


def differences(old: Any, new: Any) -> list[tuple[tuple[str | int, ...], object, object]]:
    """Return path, old and new value of each difference of two mappings, in order; None for an absent value."""
    # Without the first option, a value that changed completely is not reported part by part, and without the second,
    # a name that begins with two underscores is not reported at all.
    told = DeepDiff(old, new, view="tree", threshold_to_diff_deeper=0, ignore_private_variables=False)
    found = []
    for kind, levels in told.items():
        for level in levels:
            was = None if kind.endswith("_added") else level.t1
            now = None if kind.endswith("_removed") else level.t2
            found.append((tuple(level.path(output_format="list")), was, now))
    return sorted(found, key=lambda each: tuple(map(str, each[0])))
