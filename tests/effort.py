"""How hard the suite looks for a counterexample: a quarter of the examples, or all of them with `EXAMPLES=all pytest`.

An option of pytest's would come too late: the examples are counted while the tests are imported.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")
_SHARE = 1 if os.environ.get("EXAMPLES") == "all" else 4


def examples(most: int) -> int:
    """Return how many examples a test that is worth `most` takes in this run."""
    return most // _SHARE


def portion(items: Sequence[Item], turn: int) -> Sequence[Item]:
    """Return the items of this run: a tenth, another one at each turn, or all."""
    return items if _SHARE == 1 else items[turn % 10 :: 10]
