"""Sets of a table's rows as one big integer, one byte per row: operations on 100,000 rows take microseconds."""

from collections.abc import Iterable, Sequence
from itertools import compress

_DIGITS, _FLAGS = bytes.maketrans(b"\0\1", b"01"), bytes.maketrans(b"01", b"\0\1")


def from_flags(flags: bytes | bytearray) -> int:
    """Return the mask of a byte string of zeros and ones, the first row in the highest byte."""
    return int.from_bytes(flags, "big")


def to_flags(mask: int, rows: int) -> bytes:
    """Return the mask as `rows` bytes."""
    return mask.to_bytes(rows, "big")


def every_row(rows: int) -> int:
    """Return the mask that holds all of `rows` rows."""
    return from_flags(b"\x01" * rows)


def of_indexes(indexes: Iterable[int], rows: int) -> int:
    """Return the mask of the rows at `indexes`."""
    flags = bytearray(rows)
    for index in indexes:
        flags[index] = 1
    return from_flags(flags)


def indexes(mask: int, rows: int) -> list[int]:
    """Return the row indexes in the mask, ascending."""
    return list(compress(range(rows), to_flags(mask, rows)))


def first(mask: int, most: int, rows: int) -> int:
    """Return the mask of its first `most` rows."""
    return mask if mask.bit_count() <= most else of_indexes(indexes(mask, rows)[:most], rows)


def to_bits(flags: bytes) -> bytes:
    """Return a byte string of zeros and ones as bits, the first row in the highest."""
    return int(b"0" + flags.translate(_DIGITS), 2).to_bytes(-(-len(flags) // 8))


def from_bits(bits: bytes, rows: int) -> bytes:
    """Return the byte string of zeros and ones whose bits these are."""
    return f"{int.from_bytes(bits):0{rows}b}".encode().translate(_FLAGS) if rows else b""


def are_bits(bits: bytes, rows: int) -> bool:
    """Return whether these can be the bits of this many rows."""
    return len(bits) == -(-rows // 8) and int.from_bytes(bits) >> rows == 0


def pick(items: Sequence[str], mask: int) -> tuple[str, ...]:
    """Return the items whose row is in the mask."""
    return tuple(compress(items, to_flags(mask, len(items))))


def count(mask: int) -> int:
    """Return how many rows the mask holds."""
    return mask.bit_count()
