"""A table's history in a snapshot: its calls, with rows by position, and its checkpoint, without machines' boots."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from struct import Struct as Packing
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from reconciler.model.checkpoint import Checkpoint
from reconciler.model.compact import PackedIds
from reconciler.model.history import Block, CallState, PastCall
from reconciler.model.manifest import Mode

MAX_COLUMNS = 2000
"""Of one table."""
_FOUR = Packing("<I")

Id: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?!\n)$")]
Digest: TypeAlias = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}(?!\n)$")]
Words: TypeAlias = Annotated[str, Meta(max_length=100_000)]


class _Block(Struct, array_like=True):
    columns: Annotated[list[Id], Meta(max_length=MAX_COLUMNS)]
    rows: bytes
    """Positions in the table's `ids`, four bytes each, little-endian."""


class PackedCall(Struct, array_like=True):
    """A call as a snapshot holds it."""

    id: Annotated[str, Meta(max_length=100)]
    mode: Mode
    revision: Annotated[str, Meta(max_length=100)] | None
    state: CallState
    attempt: Annotated[int, Meta(ge=1, le=2**31)]
    settled: bool
    covered: list[_Block]
    configs: dict[Id, Digest]
    age_seconds: Annotated[float, Meta(ge=0, le=1e12)]
    address: Words
    credits: Annotated[str, Meta(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?(?!\n)$")] | None
    has_shown: bool = False
    version: Annotated[int, Meta(ge=0, le=2**53)] = 0


def packed_call(call: PastCall, index: Mapping[str, int]) -> PackedCall:
    """Return a call; `index` has the position of each row."""
    return PackedCall(
        id=call.id,
        mode=call.mode,
        revision=call.revision,
        state=call.state,
        attempt=call.attempt,
        settled=call.settled,
        covered=[
            _Block(list(block.columns), packed_positions(index[row] for row in block.rows)) for block in call.covered
        ],
        configs=dict(call.configs),
        age_seconds=call.age_seconds,
        address=call.address,
        credits=None if call.credits is None else f"{call.credits:f}",
        has_shown=call.has_shown,
        version=call.version,
    )


def packed_positions(numbers: Iterable[int]) -> bytes:
    """Return positions as bytes."""
    return b"".join(map(_FOUR.pack, numbers))


def unpacked_call(call: PackedCall, table: str, ids: Sequence[str]) -> PastCall:
    """Return a call of a table with these row ids. Raises ValueError."""
    if call.state not in (CallState.ACCEPTED, CallState.INTENT, CallState.IN_DOUBT):
        raise ValueError("a call contradicts itself")
    return PastCall(
        id=call.id,
        table_id=table,
        mode=call.mode,
        revision=call.revision,
        state=call.state,
        attempt=call.attempt,
        settled=call.settled,
        covered=tuple(Block(tuple(block.columns), _rows(block.rows, ids)) for block in call.covered),
        configs=call.configs,
        before={},
        age_seconds=call.age_seconds,
        address=call.address,
        credits=None if call.credits is None else Decimal(call.credits),
        version=call.version,
        has_shown=call.has_shown,
    )


def _rows(packed: bytes, ids: Sequence[str]) -> tuple[str, ...]:
    if len(packed) % 4:
        raise ValueError("a call is cut off")
    numbers = [number for (number,) in _FOUR.iter_unpack(packed)]
    if max(numbers, default=0) >= len(ids) and numbers:
        raise ValueError("a call is for rows that are not listed")
    return tuple(ids[number] for number in numbers)


def packed_checkpoint(checkpoint: Checkpoint, recalled_at: float) -> bytes:
    """Return what the folded calls amount to; empty without any."""
    return checkpoint.dated(recalled_at).pack() if checkpoint.parts else b""


def unpacked_checkpoint(packed: bytes, listed: bytes, ids: Sequence[str], recalled_at: float) -> Checkpoint:
    """Return a checkpoint that lists the rows `listed` of `ids`. Raises ValueError."""
    if not packed:
        return Checkpoint()
    rows = PackedIds.of(_rows(listed, ids))
    checkpoint = Checkpoint.unpack(packed, rows, lambda begun: recalled_at - begun.begun_at)
    checkpoint.check()
    return checkpoint
