"""How hard the suite looks for a counterexample: a quarter of the examples, or all of them with `EXAMPLES=all pytest`.

An option of pytest's would come too late: the examples are counted while the tests are imported.
"""

import os


def examples(most: int) -> int:
    """Return how many examples a test that is worth `most` takes in this run."""
    return most if os.environ.get("EXAMPLES") == "all" else most // 4
