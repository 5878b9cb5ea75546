"""Compressed bodies in bounded pieces: 64 KiB of gzip can hold 64 MB, and must not before anybody has counted them."""

import zlib
from collections.abc import Iterable, Iterator

LARGEST_PIECE = 256 * 1024
"""Bytes handed on at once."""
_GZIP = 16 + zlib.MAX_WBITS


class UnpackingError(Exception):
    """The body is not what its headers say. Never leaves the package."""


def unpacked(chunks: Iterable[bytes], encoding: str | None) -> Iterator[bytes]:
    """Yield the body's bytes, at most `LARGEST_PIECE` at once where they are compressed. Raises UnpackingError."""
    if encoding is None or encoding.strip().lower() in ("", "identity"):
        return iter(chunks)
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        raise UnpackingError("the answer is compressed in a way that was not asked for")
    return _inflated(chunks)


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP)
    has_begun = False
    for chunk in chunks:
        left = chunk
        while left:
            if unpacker.eof:  # a server may compress each of its own pieces by itself: several members, one body
                unpacker = zlib.decompressobj(_GZIP)
            has_begun = True
            yield _step(unpacker, left)
            left = unpacker.unused_data or unpacker.unconsumed_tail
    while has_begun and not unpacker.eof:
        piece = _step(unpacker, b"")
        if not piece:
            raise UnpackingError("the compressed answer breaks off")
        yield piece


def _step(unpacker: "zlib._Decompress", data: bytes) -> bytes:
    try:
        return unpacker.decompress(data, LARGEST_PIECE)
    except zlib.error:
        pass
    raise UnpackingError("the compressed answer is damaged")
