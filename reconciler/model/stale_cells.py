"""Answers that an earlier configuration of their column gave: what buying them again would cost."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.credits import Credits


@dataclass(frozen=True, slots=True)
class StaleCells:
    """Done cells of a run, last bought with another configuration of their column; nothing buys them again unasked."""

    address: str
    """`manifest/run`."""
    table_id: str
    columns: Mapping[str, int]
    """Column key → its number of such cells."""
    cost: Credits
    """The cost of buying them again."""
    table_name: str = ""
    """As `Call.table_name`."""

    @property
    def cells(self) -> int:
        """The number of cells in all columns."""
        return sum(self.columns.values())
