"""Row masks are sets of row numbers."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler import masks

rows_and_two_sets = st.integers(0, 300).flatmap(
    lambda rows: st.tuples(
        st.just(rows), *[st.sets(st.integers(0, rows - 1)) if rows else st.just(set[int]()) for _ in range(2)]
    )
)


@given(rows_and_two_sets)
def test_masks_do_what_sets_of_row_numbers_do(drawn: tuple[int, set[int], set[int]]) -> None:
    """Union, intersection, difference, count and the way back."""
    rows, one, other = drawn
    first, second = masks.of_indexes(one, rows), masks.of_indexes(other, rows)
    assert masks.indexes(first, rows) == sorted(one)
    assert masks.indexes(first | second, rows) == sorted(one | other)
    assert masks.indexes(first & second, rows) == sorted(one & other)
    assert masks.indexes(first & ~second, rows) == sorted(one - other)
    assert masks.count(first) == len(one)
    assert masks.from_flags(masks.to_flags(first, rows)) == first
    assert masks.indexes(masks.every_row(rows), rows) == list(range(rows))


@given(rows_and_two_sets)
def test_picking_keeps_the_order_of_the_items(drawn: tuple[int, set[int], set[int]]) -> None:
    """The items at the mask's rows."""
    rows, chosen, _ = drawn
    items = [f"row {row}" for row in range(rows)]
    assert masks.pick(items, masks.of_indexes(chosen, rows)) == tuple(f"row {row}" for row in sorted(chosen))


@given(rows_and_two_sets, st.integers(0, 9))
def test_bits_are_flags_and_the_first_rows_are_the_first(drawn: tuple[int, set[int], set[int]], most: int) -> None:
    """There and back; bits beyond the last row are none."""
    rows, chosen, _ = drawn
    mask = masks.of_indexes(chosen, rows)
    flags = masks.to_flags(mask, rows)
    bits = masks.to_bits(flags)
    assert masks.from_bits(bits, rows) == flags
    assert masks.are_bits(bits, rows)
    assert not masks.are_bits(bits + b"\0", rows)
    assert rows % 8 == 0 or not masks.are_bits(bytes([bits[0] | 0x80]) + bits[1:], rows)
    assert masks.indexes(masks.first(mask, most, rows), rows) == sorted(chosen)[:most]


def test_a_table_without_rows_has_an_empty_mask() -> None:
    """Nothing is divided by, nothing indexed."""
    assert masks.every_row(0) == 0
    assert masks.indexes(0, 0) == []
    assert masks.pick([], 0) == ()
