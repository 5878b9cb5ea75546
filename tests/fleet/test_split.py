"""A plan's units are put into jobs that a worker can hold in its memory. Pure."""

import pytest

from reconciler.fleet.split import BYTES_AS_A_TABLE, jobs, weight
from reconciler.model.submitted import Unit


def unit(number: int, size: int, tables: int = 1) -> Unit:
    """Return a unit that is enqueued again: its content was left away."""
    return Unit("a" * 32, number, tuple(map(str, range(tables))), b"", size=size)


@pytest.mark.parametrize(("size", "together"), [(100, 25), (5 * BYTES_AS_A_TABLE, 5), (40 * BYTES_AS_A_TABLE, 1)])
def test_a_job_has_many_small_units_or_a_large_one(size: int, together: int) -> None:
    """25 tables of 100,000 rows at once would not fit; and each that is alone still has its job."""
    found = list(jobs((each.number, weight(each)) for each in (unit(number, size) for number in range(50))))
    assert [len(batch) for batch in found] == [together] * (50 // together)
    assert [number for batch in found for number in batch] == list(range(50))


def test_a_unit_counts_as_its_tables_at_least() -> None:
    """And its own content counts, if it is there."""
    assert weight(unit(0, 0, tables=7)) == 7
    assert weight(Unit("a" * 32, 0, ("t",), bytes(3 * BYTES_AS_A_TABLE))) == 3
