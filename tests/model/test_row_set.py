"""Row masks are sets of row numbers."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import row_set

rows_and_two_sets = st.integers(0, 300).flatmap(
    lambda rows: st.tuples(
        st.just(rows), *[st.sets(st.integers(0, rows - 1)) if rows else st.just(set[int]()) for _ in range(2)]
    )
)


@given(rows_and_two_sets)
def test_masks_do_what_sets_of_row_numbers_do(drawn: tuple[int, set[int], set[int]]) -> None:
    """Union, intersection, difference, count and the way back."""
    rows, one, other = drawn
    first, second = row_set.of_indexes(one, rows), row_set.of_indexes(other, rows)
    assert row_set.indexes(first, rows) == sorted(one)
    assert row_set.indexes(first | second, rows) == sorted(one | other)
    assert row_set.indexes(first & second, rows) == sorted(one & other)
    assert row_set.indexes(first & ~second, rows) == sorted(one - other)
    assert row_set.count(first) == len(one)
    assert row_set.from_flags(row_set.to_flags(first, rows)) == first
    assert row_set.indexes(row_set.every_row(rows), rows) == list(range(rows))


@given(rows_and_two_sets)
def test_picking_keeps_the_order_of_the_items(drawn: tuple[int, set[int], set[int]]) -> None:
    """The items at the mask's rows."""
    rows, chosen, _ = drawn
    items = [f"row {row}" for row in range(rows)]
    assert row_set.pick(items, row_set.of_indexes(chosen, rows)) == tuple(f"row {row}" for row in sorted(chosen))


@given(rows_and_two_sets, st.integers(0, 9))
def test_bits_are_flags_and_the_first_rows_are_the_first(drawn: tuple[int, set[int], set[int]], most: int) -> None:
    """There and back; bits beyond the last row are none."""
    rows, chosen, _ = drawn
    mask = row_set.of_indexes(chosen, rows)
    flags = row_set.to_flags(mask, rows)
    bits = row_set.to_bits(flags)
    assert row_set.from_bits(bits, rows) == flags
    assert row_set.are_bits(bits, rows)
    assert not row_set.are_bits(bits + b"\0", rows)
    assert rows % 8 == 0 or not row_set.are_bits(bytes([bits[0] | 0x80]) + bits[1:], rows)
    assert row_set.indexes(row_set.first(mask, most, rows), rows) == sorted(chosen)[:most]


def test_a_table_without_rows_has_an_empty_mask() -> None:
    """Nothing is divided by, nothing indexed."""
    assert row_set.every_row(0) == 0
    assert row_set.indexes(0, 0) == []
    assert row_set.pick([], 0) == ()
