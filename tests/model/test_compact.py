"""Packed texts are the texts: whatever is asked of them, the answer is that of a tuple."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.compact import CellMarks, PackedAnswers, PackedDigests, PackedIds, RowIndex, picked

ids = st.lists(st.uuids().map(str), max_size=20)
digests = st.lists(st.binary(min_size=8, max_size=8).map(bytes.hex), max_size=20)


@given(ids, st.integers(0, 25), st.integers(0, 25))
def test_packed_ids_are_their_texts(texts: list[str], start: int, stop: int) -> None:
    """Length, items, parts, order, equality, repeats."""
    packed = PackedIds.of(texts)
    assert list(packed) == texts
    assert packed == tuple(texts)
    assert tuple(texts) == packed
    assert [packed[at] for at in range(-len(texts), len(texts))] == texts * 2
    assert packed[start:stop] == texts[start:stop]
    assert PackedIds.joined([packed[:start], packed[start:]]) == packed
    assert packed.has_repeats == (len(set(texts)) != len(texts))
    assert len(packed.data) == 16 * len(texts)
    assert hash(packed) == hash(tuple(texts))


@given(digests, st.data())
def test_marks_are_states_with_or_without_digests(texts: list[str], data: st.DataObject) -> None:
    """Written as the ledger has always kept them."""
    states = bytes(data.draw(st.lists(st.integers(0, 5), min_size=len(texts), max_size=len(texts))))
    plain, full = CellMarks(states), CellMarks(states, PackedDigests.of(texts))
    assert list(plain) == [str(state) for state in states]
    assert list(full) == [f"{state}:{digest}" for state, digest in zip(states, texts, strict=True)]
    assert [full[at] for at in range(len(full))] == list(full)
    assert full == tuple(full)
    assert full[1:3] == tuple(full)[1:3]


@given(digests, st.booleans(), st.data())
def test_marks_with_digests_are_packed_and_read_again(texts: list[str], has_answers: bool, data: st.DataObject) -> None:
    """Without digests they are as short as text; cut off they are refused."""
    states = bytes(data.draw(st.lists(st.integers(0, 7), min_size=len(texts), max_size=len(texts))))
    answers = PackedAnswers.of(text[:8] for text in texts) if has_answers else None
    marks = CellMarks(states, PackedDigests.of(texts), answers)
    packed = marks.pack()
    assert packed is not None
    assert CellMarks.unpack(packed) == marks
    assert CellMarks(states).pack() is None
    for broken in (b"", b"x" + packed[1:], packed + b"-"):
        with pytest.raises(ValueError, match="cut off, or written in an unknown way"):
            CellMarks.unpack(broken)


@given(ids)
def test_an_index_finds_every_row_and_nothing_else(texts: list[str]) -> None:
    """Packed or not; another spelling of an id is another text."""
    rows = list(dict.fromkeys(texts))
    for kept in (PackedIds.of(rows), tuple(rows)):
        index = RowIndex(kept)
        assert {row: index.get(row) for row in rows} == {row: at for at, row in enumerate(rows)}
        assert dict(index) == {row: at for at, row in enumerate(rows)}
        for other in (str(uuid.UUID(int=7)), "", "no id", "é", *(row.upper() + "-" for row in rows)):
            assert (other in index) == (other in rows)


def test_what_is_picked_stays_packed() -> None:
    """In the order asked for."""
    texts = [f"{number:016x}" for number in range(9)]
    found = picked(PackedDigests.of(texts), [7, 0])
    assert isinstance(found, PackedDigests)
    assert found == (texts[7], texts[0]) == picked(texts, [7, 0])


def test_an_item_that_is_not_there_is_an_error() -> None:
    """As with a tuple."""
    with pytest.raises(IndexError):
        _ = PackedIds.of([])[0]
