"""Sets of rows are sets of row numbers."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.row_set import RowSet, are_bits, counts, from_bits, to_bits, with_flags

rows_and_two_sets = st.integers(0, 300).flatmap(
    lambda rows: st.tuples(
        st.just(rows), *[st.sets(st.integers(0, rows - 1)) if rows else st.just(set[int]()) for _ in range(2)]
    )
)


@given(rows_and_two_sets)
def test_row_sets_do_what_sets_of_row_numbers_do(drawn: tuple[int, set[int], set[int]]) -> None:
    """Union, intersection, difference, count and the way back."""
    rows, one, other = drawn
    first, second = RowSet.of_indexes(one, rows), RowSet.of_indexes(other, rows)
    assert list(first) == sorted(one)
    assert list(first | second) == sorted(one | other)
    assert list(first & second) == sorted(one & other)
    assert list(first - second) == sorted(one - other)
    assert (len(first), bool(first)) == (len(one), bool(one))
    assert RowSet.of_flags(first.flags()) == first
    assert list(RowSet.every(rows)) == list(range(rows))
    assert len({first, second, first | second}) == len({frozenset(one), frozenset(other), frozenset(one | other)})


@given(rows_and_two_sets)
def test_picking_keeps_the_order_of_the_items(drawn: tuple[int, set[int], set[int]]) -> None:
    """The items at the set's rows."""
    rows, chosen, _ = drawn
    items = [f"row {row}" for row in range(rows)]
    assert RowSet.of_indexes(chosen, rows).pick(items) == tuple(f"row {row}" for row in sorted(chosen))


@given(rows_and_two_sets)
def test_bytes_of_a_column_go_by_the_sets_of_its_rows(drawn: tuple[int, set[int], set[int]]) -> None:
    """Chosen from two columns, marked with bits, and counted."""
    rows, one, other = drawn
    first, second = RowSet.of_indexes(one, rows), RowSet.of_indexes(other, rows)
    assert first.chosen(b"\xff" * rows, b"\x05" * rows) == bytes(0xFF if row in one else 5 for row in range(rows))
    marked = with_flags(b"\x03" * rows, {8: first, 64: second})
    assert marked == bytes(3 | 8 * (row in one) | 64 * (row in other) for row in range(rows))
    assert counts([first, second, first], rows) == bytes(2 * (row in one) + (row in other) for row in range(rows))


@given(rows_and_two_sets, st.integers(0, 9))
def test_bits_are_flags_and_the_first_rows_are_the_first(drawn: tuple[int, set[int], set[int]], most: int) -> None:
    """There and back; bits beyond the last row are none."""
    rows, chosen, _ = drawn
    found = RowSet.of_indexes(chosen, rows)
    flags = found.flags()
    bits = to_bits(flags)
    assert from_bits(bits, rows) == flags
    assert are_bits(bits, rows)
    assert not are_bits(bits + b"\0", rows)
    assert rows % 8 == 0 or not are_bits(bytes([bits[0] | 0x80]) + bits[1:], rows)
    assert list(found.first(most)) == sorted(chosen)[:most]


def test_a_table_without_rows_has_an_empty_set() -> None:
    """Nothing is divided by, nothing indexed."""
    assert RowSet.every(0) == RowSet.none(0)
    assert list(RowSet.none(0)) == []
    assert RowSet.none(0).pick([]) == ()
