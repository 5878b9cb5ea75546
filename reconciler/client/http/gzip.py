"""Compressed bodies in bounded pieces: 64 KiB of gzip can hold 64 MB, which must be counted while they expand."""

import zlib
from collections.abc import Iterable, Iterator

LARGEST_PIECE = 256 * 1024
"""The most bytes passed on at once."""
_GZIP = 16 + zlib.MAX_WBITS


class UnpackingError(Exception):
    """The body does not match its headers. Never leaves the package."""


class Unpacker:
    """Takes one body as it arrives. Raises UnpackingError if it does not match its `encoding`, a header."""

    def __init__(self, encoding: str | None) -> None:
        name = (encoding or "").strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip"):
            raise UnpackingError("the answer has a compression that was not requested")
        self._member = zlib.decompressobj(_GZIP) if "gzip" in name else None
        """None if the body is not compressed."""
        self._has_begun = False

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the bytes that `chunk` adds to the body, at most `LARGEST_PIECE` at once if it is compressed."""
        if self._member is None:
            yield chunk
            return
        left = chunk
        while left:
            if self._member.eof:  # a server may compress each of its pieces separately: several members, one body
                self._member = zlib.decompressobj(_GZIP)
            self._has_begun = True
            yield _step(self._member, left)
            left = self._member.unused_data or self._member.unconsumed_tail

    def end(self) -> Iterator[bytes]:
        """Yield the rest after the last chunk."""
        while self._member is not None and self._has_begun and not self._member.eof:
            piece = _step(self._member, b"")
            if not piece:
                raise UnpackingError("the compressed answer breaks off")
            yield piece


def unpacked(chunks: Iterable[bytes], encoding: str | None) -> Iterator[bytes]:
    """Yield the body's bytes, as `Unpacker` does. Raises UnpackingError."""
    unpacker = Unpacker(encoding)
    for chunk in chunks:
        yield from unpacker.unpack(chunk)
    yield from unpacker.end()


def _step(unpacker: "zlib._Decompress", data: bytes) -> bytes:
    try:
        return unpacker.decompress(data, LARGEST_PIECE)
    except zlib.error:
        pass
    raise UnpackingError("the compressed answer is damaged")
