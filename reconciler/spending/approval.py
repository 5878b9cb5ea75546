"""An approval: the cells that an apply may send, however much more has fallen due since (shrink-only)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model.history import Block, PastCall, TableHistory
from reconciler.model.manifest import Mode
from reconciler.model.plan import Call
from reconciler.model.row_set import RowSet

Key = tuple[str, Mode, str | None, str]
"""Table id, mode, revision, column id."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Approved rows by table, mode, revision and column."""

    rows: Mapping[Key, frozenset[str]]
    age_seconds: float = 0.0
    """Since the approved tables were read: a cell refreshed after that counts as bought, however soon it is stale."""
    growing: frozenset[str] = frozenset()
    """Manifests that may send more than is listed: their cells did not exist yet when the plan was approved."""
    sent: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """Rows by table and column that were already sent: growing manifests, too, send nothing a second time."""

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

    def without(self, calls: Iterable[Call | PastCall]) -> "Approval":
        """Return the rest of it once `calls` were sent; a cell is approved once, whatever the mode."""
        sent = {key: set(rows) for key, rows in self.sent.items()}
        for call in calls:
            for block in call.covered:
                for column in block.columns:
                    sent.setdefault((call.table_id, column), set()).update(block.rows)
        left = {key: rows - sent.get((key[0], key[3]), set()) for key, rows in self.rows.items()}
        return replace(
            self,
            rows={key: rows for key, rows in left.items() if rows},
            sent={key: frozenset(rows) for key, rows in sent.items()},
        )

    def used_up(self, histories: Mapping[str, TableHistory], plan_id: str) -> "Approval":
        """Return the rest of it according to the ledger: without cells that were, or may have been, bought under it.

        The histories have every provable ending in place: they contain no call that did not land.
        """
        return self.without(call for history in histories.values() for call in history.under(plan_id))

    def covers(self, call: Call | PastCall) -> bool:
        """Return True if it lists any cell of `call`."""
        return any(
            not self.rows.get((call.table_id, call.mode, call.revision, column), frozenset()).isdisjoint(block.rows)
            for block in call.covered
            for column in block.columns
        )

    def approved(self, key: Key, manifest: str, row_index: Mapping[str, int]) -> RowSet:
        """Return the approved rows of a manifest's table that the table still has."""
        if manifest in self.growing:
            gone = self.sent.get((key[0], key[3]), frozenset())
            return RowSet.every(len(row_index)) - self._positions(gone, row_index)
        return self._positions(self.rows.get(key, ()), row_index)

    @staticmethod
    def _positions(rows: Iterable[str], row_index: Mapping[str, int]) -> RowSet:
        known = (row_index.get(row) for row in rows)
        return RowSet.of_indexes((index for index in known if index is not None), len(row_index))
