"""Sets of a table's rows, one byte per row in one big integer: operations on 100,000 rows take microseconds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import compress
from operator import or_
from typing import TypeVar

_DIGITS, _FLAGS = bytes.maketrans(b"\0\1", b"01"), bytes.maketrans(b"01", b"\0\1")
Item = TypeVar("Item")


class RowSet:
    """Some rows of a table, by their index. Sets of one table go together; those of different sizes do not."""

    # Not a frozen dataclass: making one takes three times as long, and a large plan makes a hundred thousand.
    __slots__ = ("_mask", "rows")

    def __init__(self, mask: int, rows: int) -> None:
        """`mask` has one byte per row, 1 if the row is in the set, the first row in the highest."""
        self._mask = mask
        self.rows = rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RowSet) and self._mask == other._mask and self.rows == other.rows

    def __hash__(self) -> int:
        return hash(self._mask)

    def __repr__(self) -> str:
        return f"RowSet({list(self)} of {self.rows})"

    @classmethod
    def none(cls, rows: int) -> "RowSet":
        """Return the empty set."""
        return cls(0, rows)

    @classmethod
    def every(cls, rows: int) -> "RowSet":
        """Return the set of all rows."""
        return cls.of_flags(b"\x01" * rows)

    @classmethod
    def of_flags(cls, flags: bytes | bytearray) -> "RowSet":
        """Return the set of a byte string of zeros and ones."""
        return cls(int.from_bytes(flags, "big"), len(flags))

    @classmethod
    def of_indexes(cls, indexes: Iterable[int], rows: int) -> "RowSet":
        """Return the set of the rows at `indexes`."""
        flags = bytearray(rows)
        for index in indexes:
            flags[index] = 1
        return cls.of_flags(flags)

    def __and__(self, other: "RowSet") -> "RowSet":
        return RowSet(self._mask & other._mask, self.rows)

    def __or__(self, other: "RowSet") -> "RowSet":
        return RowSet(self._mask | other._mask, self.rows)

    def __sub__(self, other: "RowSet") -> "RowSet":
        return RowSet(self._mask & ~other._mask, self.rows)

    def __bool__(self) -> bool:
        return self._mask != 0

    def __len__(self) -> int:
        return self._mask.bit_count()

    def __iter__(self) -> Iterator[int]:
        """Yield the indexes, ascending."""
        return compress(range(self.rows), self.flags())

    def flags(self) -> bytes:
        """Return one byte per row."""
        return self._mask.to_bytes(self.rows, "big")

    def first(self, most: int) -> "RowSet":
        """Return the set of its first `most` rows."""
        return self if len(self) <= most else RowSet.of_indexes(list(self)[:most], self.rows)

    def pick(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """Return the items, one per row of the table, whose row is in the set."""
        return tuple(compress(items, self.flags()))

    def chosen(self, inside: bytes, outside: bytes) -> bytes:
        """Return one byte per row: of `inside` for the rows in the set, of `outside` for the others."""
        taken = self._mask * 0xFF
        mixed = int.from_bytes(inside, "big") & taken | int.from_bytes(outside, "big") & ~taken
        return mixed.to_bytes(self.rows, "big")


def with_flags(codes: bytes, flags: Mapping[int, RowSet]) -> bytes:
    """Return `codes`, one byte per row, with each bit of `flags` set in the rows of its set."""
    bits = [rows._mask * bit for bit, rows in flags.items() if rows]
    return reduce(or_, bits, int.from_bytes(codes, "big")).to_bytes(len(codes), "big") if bits else codes


def counts(sets: Sequence[RowSet], rows: int) -> bytes:
    """Return in how many of the sets, 255 at most, each row is."""
    assert len(sets) <= 0xFF
    return sum(each._mask for each in sets).to_bytes(rows, "big")


def to_bits(flags: bytes) -> bytes:
    """Return a byte string of zeros and ones as bits, the first row in the highest."""
    return int(b"0" + flags.translate(_DIGITS), 2).to_bytes(-(-len(flags) // 8))


def from_bits(bits: bytes, rows: int) -> bytes:
    """Return the byte string of zeros and ones whose bits these are."""
    return f"{int.from_bytes(bits):0{rows}b}".encode().translate(_FLAGS) if rows else b""


def are_bits(bits: bytes, rows: int) -> bool:
    """Return whether these can be the bits of this many rows."""
    return len(bits) == -(-rows // 8) and int.from_bytes(bits) >> rows == 0
