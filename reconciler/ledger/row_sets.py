"""Which cells a call covers, in few bytes: its row ids at 16 bytes each, and its blocks as places among them.

A row set begins with a byte that says how the rest is written. Once a call is in a checkpoint, its rows are numbers in
the table's own list of row ids, which holds each of them once, however many calls name it.
"""

import json
import zlib
from collections.abc import Sequence
from typing import Any

from reconciler.model.compact import PackedIds, picked
from reconciler.model.history import Block
from reconciler.model.runs import numbers_of, pack_runs, runs_of, unpack_runs

_IDS, _TEXTS, _NUMBERS = b"i", b"t", b"n"
_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def pack_rows(rows: Sequence[str]) -> bytes:
    """Return row ids as bytes: 16 for one as the API spells them; any other text stays what it is."""
    if isinstance(rows, PackedIds):
        return _IDS + rows.data
    ids = PackedIds.of_all(rows)
    if ids is not None:
        return _IDS + ids.data
    return _TEXTS + zlib.compress(_JSON.encode(list(rows)).encode("ascii"))


def pack_numbers(numbers: Sequence[int]) -> bytes:
    """Return rows by their numbers in the table's list."""
    return _NUMBERS + pack_runs(runs_of(numbers))


def unpack_rows(packed: bytes, listed: Sequence[str] = ()) -> Sequence[str]:
    """Return the ids that `pack_rows` or, with the table's list, `pack_numbers` was given. Raises ValueError."""
    kind, rest = packed[:1], packed[1:]
    try:
        if kind == _IDS:
            return PackedIds(rest)
        if kind == _TEXTS:
            return tuple(json.loads(zlib.decompress(rest)))
        if kind == _NUMBERS:
            return picked(listed, numbers_of(unpack_runs(rest)))
    except (AssertionError, IndexError, zlib.error) as error:
        raise ValueError(f"its rows cannot be read: {error}") from error
    raise ValueError("its rows are written in an unknown way")


def blocks_to_places(blocks: Sequence[Block], columns: Sequence[str], rows: Sequence[str]) -> list[Any]:
    """Return blocks as places among a call's columns and rows; empty for one that is all of them, as most are."""
    whole = tuple(rows)
    if [(block.columns, block.rows) for block in blocks] == [(tuple(columns), whole)]:
        return []
    column_at = {column: at for at, column in enumerate(columns)}
    row_at = {row: at for at, row in enumerate(whole)}
    return [
        [
            [column_at[column] for column in block.columns],
            None if block.rows == whole else [list(run) for run in runs_of(row_at[row] for row in block.rows)],
        ]
        for block in blocks
    ]


def cells_by_column(places: Sequence[Any], columns: int, rows: int) -> tuple[int, ...]:
    """Return how many cells of each column are in places, as `blocks_to_places` returned them. Raises as bad data."""
    if not places:
        return (rows,) * columns
    counts = [0] * columns
    for of_columns, of_rows in places:
        cells = rows if of_rows is None else sum(length for _, length in of_rows)
        for at in of_columns:
            counts[at] += cells
    return tuple(counts)


def places_to_blocks(places: Sequence[Any], columns: Sequence[str], rows: tuple[str, ...]) -> tuple[Block, ...]:
    """Return the blocks that `blocks_to_places` was given. Raises ValueError, TypeError, LookupError."""
    if not places:
        return (Block(tuple(columns), rows),)
    return tuple(
        Block(
            tuple(columns[at] for at in of_columns),
            rows if of_rows is None else tuple(rows[at] for at in numbers_of((start, n) for start, n in of_rows)),
        )
        for of_columns, of_rows in places
    )
