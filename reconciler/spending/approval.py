"""What somebody approved: the cells that an apply may send, however much more has fallen due since (shrink-only)."""

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
    """Since what it approves was looked at: a cell that was refreshed since is bought, however soon it gets stale."""
    growing: frozenset[str] = frozenset()
    """Manifests of which more may be sent than is listed: what nobody could list when it was approved."""
    sent: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """Rows by table and column that were sent already: of what grows, too, nothing is sent a second time."""

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
        """Return what is left of it once `calls` were sent; a cell is approved once, whatever the mode."""
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
        """Return what is left of it by the ledger: a cell that was bought, or may have been, under it is not again.

        The histories have every provable ending in place: a call that did not land is in none of them.
        """
        return self.without(call for history in histories.values() for call in history.under(plan_id))

    def covers(self, call: Call | PastCall) -> bool:
        """Say whether any cell of `call` is listed in it."""
        return any(
            not self.rows.get((call.table_id, call.mode, call.revision, column), frozenset()).isdisjoint(block.rows)
            for block in call.covered
            for column in block.columns
        )

    def approved(self, key: Key, manifest: str, row_index: Mapping[str, int]) -> RowSet:
        """Return the rows of a manifest's table that are approved, and that the table still has."""
        if manifest in self.growing:
            gone = self.sent.get((key[0], key[3]), frozenset())
            return RowSet.every(len(row_index)) - self._positions(gone, row_index)
        return self._positions(self.rows.get(key, ()), row_index)

    @staticmethod
    def _positions(rows: Iterable[str], row_index: Mapping[str, int]) -> RowSet:
        known = (row_index.get(row) for row in rows)
        return RowSet.of_indexes((index for index in known if index is not None), len(row_index))
