"""Live tables and their history ↔ a file, so that a plan can be made without a token or a ledger.

A file is a header, one line of JSON, followed by compressed MessagePack. It holds what planning needs and nothing else:
ids, keys, names, states, counts, digests of column configurations, one bit per row for each condition of the manifests,
the cells that the ledger's calls covered, and for budgets the sums spent of late by table and label; no values, no
digests of values, no prompts, no people's names. Facts that need live values (which rows meet a condition, whether a
call in doubt landed, whether an accepted one has shown) were judged when it was taken.

The signature (HMAC-SHA256) proves to a holder of the key that another holder wrote exactly this file. Without the key
it proves nothing. Money does not depend on it: an apply never reads a snapshot.
"""

import hmac
import json
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from itertools import chain
from typing import Annotated, Any, NoReturn, TypeAlias

import msgspec
from msgspec import Meta, Struct

from reconciler.documents.snapshot_history import (
    MAX_COLUMNS,
    Digest,
    Id,
    PackedCall,
    Words,
    packed_call,
    packed_checkpoint,
    packed_positions,
    unpacked_call,
    unpacked_checkpoint,
)
from reconciler.errors import SettingsError
from reconciler.model import row_set
from reconciler.model.budget import RecentSums, Spent
from reconciler.model.compact import PackedIds
from reconciler.model.history import TableHistory
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.observed import INPUT_KIND, CellState, Column, TableIndex, TableSnapshot
from reconciler.text.codes import Code
from reconciler.text.digest import PREFIX, canonical_json
from reconciler.text.sanitize import one_line

FORMAT = "reconciler live snapshot"
FORMAT_VERSION = "1.0"
SIGNED = "hmac-sha256:"
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_BYTES = 128 * 1024 * 1024
"""Of the decompressed content; a table of 2 million cells takes about 4 MB."""
MAX_HEADER_BYTES = 4096

_DOMAIN = b"extruct-reconciler live snapshot v1\n"
_HIGHEST_STATE = max(CellState)
_MILLION = Decimal(1_000_000)

_Key: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}(?!\n)$")]
_Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
_Quarter: TypeAlias = tuple[_Count, int, int, int]
"""Which since the epoch, cells, millionths of a credit, cells of unknown price."""


class _Header(Struct):
    format: str
    format_version: Annotated[str, Meta(pattern=r"^1\.[0-9]{1,6}(?!\n)$")]
    taken_at: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z(?!\n)$")]
    tool_version: Annotated[str, Meta(max_length=100)]
    base_url: Annotated[str, Meta(max_length=1000)]
    tables: _Count
    cells: _Count
    digest: Digest
    signature: Annotated[str, Meta(pattern=r"^hmac-sha256:[0-9a-f]{64}(?!\n)$")] | None


class _Column(Struct, array_like=True):
    id: Id
    key: Words
    name: Words
    kind: Words
    upstream: Annotated[list[Id], Meta(max_length=MAX_COLUMNS)]
    config_digest: Digest
    implied: Annotated[list[Id], Meta(max_length=MAX_COLUMNS)] = []
    is_built_in: bool = False
    max_results: _Count | None = None


_COLUMN = _Column.__struct_fields__
"""All of them are fields of `Column` too."""


class _Table(Struct, array_like=True):
    id: Id
    name: Words
    kind: Words
    run_status: Words
    header_in_progress: _Count
    columns: Annotated[list[_Column], Meta(max_length=MAX_COLUMNS)]
    rows: _Count
    ids: bytes
    """Sixteen bytes each: the rows, then deleted rows that calls covered."""
    missing_inputs: bytes
    states: Annotated[list[bytes], Meta(max_length=MAX_COLUMNS)]
    """By output column, in the order of `columns`."""
    version: _Count
    calls: list[PackedCall]
    matches: dict[_Key, bytes] = {}
    """By `condition.key`, one bit per row, the first row in the highest bit: 1 if it meets the condition."""
    recalled_at: Annotated[float, Meta(ge=0, le=1e11)] | None = None
    """As `TableHistory.recalled_at`; None, in files from before there were calendars, means when it was taken."""
    ledger_id: Annotated[str, Meta(max_length=100)] = ""
    checkpoint: bytes = b""
    listed: bytes = b""
    """With a checkpoint: the numbers in `ids` of the rows that it lists."""


class _Index(Struct, array_like=True):
    names: dict[Id, Words] | None
    tags: dict[Words, list[Id]]
    children: dict[Id, list[Id]]


class _Sums(Struct, array_like=True):
    """The sums spent of late: by table and by label, quarter of an hour by quarter."""

    at: Annotated[float, Meta(ge=0, le=1e11)]
    tables: dict[Id, list[_Quarter]]
    scopes: dict[Words, list[_Quarter]]


class _Content(Struct, array_like=True):
    tables: list[_Table]
    unreadable: dict[Id, tuple[Words, Words]]
    index: _Index | None = None
    sums: _Sums | None = None


