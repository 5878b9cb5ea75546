"""Numbers that mostly follow one another, in few bytes: a thousand in a row take three, not eight thousand."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeAlias

Run: TypeAlias = tuple[int, int]
"""The first of some consecutive numbers, and how many they are."""


def runs_of(numbers: Iterable[int]) -> Iterator[Run]:
    """Yield the runs of consecutive numbers, each as its first number and its length, in the order given."""
    start = stop = -1
    for number in numbers:
        if number != stop:
            if start != stop:
                yield start, stop - start
            start = number
        stop = number + 1
    if start != stop:
        yield start, stop - start


def numbers_of(runs: Iterable[Run], most: int | None = None) -> list[int]:
    """Return the numbers of runs, in their order. Raises ValueError where they are more than `most`.

    A few bytes from elsewhere can name more numbers than memory holds.
    """
    each = list(runs)
    if most is not None and sum(length for _, length in each) > most:
        raise ValueError(f"there are more than {most:,} of them")
    return list(chain.from_iterable(range(start, start + length) for start, length in each))


def merged(runs: Iterable[Run]) -> list[Run]:
    """Return runs of the same numbers, in ascending order and each number once."""
    found: list[Run] = []
    for start, length in sorted(runs):
        if found and start <= sum(found[-1]):
            first = found[-1][0]
            found[-1] = first, max(found[-1][1], start + length - first)
        else:
            found.append((start, length))
    return found


def pack_runs(runs: Iterable[Run]) -> bytes:
    """Return runs as bytes: for each, how far it starts from the end of the one before, and its length."""
    packed = bytearray()
    stop = 0
    for start, length in runs:
        ahead = start - stop
        # The lowest bit is the sign.
        _append(packed, ahead << 1 if ahead >= 0 else (-ahead << 1) - 1)
        _append(packed, length)
        stop = start + length
    return bytes(packed)


def unpack_runs(packed: bytes) -> Iterator[Run]:
    """Yield the runs that `pack_runs` was given. Raises ValueError for bytes that it did not make."""
    values = _values(packed)
    stop = 0
    for ahead, length in zip(values, values, strict=True):
        start = stop + (ahead >> 1 if not ahead & 1 else -((ahead + 1) >> 1))
        yield start, length
        stop = start + length


def _append(packed: bytearray, value: int) -> None:
    while value > 0x7F:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)


def _values(packed: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            yield value
            value = shift = 0
    if shift:
        raise ValueError("a number is cut off")
