"""The sum of a table's settled calls, cell by cell: all that planning needs of them once they cannot change.

Rows are numbers in the table's own list of row ids. What is kept stands in parts, by name, packed: a plan unpacks what
it asks for, and a checkpoint of two years is as large as one of a month. `folding.py` makes one from another.
"""

import json
import struct
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import isfinite
from typing import Any, Self, TypeAlias

from reconciler.model.compact import PackedIds, RowIndex
from reconciler.model.input_cells import WIDTH
from reconciler.model.manifest import Mode
from reconciler.model.runs import Run, numbers_of, runs_of, unpack_runs

Name: TypeAlias = tuple[str | None, ...]
_SIZE = struct.Struct(">I")
_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

VERSIONS: Name = ("versions",)
INPUTS = "inputs"
"""The parts with digests of what cells were made from (`model/input_cells.py`)."""
_MOST_VERSIONS = 2**63
_MOST_BYTES = 64 * 1024 * 1024
"""Of one part: a few bytes from elsewhere must not become more than memory holds."""


@dataclass(frozen=True, slots=True)
class Begun:
    """When a call's last attempt began, as the ledger keeps a time: beside the boot of the machine it was on."""

    begun_at: float
    """Seconds since the epoch by the store's clock."""
    boot: str | None = None
    booted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Purchase:
    """The last call that bought a cell."""

    begun: Begun
    config: str | None
    """The column's `config_digest` at the time."""
    version: int = 0
    """`PastCall.version`; 0 in checkpoints from before it was kept."""


