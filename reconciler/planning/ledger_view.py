"""The ledger's facts about each cell of a snapshot, as sets of rows: the half of planning that looks back."""

from array import array
from collections.abc import Mapping
from math import inf

from reconciler.model.history import CallState, PastCall, TableHistory
from reconciler.model.manifest import Mode
from reconciler.model.observed import Column, TableSnapshot
from reconciler.model.row_set import RowSet
from reconciler.spending import evidence


class LedgerView:
    """One table's history laid over its snapshot."""

    def __init__(
        self, history: TableHistory, snapshot: TableSnapshot, row_index: Mapping[str, int], shows_within_seconds: float
    ) -> None:
        self._history = history
        self.rows = len(snapshot.row_ids)
        """Number of rows."""
        self._row_index = row_index
        self._configs = {column.id: column.config_digest for column in snapshot.columns}
        self._in_doubt: dict[str, bytearray] = {}
        self._awaited: dict[str, bytearray] = {}
        self._unsettled: dict[str, bytearray] = {}
        self._at_revision: dict[tuple[str, str], bytearray] = {}
        self._bought: dict[str, array[int]] = {}
        self._tries: dict[tuple[Mode, str], array[int]] = {}
        self._ages: dict[str, array[float]] = {}
        for call in history.calls:
            if call.is_open:
                self._flag(call, self._in_doubt)
            elif call.state is CallState.ACCEPTED:
                self._remember(call)
                if not call.settled:
                    self._flag(call, self._unsettled)
                if _is_awaited(call, snapshot, row_index, shows_within_seconds):
                    self._flag(call, self._awaited)

    def in_doubt(self, column: Column) -> RowSet:
        """Rows in which a call that covered the column may have been paid for."""
        return self._set(self._in_doubt.get(column.id))

    @property
    def is_awaiting(self) -> bool:
        """True if an accepted call has not shown in the table yet."""
        return bool(self._awaited)

    def awaited(self, column: Column) -> RowSet:
        """Rows covered by a recently accepted call that none of its cells shows yet."""
        return self._set(self._awaited.get(column.id))

    def unsettled(self, column: Column) -> RowSet:
        """Rows covered by an accepted call whose cells have not been counted on an idle table yet."""
        return self._set(self._unsettled.get(column.id))

    def at_revision(self, column: Column, revision: str) -> RowSet:
        """Rows bought by an accepted `all` call at `revision`."""
        return self._set(self._at_revision.get((column.id, revision)))

    def exhausted(self, column: Column, mode: Mode, max_attempts: int) -> RowSet:
        """Rows bought `max_attempts` times or more by calls of `mode` with the column's current configuration."""
        tries = self._tries.get((mode, column.id))
        if tries is None:
            return RowSet.none(self.rows)
        return RowSet.of_flags(bytes(count >= max_attempts for count in tries))

    def tried(self, column: Column, mode: Mode, revision: str | None) -> list[int]:
        """Rows covered by accepted calls of this mode and revision with the current column configuration, in order."""
        rows: dict[int, None] = {}
        for call in self._history.accepted():
            is_same = call.mode is mode and call.revision == revision
            if is_same and call.configs.get(column.id) == column.config_digest:
                for block in call.covered:
                    if column.id in block.columns:
                        rows.update(dict.fromkeys(self._indexes(block.rows)))
        return list(rows)

    def times_bought(self, column: str, rows: list[int]) -> int:
        """The number of accepted calls that covered each cell, summed; it grows whenever one is bought or adopted."""
        bought = self._bought.get(column)
        return sum(bought[row] for row in rows) if bought is not None else 0

    def ages(self, column: Column) -> "array[float]":
        """Seconds since the last accepted call for each row's cell began, in any mode; infinite if there is none.

        Kept only for the columns that are asked for, because it takes eight bytes per cell.
        """
        ages = self._ages.get(column.id)
        if ages is None:
            ages = self._ages[column.id] = array("d", [inf]) * self.rows
            for call in self._history.accepted():
                for block in call.covered:
                    if column.id in block.columns:
                        for index in self._indexes(block.rows):
                            if call.age_seconds < ages[index]:
                                ages[index] = call.age_seconds
        return ages

    def never_bought(self, column: Column) -> RowSet:
        """Rows whose cell no accepted call covered, so that its age is unknown."""
        return RowSet.of_flags(bytes(age == inf for age in self.ages(column)))

    def bought_within(self, column: Column, seconds: float) -> RowSet:
        """Rows for which an accepted call began less than `seconds` ago."""
        if not seconds:
            return RowSet.none(self.rows)
        return RowSet.of_flags(bytes(age < seconds for age in self.ages(column)))

    def _remember(self, call: PastCall) -> None:
        if call.mode is Mode.ALL and call.revision is not None:
            for block in call.covered:
                flags = [
                    self._at_revision.setdefault((column, call.revision), bytearray(self.rows))
                    for column in block.columns
                ]
                for index in self._indexes(block.rows):
                    for flag in flags:
                        flag[index] = 1
        for block in call.covered:
            counters = [self._bought.setdefault(column, self._zeros()) for column in block.columns]
            if call.mode is not Mode.ALL:
                counters += [
                    self._tries.setdefault((call.mode, column), self._zeros())
                    for column in block.columns
                    if call.configs.get(column) == self._configs.get(column)
                ]
            for index in self._indexes(block.rows):
                for counter in counters:
                    counter[index] += 1

    def _flag(self, call: PastCall, flags: dict[str, bytearray]) -> None:
        for block in call.covered:
            for column in block.columns:
                marked = flags.setdefault(column, bytearray(self.rows))
                for index in self._indexes(block.rows):
                    marked[index] = 1

    def _indexes(self, rows: tuple[str, ...]) -> list[int]:
        """Indexes of the rows that still exist."""
        known = map(self._row_index.get, rows)
        return [index for index in known if index is not None]

    def _zeros(self) -> "array[int]":
        return array("I", bytes(4 * self.rows))

    def _set(self, flags: bytearray | None) -> RowSet:
        return RowSet.none(self.rows) if flags is None else RowSet.of_flags(flags)


def _is_awaited(
    call: PastCall, snapshot: TableSnapshot, row_index: Mapping[str, int], shows_within_seconds: float
) -> bool:
    """Return True while an accepted call has yet to show: planning its cells again would buy them twice.

    It may take a while even on an idle table. Cells that failed again look exactly like cells that have not begun, so
    they are awaited just as long.
    """
    if call.settled or call.has_shown or call.age_seconds >= shows_within_seconds:
        return False
    return not evidence.sign_of_landing(call, snapshot, row_index)
