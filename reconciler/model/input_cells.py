"""Inputs of cells: a cell is made from the cells of its row that its column reads; of those, digests are kept.

A column reads its `upstream`: input columns, and output columns whose cells come first. Only their answers count, as
explanations and sources reach no prompt that is known. What else the service may read (a parent table's row, the web)
is not looked at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.model.observed import Column

WIDTH = 4
"""Bytes of a digest; two inputs that differ look alike once in four billion times."""
UNKNOWN = bytes(WIDTH)
"""In place of a digest: the inputs were not looked at, or the column has none."""


@dataclass(frozen=True, slots=True)
class AskedInputs:
    """Cells whose inputs are digested while their table is read."""

    columns: frozenset[str] | None = None
    """Column ids; None for every output column."""
    rows: frozenset[str] | None = None
    """Row ids; None for all rows."""


@dataclass(frozen=True, slots=True)
class InputCells:
    """Columns that read the same cells of a row."""

    columns: tuple[str, ...]
    """Their ids."""
    read: tuple[tuple[str, str], ...]
    """Id and key of each column that they read."""
    rows: frozenset[bytes] | None
    """The bytes of row ids (`PackedIds.each`); None for all rows."""


def input_cells(asked: Iterable[AskedInputs], columns: Sequence[Column]) -> tuple[InputCells, ...]:
    """Return what has to be read for what is asked; columns without inputs are left out."""
    keys = {column.id: column.key for column in columns}
    found: dict[tuple[str, ...], tuple[list[str], set[str] | None]] = {}
    for each in asked:
        for column in columns:
            if column.is_input or not column.upstream or not (each.columns is None or column.id in each.columns):
                continue
            ids, rows = found.setdefault(column.upstream, ([], set()))
            if column.id not in ids:
                ids.append(column.id)
            both = None if rows is None or each.rows is None else rows | each.rows
            found[column.upstream] = ids, both
    return tuple(
        InputCells(
            tuple(ids),
            tuple((id_, keys[id_]) for id_ in upstream),
            None if rows is None else frozenset(bytes.fromhex(row.replace("-", "")) for row in rows),
        )
        for upstream, (ids, rows) in found.items()
    )
