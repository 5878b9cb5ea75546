"""Compressed bodies: the same bytes, in pieces that are never large, and an error where they are damaged."""

import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.client.http.gzip import LARGEST_PIECE, UnpackingError, unpacked


@given(st.binary(max_size=5000), st.integers(1, 700), st.integers(1, 40))
def test_unpacked_bytes_are_those_that_were_packed(data: bytes, size: int, repeats: int) -> None:
    """However they are cut on their way."""
    packed = gzip.compress(data * repeats)
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(unpacked(chunks, "gzip")) == data * repeats
    assert b"".join(unpacked(chunks, None)) == packed


def test_a_bomb_comes_in_small_pieces() -> None:
    """64 KB that hold 64 MB are never unpacked at once."""
    packed = gzip.compress(bytes(60_000_000))
    tracemalloc.start()
    sizes = [len(piece) for piece in unpacked([packed], "gzip")]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert max(sizes) <= LARGEST_PIECE
    assert sum(sizes) == 60_000_000
    assert peak < 2_000_000


def test_a_body_that_breaks_off_or_is_damaged_is_an_error() -> None:
    """Half a page must not pass for a whole one."""
    packed = gzip.compress(b"x" * 100_000 + bytes(range(256)) * 50)
    with pytest.raises(UnpackingError, match="breaks off"):
        list(unpacked([packed[:-9]], "gzip"))
    with pytest.raises(UnpackingError, match="damaged"):
        list(unpacked([b"no gzip at all"], "gzip"))
    with pytest.raises(UnpackingError, match="not requested"):
        list(unpacked([packed], "br"))


def test_an_empty_body_is_empty() -> None:
    """Whatever its headers say."""
    assert list(unpacked([], "gzip")) == []