# msgspec prepares a type on first use, and two threads doing so at once crash the interpreter.
_PREPARED = [msgspec.msgpack.Decoder(shape) for shape in (_Header, _Content)]


def encode(live: LiveSnapshot, key: bytes | None) -> bytes:
    """Return the file's content, signed if there is a key. Raises SettingsError if a reader would find it too large."""
    tables = [_packed(live.snapshots[id_], live.histories[id_]) for id_ in sorted(live.snapshots)]
    sums = None if live.sums is None else _packed_sums(live.sums)
    unreadable = dict(sorted(live.unreadable.items()))
    payload = msgspec.msgpack.encode(_Content(tables, unreadable, _packed_index(live.index), sums))
    packed = zlib.compress(payload, 6)
    if max(len(payload), _flags_of(tables)) > MAX_BYTES or len(packed) > MAX_FILE_BYTES - MAX_HEADER_BYTES:
        hint = "Take one snapshot for each part of the manifests."
        raise SettingsError(
            f"the snapshot would be larger than the {MAX_BYTES // 1024**2} MiB a reader accepts",
            hint=hint,
            code=Code.UNUSABLE_FILE,
        )
    header: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "taken_at": live.taken_at,
        "tool_version": live.tool_version,
        "base_url": live.base_url,
        "tables": len(tables),
        "cells": sum(len(states) for table in tables for states in table.states),
    }
    header["digest"] = _digest(header, packed)
    header["signature"] = None if key is None else _signature(header["digest"], key)
    return json.dumps(header, ensure_ascii=True).encode() + b"\n" + packed


def decode(data: bytes, key: bytes | None) -> LiveSnapshot:
    """Return the content of a file. With a key, a file that is not signed with it is refused.

    Raises SettingsError if it is not a snapshot, was changed, or holds something that no live table can show.
    """
    line, newline, packed = data[: MAX_HEADER_BYTES + 1].partition(b"\n")
    if not newline or len(data) > MAX_FILE_BYTES:
        _refuse("it is too large" if newline else "it is not a snapshot")
    packed = data[len(line) + 1 :]
    header, taken_at = _checked_header(line, packed, key)
    content = _content(packed)
    if _flags_of(content.tables) > MAX_BYTES:
        _refuse(f"it holds more than {MAX_BYTES // 1024**2} MiB")
    snapshots, histories = {}, {}
    for table in content.tables:
        if table.id in snapshots or table.id in content.unreadable:
            _refuse(f"it holds table {table.id} twice")
        snapshots[table.id], histories[table.id] = _unpacked(table, taken_at)
    return LiveSnapshot(
        taken_at=header.taken_at,
        tool_version=header.tool_version,
        base_url=header.base_url,
        snapshots=snapshots,
        histories=histories,
        unreadable=content.unreadable,
        digest=header.digest,
        verified=key is not None,
        sums=None if content.sums is None else _unpacked_sums(content.sums),
        index=None if content.index is None else _unpacked_index(content.index),
    )


def _checked_header(line: bytes, packed: bytes, key: bytes | None) -> tuple[_Header, float]:
    """Return the header, which vouches for the rest, and when the snapshot was taken, in seconds since the epoch."""
    try:
        told = json.loads(line)
        header = msgspec.convert(told, _Header)
        taken_at = datetime.fromisoformat(header.taken_at).timestamp()
    except (ValueError, RecursionError):  # msgspec's and json's errors are both ValueErrors
        _refuse("its first line is not that of a snapshot this version reads")
    if header.format != FORMAT:
        _refuse("it is not a snapshot")
    signed = {name: value for name, value in told.items() if name not in ("digest", "signature")}
    if not hmac.compare_digest(_digest(signed, packed), header.digest):
        _refuse("it was changed after it was written")
    if key is not None:
        if header.signature is None:
            _refuse("it is not signed, and RECONCILER_SNAPSHOT_KEY is set")
        if not hmac.compare_digest(_signature(header.digest, key), header.signature):
            _refuse("its signature is not that of RECONCILER_SNAPSHOT_KEY")
    return header, taken_at


def _flags_of(tables: Iterable[_Table]) -> int:
    """Return how many bytes the bits of `matches` expand to."""
    return sum(len(table.matches) * table.rows for table in tables)


def _refuse(why: str) -> NoReturn:
    raise SettingsError(
        f"the snapshot cannot be used: {why}",
        hint="Take a new one with `reconciler snapshot`.",
        code=Code.UNUSABLE_FILE,
    )


def _digest(header: Mapping[str, Any], packed: bytes) -> str:
    return PREFIX + sha256(canonical_json(header) + b"\n" + packed).hexdigest()


def _signature(digest: str, key: bytes) -> str:
    return SIGNED + hmac.new(key, _DOMAIN + digest.encode(), sha256).hexdigest()


