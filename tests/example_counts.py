"""How hard the suite looks for a counterexample: a sixteenth of the examples and an eighth of the cases, or all of them
with `EXAMPLES=all pytest`.

An option of pytest's would come too late: the examples are counted while the tests are imported.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")
ALL = os.environ.get("EXAMPLES") == "all"
"""Whether the run is to leave nothing out."""


def examples(most: int) -> int:
    """Return how many examples a test that is worth `most` takes in this run."""
    return most if ALL else max(1, most // 16)


def portion(items: Sequence[Item], turn: int = 0) -> Sequence[Item]:
    """Return the items of this run: an eighth, another one at each turn, or all."""
    return items if ALL else items[turn % 8 :: 8]
