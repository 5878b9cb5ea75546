"""Compact sequences: row ids at 16 bytes each and value digests at 8, instead of 85 and 65 as Python strings.

Each behaves like a sequence of strings, so callers need not know.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self, overload

_MARK = "{}:{}".format
_DIGESTS, _ANSWERS = b"d", b"a"
"""How packed marks begin: with digests of values, or also with those of answers."""
_PLAIN = tuple(str(state) for state in range(256))


class Packed(Sequence[str]):
    """Strings, stored in `WIDTH` bytes each. Equal to any sequence of the same strings."""

    WIDTH: ClassVar[int]
    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        """`data` is the items' bytes, concatenated."""
        assert len(data) % self.WIDTH == 0
        self.data = data

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Pack strings."""
        return cls(bytes.fromhex("".join(texts).replace("-", "")))

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Return the items of all parts, in order."""
        return cls(b"".join(part.data for part in parts))

    def __len__(self) -> int:
        return len(self.data) // self.WIDTH

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> str | Self:
        if isinstance(index, int):
            at = range(len(self))[index] * self.WIDTH
            return self._text(self.data[at : at + self.WIDTH].hex())
        start, stop, step = index.indices(len(self))
        assert step == 1, "a slice is always contiguous"
        return type(self)(self.data[start * self.WIDTH : stop * self.WIDTH])

    def __iter__(self) -> Iterator[str]:
        digits, width = self.data.hex(), 2 * self.WIDTH
        return (self._text(digits[at : at + width]) for at in range(0, len(digits), width))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Packed):
            return type(self) is type(other) and self.data == other.data
        return isinstance(other, Sequence) and not isinstance(other, str) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def pick(self, positions: Iterable[int]) -> Self:
        """Return the items at these positions, in their order."""
        data, width = self.data, self.WIDTH
        return type(self)(b"".join([data[at * width : (at + 1) * width] for at in positions]))

    def each(self) -> Iterator[bytes]:
        """Yield the bytes of each item."""
        return (self.data[at : at + self.WIDTH] for at in range(0, len(self.data), self.WIDTH))

    @property
    def has_repeats(self) -> bool:
        """True if any item occurs twice."""
        return len(set(self.each())) != len(self)

    @staticmethod
    def _text(digits: str) -> str:
        return digits


class PackedIds(Packed):
    """Lower-case UUIDs in their usual 36 characters."""

    WIDTH = 16
    __slots__ = ()

    @classmethod
    def of_all(cls, texts: Sequence[str]) -> Self | None:
        """Pack texts if each of them is such an id."""
        try:
            packed = cls.of(texts)
        except (ValueError, AssertionError):
            return None
        return packed if len(packed) == len(texts) and all(map(str.__eq__, packed, texts)) else None

    @staticmethod
    def _text(digits: str) -> str:
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class PackedDigests(Packed):
    """Digests of 16 hex digits."""

    WIDTH = 8
    __slots__ = ()


class PackedAnswers(Packed):
    """Digests of answers alone, of 8 hex digits: two that differ look alike once in four billion times."""

    WIDTH = 4
    __slots__ = ()


def picked(items: Sequence[str], positions: Sequence[int]) -> Sequence[str]:
    """Return the items at these positions, packed if `items` is."""
    return items.pick(positions) if isinstance(items, Packed) else tuple(items[at] for at in positions)


def picked_bytes(data: bytes, positions: Iterable[int], width: int) -> bytes:
    """Return the items of `width` bytes at these positions, joined."""
    return b"".join([data[at * width : (at + 1) * width] for at in positions])


class CellMarks(Sequence[str]):
    """Marks of what cells showed (`spending/evidence.py`): `state`, `state:digest` or `state:digest:answer`.

    They take 1, 9 or 13 bytes each.
    """

    __slots__ = ("_answers", "_digests", "_states")

    def __init__(
        self, states: bytes, digests: Sequence[str] | None = None, answers: Sequence[str] | None = None
    ) -> None:
        """`answers` needs `digests`."""
        assert digests is None or len(digests) == len(states)
        assert answers is None or (digests is not None and len(answers) == len(states))
        self._states = states
        self._digests = digests
        self._answers = answers

    def __len__(self) -> int:
        return len(self._states)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "CellMarks": ...
    def __getitem__(self, index: int | slice) -> "str | CellMarks":
        if isinstance(index, slice):
            digests, answers = (None if each is None else each[index] for each in (self._digests, self._answers))
            return CellMarks(self._states[index], digests, answers)
        state = self._states[index]
        if self._digests is None:
            return _PLAIN[state]
        mark = _MARK(state, self._digests[index])
        return mark if self._answers is None else _MARK(mark, self._answers[index])

    def __iter__(self) -> Iterator[str]:
        if self._digests is None:
            return map(_PLAIN.__getitem__, self._states)
        marks = map(_MARK, self._states, self._digests)
        return marks if self._answers is None else map(_MARK, marks, self._answers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def pack(self) -> bytes | None:
        """Return the bytes that they take, behind one that says which; None without packed digests."""
        digests, answers = self._digests, self._answers
        if not isinstance(digests, PackedDigests):
            return None
        if answers is None:
            return _DIGESTS + self._states + digests.data
        return _ANSWERS + self._states + digests.data + answers.data if isinstance(answers, PackedAnswers) else None

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the marks that `pack` was called on. Raises ValueError."""
        kind, data = packed[:1], packed[1:]
        until_answers = 1 + PackedDigests.WIDTH
        width = until_answers + PackedAnswers.WIDTH * (kind == _ANSWERS)
        if kind not in (_DIGESTS, _ANSWERS) or len(data) % width:
            raise ValueError("marks are cut off, or written in an unknown way")
        count = len(data) // width
        digests, answers = data[count : count * until_answers], data[count * until_answers :]
        return cls(data[:count], PackedDigests(digests), PackedAnswers(answers) if kind == _ANSWERS else None)


class RowIndex(Mapping[str, int]):
    """Row id → its position in a table. Most plans never need it, so it is built on first use."""

    __slots__ = ("_ids", "_positions")

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._positions: dict[bytes, int] | None = None

    def __getitem__(self, row: str) -> int:
        position = self._known[self._key(row)]
        if self._ids[position] != row:  # the same id in another spelling is a different string
            raise KeyError(row)
        return position

    @property
    def _known(self) -> dict[bytes, int]:
        if self._positions is None:
            each = self._ids.each() if isinstance(self._ids, PackedIds) else map(str.encode, self._ids)
            self._positions = {id_: position for position, id_ in enumerate(each)}
        return self._positions

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def positions_of(self, rows: Sequence[str]) -> list[int]:
        """Return the position of each of many rows, -1 for one that the table does not have."""
        ids = rows if isinstance(rows, PackedIds) else PackedIds.of_all(rows)
        if ids is None or not isinstance(self._ids, PackedIds):
            return [self.get(row, -1) for row in rows]
        if ids.data == self._ids.data:
            return list(range(len(ids)))
        known = self._known
        return [known.get(id_, -1) for id_ in ids.each()]

    def _key(self, row: str) -> bytes:
        if not isinstance(self._ids, PackedIds):
            return row.encode()
        try:
            return bytes.fromhex(row.replace("-", ""))
        except ValueError:
            raise KeyError(row) from None