def _content(packed: bytes) -> _Content:
    """Decompress no more than `MAX_BYTES`, and decode into types."""
    try:
        unpacking = zlib.decompressobj()
        payload = unpacking.decompress(packed, MAX_BYTES + 1)
        if len(payload) > MAX_BYTES:
            _refuse(f"it holds more than {MAX_BYTES // 1024**2} MiB")
        if not unpacking.eof or unpacking.unused_data:
            _refuse("its content is cut off, or more follows it")
        return msgspec.msgpack.decode(payload, type=_Content)
    except (zlib.error, msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        _refuse(f"its content has an unknown shape ({one_line(str(error))})")


def _packed(snapshot: TableSnapshot, history: TableHistory) -> _Table:
    covered = (row for call in history.calls for block in call.covered for row in block.rows)
    checkpoint = history.checkpoint
    every = chain(snapshot.row_ids, covered, checkpoint.rows)
    index = {row: number for number, row in enumerate(dict.fromkeys(every))}
    return _Table(
        id=snapshot.id,
        name=snapshot.name,
        kind=snapshot.kind,
        run_status=snapshot.run_status,
        header_in_progress=snapshot.header_in_progress,
        columns=[_Column(*(getattr(each, name) for name in _COLUMN)) for each in snapshot.columns],
        rows=len(snapshot.row_ids),
        ids=PackedIds.of(index).data,
        missing_inputs=snapshot.missing_inputs,
        states=[snapshot.states[column.id] for column in snapshot.columns if not column.is_input],
        version=history.version,
        calls=[packed_call(call, index) for call in history.calls],
        matches={name: row_set.to_bits(flags) for name, flags in sorted(snapshot.matches.items())},
        recalled_at=history.recalled_at,
        ledger_id=history.ledger_id,
        checkpoint=packed_checkpoint(checkpoint, history.recalled_at),
        listed=packed_positions(index[row] for row in checkpoint.rows),
    )


def _packed_sums(sums: RecentSums) -> _Sums:
    tables, scopes = (
        {
            name: [
                (quarter, of.cells, int(of.credits * _MILLION), of.unpriced_cells) for quarter, of in sorted(quarters)
            ]
            for name, quarters in sorted(each.items())
        }
        for each in (sums.tables, sums.scopes)
    )
    return _Sums(sums.at, tables, scopes)


def _unpacked_sums(sums: _Sums) -> RecentSums:
    tables, scopes = (
        {
            name: [(quarter, Spent(cells, credits_ / _MILLION, more)) for quarter, cells, credits_, more in quarters]
            for name, quarters in each.items()
        }
        for each in (sums.tables, sums.scopes)
    )
    return RecentSums(sums.at, tables, scopes)


def _packed_index(index: TableIndex | None) -> _Index | None:
    if index is None:
        return None
    names = None if index.names is None else dict(sorted(index.names.items()))
    tags, children = ({key: list(ids) for key, ids in sorted(of.items())} for of in (index.tags, index.children))
    return _Index(names, tags, children)


def _unpacked_index(index: _Index) -> TableIndex:
    tags, children = (
        {key: tuple(dict.fromkeys(ids)) for key, ids in of.items()} for of in (index.tags, index.children)
    )
    return TableIndex(index.names, tags, children)


def _unpacked(table: _Table, taken_at: float) -> tuple[TableSnapshot, TableHistory]:
    """Return a table and its history. Refuses content that has the right types but fits no table."""
    if len(table.ids) % PackedIds.WIDTH:
        _refuse(f"table {table.id} has row ids that are cut off")
    ids = PackedIds(table.ids)
    outputs = [column for column in table.columns if column.kind != INPUT_KIND]
    fits = (
        table.rows <= len(ids)
        and not ids.has_repeats
        and len(table.missing_inputs) == table.rows
        and not table.missing_inputs.strip(b"\0\1")
        and len(table.states) == len(outputs)
        and all(len(states) == table.rows and max(states, default=0) <= _HIGHEST_STATE for states in table.states)
        and len({column.id for column in table.columns}) == len(table.columns)
        and all(row_set.are_bits(bits, table.rows) for bits in table.matches.values())
    )
    if not fits:
        _refuse(f"table {table.id} contradicts itself")
    snapshot = TableSnapshot(
        id=table.id,
        name=table.name,
        kind=table.kind,
        run_status=table.run_status,
        header_in_progress=table.header_in_progress,
        columns=tuple(msgspec.convert(each, Column, from_attributes=True) for each in table.columns),
        row_ids=PackedIds(table.ids[: table.rows * PackedIds.WIDTH]),
        missing_inputs=table.missing_inputs,
        states={column.id: states for column, states in zip(outputs, table.states, strict=True)},
        matches={name: row_set.from_bits(bits, table.rows) for name, bits in table.matches.items()},
    )
    known = tuple(ids)
    recalled_at = taken_at if table.recalled_at is None else table.recalled_at
    try:
        calls = tuple(unpacked_call(call, table.id, known) for call in table.calls)
        checkpoint = unpacked_checkpoint(table.checkpoint, table.listed, known, recalled_at)
    except ValueError as error:
        _refuse(f"the history of table {table.id} is not what it should be: {one_line(str(error))}")
    return snapshot, TableHistory(table.id, table.version, calls, recalled_at, table.ledger_id, checkpoint)