@dataclass(frozen=True, slots=True)
class Portion:
    """The rows that one call was the first to try with a column's configuration, in their order."""

    version: int
    """`PastCall.version`."""
    rows: Sequence[int]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The sum of folded calls. Raises ValueError where its parts are not what `folding.fold` made."""

    rows: Sequence[str] = ()
    """The table's row ids, each at its number; more than the folded calls name, perhaps."""
    parts: Mapping[Name, bytes] = field(default_factory=dict)
    age_of: Callable[[Begun], float] = field(default=lambda _: 0.0, compare=False)
    """Seconds since a call began, when the ledger was recalled; negative if its clock was set back since."""

    def holds(self, version: int) -> bool:
        """Say whether the call with this version is one of those folded."""
        return any(start <= version < start + length for start, length in self.versions())

    def versions(self) -> list[Run]:
        """Return the folded calls' versions, as runs."""
        return list(unpack_runs(self.parts.get(VERSIONS, b"")))

    def bought(self, column: str) -> "array[int]":
        """How often accepted calls covered each row's cell; rows beyond its end: never."""
        return self._counts(("bought", column))

    def tries(self, column: str, mode: Mode, config: str) -> "array[int]":
        """As `bought`, by calls of a mode with a configuration of the column."""
        return self._counts(("tries", column, mode.value, config))

    def last(self, column: str) -> tuple["array[int]", list[Purchase]]:
        """Return the last purchases of a column's cells, and for each row 1 + the place of its own, 0 for none."""
        return self._counts(("last", column)), self._purchases(column)

    def latest(self, column: str) -> tuple["array[int]", list[Purchase]]:
        """As `last`, by the order in which the calls began: a store's clock that was set back does not change that."""
        differs = ("latest", column) in self.parts
        return self._counts(("latest" if differs else "last", column)), self._purchases(column)

    def inputs(self, column: str) -> bytes:
        """Return for each row a digest of what its cell was made from when it was last bought; rows beyond: UNKNOWN."""
        packed = self.parts.get((INPUTS, column))
        return b"" if packed is None else _inflated(packed)

    def without_inputs(self) -> Self:
        """Return it without digests of values, for whom they are not meant."""
        return replace(self, parts={name: part for name, part in self.parts.items() if name[0] != INPUTS})

    def _purchases(self, column: str) -> list[Purchase]:
        entries = unpack_values(self.parts[name]) if (name := ("purchases", column)) in self.parts else ()
        return [Purchase(Begun(at, boot, booted_at), *rest) for at, boot, booted_at, *rest in entries]

    def portions(self, column: str, mode: Mode, revision: str | None, config: str | None) -> Iterator[Portion]:
        """Yield which rows calls of a mode, a revision and a configuration were the first to try."""
        packed = self.parts.get(("portions", column, mode.value, revision, config))
        if packed is not None:
            for version, *flat in unpack_values(packed):
                yield Portion(version, numbers_of(zip(flat[::2], flat[1::2], strict=True), len(self.rows)))

    def at_revision(self, column: str, revision: str) -> Iterator[Portion]:
        """Yield the rows that were bought by calls of mode `all` at a revision, whatever the configuration."""
        for kind, *rest in self.parts:
            if kind == "portions" and rest[:3] == [column, Mode.ALL.value, revision]:
                yield from self.portions(column, Mode.ALL, revision, rest[3])

    def listing(self, rows: Iterable[str]) -> Self:
        """Return it with those of `rows` behind its own that it does not list yet."""
        index = RowIndex(self.rows)
        new = [row for row in dict.fromkeys(rows) if row not in index]
        ids = PackedIds.of_all(new)
        if ids is not None and (isinstance(self.rows, PackedIds) or not self.rows):
            listed: Sequence[str] = PackedIds.joined([PackedIds.of(self.rows), ids])
        else:
            listed = (*self.rows, *new)
        return replace(self, rows=listed) if new else self

    def _counts(self, name: Name) -> "array[int]":
        packed = self.parts.get(name)
        return array("I") if packed is None else unpack_counts(packed)

    def check(self) -> None:
        """Raise ValueError unless every part is one that can be asked for: it comes from elsewhere."""
        try:
            self.versions()
            for kind, *rest in self.parts:
                match kind, rest:
                    case "bought" | "tries", _:
                        self._check_rows(len(self._counts((kind, *rest))))
                    case "last" | "latest" | "purchases", [str(column)]:
                        self._check_purchases(*self.last(column))
                        self._check_purchases(*self.latest(column))
                    case "inputs", [str(column)]:
                        self._check_rows(-(-len(self.inputs(column)) // WIDTH))
                    case "portions", [str(column), str(mode), revision, config]:
                        for portion in self.portions(column, Mode(mode), revision, config):
                            if not 0 <= portion.version < _MOST_VERSIONS:
                                raise ValueError("a call in it has no place among the others")
                            self._check_rows(max(portion.rows, default=-1) + 1, min(portion.rows, default=0))
                    case _:
                        if (kind, *rest) != VERSIONS:
                            raise ValueError("it has a part of an unknown kind")
        except (TypeError, OverflowError, MemoryError, RecursionError) as error:
            raise ValueError(f"a part is not what it should be: {error}") from error

    def _check_purchases(self, places: "array[int]", purchases: Sequence[Purchase]) -> None:
        self._check_rows(len(places))
        if max(places, default=0) > len(purchases) or not all(map(_is_sound, purchases)):
            raise ValueError("a purchase is not what it should be")

    def _check_rows(self, stop: int, start: int = 0) -> None:
        if start < 0 or stop > len(self.rows):
            raise ValueError("it counts rows that it does not list")

    def dated(self, now: float) -> Self:
        """Return it with every time as one clock tells it that says `now`: without the boots of machines."""
        parts = dict(self.parts)
        for name in self.parts:
            if name[0] == "purchases" and name[1] is not None:
                parts[name] = pack_values(
                    [
                        [self._told(each.begun, now), None, None, each.config, each.version]
                        for each in self._purchases(name[1])
                    ]
                )
        return replace(self, parts=parts, age_of=lambda begun: now - begun.begun_at)

    def _told(self, begun: Begun, now: float) -> float:
        return begun.begun_at if begun.boot is None else now - self.age_of(begun)

    def pack(self) -> bytes:
        """Return the parts as bytes, without the rows."""
        names = [[len(part), *name] for name, part in self.parts.items()]
        head = zlib.compress(_JSON.encode(names).encode("ascii"))
        content = b"".join((_SIZE.pack(len(head)), head, *self.parts.values()))
        return _SIZE.pack(zlib.crc32(content)) + content

    @classmethod
    def unpack(cls, packed: bytes, rows: Sequence[str], age_of: Callable[[Begun], float]) -> Self:
        """Return what `pack` was called on. Raises ValueError."""
        try:
            checksum, size = _SIZE.unpack_from(packed)[0], _SIZE.unpack_from(packed, _SIZE.size)[0]
            if checksum != zlib.crc32(packed[_SIZE.size :]):
                raise ValueError("it is not as it was written")
            at = 2 * _SIZE.size + size
            parts: dict[Name, bytes] = {}
            for length, *name in unpack_values(packed[2 * _SIZE.size : at]):
                parts[tuple(name)] = packed[at : at + length]
                at += length
        except (struct.error, zlib.error, TypeError) as error:
            raise ValueError(f"it is not a checkpoint: {error}") from error
        return cls(rows, parts, age_of)


def _is_sound(purchase: Purchase) -> bool:
    begun = purchase.begun
    booted_at = 0.0 if begun.booted_at is None else begun.booted_at
    is_dated = isfinite(begun.begun_at) and isfinite(booted_at)
    return is_dated and isinstance(purchase.config, str | None) and 0 <= purchase.version < _MOST_VERSIONS


def pack_counts(counts: "array[int]") -> bytes:
    """Return counts as bytes, the same on every machine."""
    return zlib.compress(struct.pack(f"<{len(counts)}I", *counts))


def unpack_counts(packed: bytes) -> "array[int]":
    """Return the counts that `pack_counts` was given. Raises ValueError."""
    data = _inflated(packed)
    if len(data) % 4:
        raise ValueError("a count is cut off")
    return array("I", struct.unpack(f"<{len(data) // 4}I", data))


def pack_bytes(data: bytes) -> bytes:
    """Return bytes as a part."""
    return zlib.compress(data)


def pack_values(values: Sequence[Any]) -> bytes:
    """Return JSON values as bytes."""
    return zlib.compress(_JSON.encode(values).encode("ascii"))


def unpack_values(packed: bytes) -> Any:
    """Return the values that `pack_values` was given. Raises ValueError."""
    return json.loads(_inflated(packed))


def pack_portions(portions: Sequence[Portion]) -> bytes:
    """Return portions as bytes."""
    return pack_values([[each.version, *chain.from_iterable(runs_of(each.rows))] for each in portions])


def _inflated(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(packed, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("a part is cut off, or more follows it")
    return data
