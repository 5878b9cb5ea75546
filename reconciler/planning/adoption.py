"""The cells that an adoption takes over: done cells that the ledger does not hold at the revision yet.

A team that ran its tables by hand has paid for those cells already. Once they are in the ledger as satisfied at a
revision, a run of mode `all` at that revision buys only the rest, and nothing twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import TypeAlias

from reconciler.model.compact import RowIndex
from reconciler.model.history import Block, TableHistory
from reconciler.model.manifest import Mode
from reconciler.model.observed import Column, TableSnapshot
from reconciler.model.plan import Call, Reason
from reconciler.model.row_set import RowSet
from reconciler.planning.cell_decision import DONE_STATES
from reconciler.planning.ledger_view import LedgerView
from reconciler.text.digest import short_digest

MOST_CELLS = 10_000
"""Cells per record, so that a table of any size is taken over in records that every store can handle."""
MOST_ROWS = 1_000
"""Rows per record."""

_Portion: TypeAlias = tuple[tuple[str, ...], tuple[Block, ...]]
"""Rows with cells to take over, and those cells."""


def records(snapshot: TableSnapshot, history: TableHistory, revision: str, address: str) -> tuple[Call, ...]:
    """Return the ledger's records for the cells of `snapshot` that are done and not yet satisfied at `revision`.

    Empty if there is nothing to take over; the same table and ledger give the same records. `address` is the
    `manifest/run` that will use the revision; it is for people to read.
    """
    ledger = LedgerView(history, snapshot, RowIndex(snapshot.row_ids), shows_within_seconds=0.0)
    columns = [column for column in snapshot.columns if not column.is_input]
    taken = {
        column.id: RowSet.of_flags(snapshot.states[column.id].translate(DONE_STATES))
        - ledger.at_revision(column, revision)
        for column in columns
    }
    return tuple(
        _record(snapshot.id, rows, covered, columns, revision, address)
        for rows, covered in _portions(snapshot.row_ids, taken)
    )


def left(snapshot: TableSnapshot) -> int:
    """Return how many cells are not done: those a run of mode `all` without `columns` still buys after the adoption."""
    columns = (snapshot.states[column.id] for column in snapshot.columns if column.is_meant_by_silence)
    return sum(len(states) - sum(states.translate(DONE_STATES)) for states in columns)


def _portions(row_ids: Sequence[str], taken: Mapping[str, RowSet]) -> Iterator[_Portion]:
    """Split the cells to take over into portions of rows; in each, columns with equal rows share a block."""
    flags = {column: rows.flags() for column, rows in taken.items() if rows}
    size = max(1, min(MOST_ROWS, MOST_CELLS // max(1, len(flags))))
    for start in range(0, len(row_ids), size):
        by_rows: dict[bytes, list[str]] = {}
        for column, flagged in flags.items():
            here = flagged[start : start + size]
            if any(here):
                by_rows.setdefault(here, []).append(column)
        if by_rows:
            columns_of = {RowSet.of_flags(here): tuple(columns) for here, columns in by_rows.items()}
            rows = row_ids[start : start + size]
            blocks = tuple(Block(columns, here.pick(rows)) for here, columns in columns_of.items())
            yield reduce(or_, columns_of).pick(rows), blocks


def _record(
    table_id: str,
    rows: tuple[str, ...],
    covered: tuple[Block, ...],
    columns: list[Column],
    revision: str,
    address: str,
) -> Call:
    wanted = {column for block in covered for column in block.columns}
    chosen = [column for column in columns if column.id in wanted]
    work = {
        "adopted": table_id,
        "revision": revision,
        "cells": [[block.columns, block.rows] for block in covered],
    }
    return Call(
        id=short_digest(work),
        address=address,
        table_id=table_id,
        mode=Mode.ALL,
        revision=revision,
        columns=tuple(column.id for column in chosen),
        column_keys=tuple(column.key for column in chosen),
        rows=rows,
        cells=sum(block.cells for block in covered),
        credits=Decimal(0),
        reason=Reason.ADOPTED,
        covered=covered,
        configs={column.id: column.config_digest for column in chosen},
    )
