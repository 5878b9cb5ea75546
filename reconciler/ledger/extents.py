"""Which cells a call covers, in the store and out of it: its shape has the columns, its row set the rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from sqlalchemy import ColumnElement, Exists, Row, bindparam, exists, func, insert, select

from reconciler.ledger import row_sets
from reconciler.ledger.codec import Values, encode
from reconciler.ledger.prepared import Prepared
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import call_rows, calls, shapes
from reconciler.model.history import Block
from reconciler.model.plan import Call
from reconciler.text.digest import short_digest

SHAPE = (shapes.c.columns, shapes.c.column_keys, shapes.c.configs)
WITH_SHAPES = calls.outerjoin(shapes, (shapes.c.table_id == calls.c.table_id) & (shapes.c.id == calls.c.shape))
"""To select from, if a call's columns are needed."""
WITH_ROWS = WITH_SHAPES.outerjoin(call_rows, call_rows.c.call_id == calls.c.id)
"""To select from, if its rows are needed too."""
ROWS = (
    func.coalesce(calls.c.row_set, call_rows.c.row_set).label("row_set"),
    func.coalesce(call_rows.c.before, "{}").label("before"),
)
EVERYTHING = (*(column for column in calls.c if column.name != "row_set"), *SHAPE, *ROWS)
"""All that there is of a call."""
PAST = (
    *(calls.c.id, calls.c.table_id, calls.c.table_version, calls.c.mode, calls.c.revision, calls.c.state),
    *(calls.c.attempt, calls.c.settled_at, calls.c.covered, *SHAPE, *ROWS),
    *(calls.c.begun_at, calls.c.boot, calls.c.booted_at),
    *(calls.c.address, calls.c.credits, calls.c.actor, calls.c.plan_id),
)
"""The columns that `codec.past_call` reads."""


def shape_is_kept(table_id: ColumnElement[str]) -> Exists:
    """Return the condition that a table has the shape `of_shape`."""
    return exists().where(shapes.c.table_id == table_id, shapes.c.id == bindparam("of_shape"))


_IS_THERE = Prepared(select(shape_is_kept(bindparam("of_table")).label("has_shape")))
_ADD = Prepared(insert(shapes))


@dataclass(frozen=True, slots=True)
class Extent:
    """The columns and rows of a call, and which of its cells were due."""

    columns: Sequence[str]
    column_keys: Sequence[str]
    configs: Mapping[str, str]
    rows: Sequence[str]
    covered: Sequence[Block]

    @classmethod
    def of_call(cls, call: Call) -> Self:
        """Return a planned call's."""
        return cls(call.columns, call.column_keys, call.configs, call.rows, call.covered)

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Self:
        """Return what an export says, in which a block without `rows` has all of them. Raises as bad data does."""
        if len(document["columns"]) != len(document["column_keys"]):
            raise ValueError("each of its columns has a key")
        rows = tuple(document["rows"])
        blocks = tuple(
            Block(tuple(block["columns"]), tuple(block["rows"]) if "rows" in block else rows)
            for block in document["covered"]
        )
        return cls(document["columns"], document["column_keys"], document["configs"], rows, blocks)

    @classmethod
    def of_row(cls, row: Row[Any], listed: Sequence[str] = ()) -> Self:
        """Return what is stored; `listed` are the table's row ids. Raises as bad data does."""
        rows = tuple(row_sets.unpack_rows(row.row_set, listed))
        columns = json.loads(row.columns)
        blocks = row_sets.places_to_blocks(json.loads(row.covered), columns, rows)
        return cls(columns, json.loads(row.column_keys), json.loads(row.configs), rows, blocks)

    def document(self) -> dict[str, Any]:
        """Return it as an export says it."""
        rows = tuple(self.rows)
        return {
            "columns": list(self.columns),
            "column_keys": list(self.column_keys),
            "rows": list(rows),
            "covered": [
                {"columns": list(block.columns)} | ({} if block.rows == rows else {"rows": list(block.rows)})
                for block in self.covered
            ],
            "configs": dict(self.configs),
        }

    def values(self) -> Values:
        """Return the columns of `calls` that hold it. Raises LookupError if a block is not one of its cells."""
        places = row_sets.blocks_to_places(self.covered, self.columns, self.rows)
        return {"shape": self.shape_id, "covered": encode(places)}

    def rows_values(self, marks: str) -> Values:
        """Return the columns of `call_rows` that hold its rows and the marks of its cells."""
        return {"row_set": row_sets.pack_rows(self.rows), "before": marks}

    @property
    def shape_id(self) -> str:
        """The shape's name among those of its table."""
        return _shape_id(tuple(self.columns), tuple(self.column_keys), tuple(self.configs.items()))

    def keep_shape(self, tx: Transaction, table_id: str) -> None:
        """Store the shape if it is not there yet; the table's row must be locked, unless no other process can write."""
        if not _IS_THERE.first(tx, {"of_table": table_id, "of_shape": self.shape_id}).has_shape:
            shape = {"columns": self.columns, "column_keys": self.column_keys, "configs": dict(self.configs)}
            encoded = {name: encode(value) for name, value in shape.items()}
            _ADD.run(tx, {"table_id": table_id, "id": self.shape_id} | encoded)


@lru_cache
def _shape_id(columns: tuple[str, ...], column_keys: tuple[str, ...], configs: tuple[tuple[str, str], ...]) -> str:
    return short_digest([list(columns), list(column_keys), list(configs)])
