"""How hard the suite looks for a counterexample: an eighth of the examples, or all of them with `EXAMPLES=all pytest`.

An option of pytest's would come too late: the examples are counted while the tests are imported.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")
_SHARE = 1 if os.environ.get("EXAMPLES") == "all" else 8


def examples(most: int) -> int:
    """Return how many examples a test that is worth `most` takes in this run."""
    return most // _SHARE


def portion(items: Sequence[Item], turn: int = 0) -> Sequence[Item]:
    """Return the items of this run: an eighth, another one at each turn, or all."""
    return items[turn % _SHARE :: _SHARE]
