"""What somebody approved: the cells that an apply may send, however much more has fallen due since (shrink-only)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler import masks
from reconciler.history import Block
from reconciler.manifest import Mode
from reconciler.plan import Call

Key = tuple[str, Mode, str | None, str]
"""Table id, mode, revision, column id."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Approved rows by table, mode, revision and column."""

    rows: Mapping[Key, frozenset[str]]
    age_seconds: float = 0.0
    """Since what it approves was looked at: a cell that was refreshed since is bought, however soon it gets stale."""

    @classmethod
    def of_calls(cls, calls: Iterable[Call], age_seconds: float = 0.0) -> "Approval":
        """Approve the due cells of `calls`; a cell that a rectangle only covered in passing was not approved."""
        return cls.of_blocks(
            ((call.table_id, call.mode, call.revision, block) for call in calls for block in call.covered), age_seconds
        )

    @classmethod
    def of_blocks(cls, blocks: Iterable[tuple[str, Mode, str | None, Block]], age_seconds: float = 0.0) -> "Approval":
        """Approve blocks of cells, each with its table id, mode and revision."""
        rows: dict[Key, set[str]] = {}
        for table_id, mode, revision, block in blocks:
            for column in block.columns:
                rows.setdefault((table_id, mode, revision, column), set()).update(block.rows)
        return cls({key: frozenset(found) for key, found in rows.items()}, age_seconds)

    def mask(self, key: Key, row_index: Mapping[str, int]) -> int:
        """Return the approved rows that the table still has."""
        known = (row_index.get(row) for row in self.rows.get(key, ()))
        return masks.of_indexes((index for index in known if index is not None), len(row_index))
