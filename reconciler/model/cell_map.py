"""The cells of a table with what was decided about each, for a picture of a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CellMap:
    """The cells of a table that were looked at; what is due stands in the plan's calls."""

    table_id: str
    columns: Mapping[str, str]
    """Column id → key, of the columns in the scope of a run, in the table's order."""
    rows: Sequence[str]
    """Row ids, in the table's order, of the rows that were read."""
    verdicts: Mapping[str, Mapping[str, bytes]]
    """Column id → address of a run → one `Decision` byte per row; 0 if a call takes the cell, or the run leaves it
    out."""
