"""The ledger's file grows little: by a few bytes for each cell, however often that is bought."""

from pathlib import Path

import pytest

from reconciler.ledger import open_ledger
from tests.benchmarks.age import fill

ROWS, COLUMNS = 4000, 5


@pytest.mark.parametrize(("has_inputs", "most"), [(False, 8), (True, 14)], ids=["no inputs", "inputs"])
def test_cells_never_bought_before_take_few_bytes(tmp_path: Path, has_inputs: bool, most: int) -> None:
    """Also if digests of what each was made from are kept: what a call leaves behind as it is folded is used again."""
    empty = tmp_path / "empty.db"
    with open_ledger(str(empty)) as ledger:
        ledger.initialise()
    (size,) = fill(tmp_path / "ledger.db", 1, ROWS, COLUMNS, has_inputs=has_inputs)
    assert (size - empty.stat().st_size) / (ROWS * COLUMNS) <= most
