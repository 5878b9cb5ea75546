"""The ledger's facts about each cell of a snapshot, as sets of rows: the half of planning that looks back."""

from array import array
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from math import inf
from operator import itemgetter

from reconciler.model.compact import RowIndex
from reconciler.model.history import CallState, PastCall, TableHistory
from reconciler.model.input_cells import UNKNOWN, WIDTH
from reconciler.model.manifest import Mode
from reconciler.model.observed import Column, TableSnapshot
from reconciler.model.row_set import RowSet
from reconciler.spending import evidence

NO_CONFIG, PRESENT_CONFIG, OTHER_CONFIG = 0, 1, 2
"""No purchase whose configuration is known; bought with the column's present configuration; with another one."""


class LedgerView:
    """One table's history laid over its snapshot: its checkpoint, and the calls that are not in it."""

    def __init__(
        self, history: TableHistory, snapshot: TableSnapshot, row_index: RowIndex, shows_within_seconds: float
    ) -> None:
        self._history = history
        self._checkpoint = history.checkpoint
        self.rows = len(snapshot.row_ids)
        """Number of rows."""
        self._nothing = RowSet.none(self.rows)
        self._row_index = row_index
        self._configs = {column.id: column.config_digest for column in snapshot.columns}
        self._in_doubt: dict[str, bytearray] = {}
        self._awaited: dict[str, bytearray] = {}
        self._unsettled: dict[str, bytearray] = {}
        self._at_revision: dict[tuple[str, str], bytearray] = {}
        self._bought: dict[str, array[int]] = {}
        self._tries: dict[tuple[Mode, str], array[int]] = {}
        self._ages: dict[str, array[float]] = {}
        self._configured: dict[str, bytes] = {}
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
        return RowSet.of_flags(self._revision_flags(column.id, revision))

    def exhausted(self, column: Column, mode: Mode, max_attempts: int) -> RowSet:
        """Rows bought `max_attempts` times or more by calls of `mode` with the column's present configuration."""
        if (mode, column.id) not in self._tries and not self._checkpoint.tries(column.id, mode, column.config_digest):
            return self._nothing  # no counters for a column that was never tried
        return RowSet.of_flags(bytes(count >= max_attempts for count in self._tries_of(mode, column.id)))

    def tried(self, column: Column, mode: Mode, revision: str | None) -> list[int]:
        """Rows that accepted calls of this mode and revision took with the column's present configuration, in order."""
        portions = [
            (portion.version, self._still_there(portion.rows))
            for portion in self._checkpoint.portions(column.id, mode, revision, column.config_digest)
        ]
        for call in self._history.accepted():
            is_same = call.mode is mode and call.revision == revision
            if is_same and call.configs.get(column.id) == column.config_digest:
                portions += [
                    (call.version, self._indexes(block.rows)) for block in call.covered if column.id in block.columns
                ]
        portions.sort(key=itemgetter(0))  # those of one call stay in their order
        return list(dict.fromkeys(chain.from_iterable(rows for _, rows in portions)))

    def times_bought(self, column: str, rows: list[int]) -> int:
        """How many accepted calls covered the cells, added up: it grows whenever one is bought (or was adopted)."""
        if column not in self._bought and not self._checkpoint.bought(column):
            return 0  # no counters for a column that was never bought
        bought = self._bought_of(column)
        return sum(bought[row] for row in rows)

    def ages(self, column: Column) -> "array[float]":
        """Seconds since the last accepted call for each row's cell began, in any mode; infinite if there is none.

        Kept only for the columns that are asked for, because it takes eight bytes per cell.
        """
        ages = self._ages.get(column.id)
        if ages is None:
            last, purchases = self._checkpoint.last(column.id)
            known = [inf, *(max(0.0, self._checkpoint.age_of(purchase.begun)) for purchase in purchases)]
            ages = array("d", [inf]) * self.rows
            for index, place in zip(self._positions, last, strict=False):
                if index >= 0:
                    ages[index] = known[place]
            for call in self._history.accepted():
                for block in call.covered:
                    if column.id in block.columns:
                        for index in self._indexes(block.rows):
                            if call.age_seconds < ages[index]:
                                ages[index] = call.age_seconds
            self._ages[column.id] = ages
        return ages

    def never_bought(self, column: Column) -> RowSet:
        """Rows whose cell no accepted call covered, so that its age is unknown."""
        return RowSet.of_flags(bytes(age == inf for age in self.ages(column)))

    def bought(self, column: Column) -> RowSet:
        """Rows whose cell an accepted call covered: those that are not `never_bought`, without working out ages."""
        if column.id not in self._bought and not self._checkpoint.bought(column.id):
            return RowSet.none(self.rows)
        return RowSet.of_flags(bytes(map(bool, self._bought_of(column.id))))

    def configured(self, column: Column) -> bytes:
        """Tell with which configuration each row's cell was last bought, one of the bytes above.

        Last by the order of the calls and not by their age: however a clock was set, what was just bought counts.
        Kept only for the columns that are asked for, as `ages` is.
        """
        found = self._configured.get(column.id)
        if found is None:
            kinds = bytearray(self.rows)
            versions = array("Q", bytes(8 * self.rows))
            latest, purchases = self._checkpoint.latest(column.id)
            known = [(NO_CONFIG, 0), *((_compared(each.config, column), each.version) for each in purchases)]
            for index, place in zip(self._positions if latest else (), latest, strict=False):
                if index >= 0:
                    kinds[index], versions[index] = known[place]
            for call in self._history.accepted():
                kind = _compared(call.configs.get(column.id), column)
                for block in call.covered:
                    if column.id in block.columns:
                        for index in self._indexes(block.rows):
                            if call.version >= versions[index]:
                                kinds[index], versions[index] = kind, call.version
            found = self._configured[column.id] = bytes(kinds)
        return found

    def inputs(self, column: Column) -> bytes:
        """Return for each row the digest of what its cell was made from when it was last bought, UNKNOWN without one.

        Last by the order of the calls, and kept only for the columns that are asked for, as `configured` is.
        """
        found = bytearray(WIDTH * self.rows)
        versions = array("Q", bytes(8 * self.rows))
        latest, purchases = self._checkpoint.latest(column.id)
        known, digests = [0, *(each.version for each in purchases)], self._checkpoint.inputs(column.id)
        for number, (index, place) in enumerate(zip(self._positions if latest else (), latest, strict=False)):
            if index >= 0:
                versions[index] = known[place]
                _put(found, index, digests, number)
        for call in self._history.accepted():
            for block in call.covered:
                if column.id in block.columns:
                    inputs = call.inputs_of(column.id, len(block.rows))
                    for number, row in enumerate(block.rows):
                        index = self._row_index.get(row, -1)
                        if index >= 0 and call.version >= versions[index]:
                            versions[index] = call.version
                            _put(found, index, inputs, number)
        return bytes(found)

    def in_configuration(self, column: Column, kind: int) -> RowSet:
        """Rows whose cell `configured` tells to be of a kind."""
        return RowSet.of_flags(self.configured(column).translate(bytes(byte == kind for byte in range(256))))

    def bought_within(self, column: Column, seconds: float) -> RowSet:
        """Rows for which an accepted call began less than `seconds` ago."""
        if not seconds:
            return RowSet.none(self.rows)
        return RowSet.of_flags(bytes(age < seconds for age in self.ages(column)))

    def _remember(self, call: PastCall) -> None:
        if call.mode is Mode.ALL and call.revision is not None:
            for block in call.covered:
                flags = [self._revision_flags(column, call.revision) for column in block.columns]
                for index in self._indexes(block.rows):
                    for flag in flags:
                        flag[index] = 1
        for block in call.covered:
            counters = [self._bought_of(column) for column in block.columns]
            if call.mode is not Mode.ALL:
                counters += [
                    self._tries_of(call.mode, column)
                    for column in block.columns
                    if column in self._configs and call.configs.get(column) == self._configs[column]
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

    # What the checkpoint holds is laid over the table when it is first asked for.

    @cached_property
    def _positions(self) -> list[int]:
        """The index of each row that the checkpoint lists; -1 for one that has gone."""
        return self._row_index.positions_of(self._checkpoint.rows)

    def _still_there(self, numbers: Sequence[int]) -> list[int]:
        positions = self._positions
        return [index for number in numbers if (index := positions[number]) >= 0]

    def _revision_flags(self, column: str, revision: str) -> bytearray:
        flags = self._at_revision.get((column, revision))
        if flags is None:
            flags = self._at_revision[column, revision] = bytearray(self.rows)
            for portion in self._checkpoint.at_revision(column, revision):
                for index in self._still_there(portion.rows):
                    flags[index] = 1
        return flags

    def _bought_of(self, column: str) -> "array[int]":
        if column not in self._bought:
            self._bought[column] = self._laid_over(self._checkpoint.bought(column))
        return self._bought[column]

    def _tries_of(self, mode: Mode, column: str) -> "array[int]":
        if (mode, column) not in self._tries:
            tries = self._checkpoint.tries(column, mode, self._configs[column])
            self._tries[mode, column] = self._laid_over(tries)
        return self._tries[mode, column]

    def _laid_over(self, counts: "array[int]") -> "array[int]":
        found = array("I", bytes(4 * self.rows))
        for index, count in zip(self._positions if counts else (), counts, strict=False):
            if index >= 0:
                found[index] = count
        return found

    def _set(self, flags: bytearray | None) -> RowSet:
        return self._nothing if flags is None else RowSet.of_flags(flags)


def _put(found: bytearray, index: int, digests: bytes, number: int) -> None:
    digest = digests[number * WIDTH : (number + 1) * WIDTH]
    found[index * WIDTH : (index + 1) * WIDTH] = digest if len(digest) == WIDTH else UNKNOWN


def _compared(config: str | None, column: Column) -> int:
    if config is None:
        return NO_CONFIG
    return PRESENT_CONFIG if config == column.config_digest else OTHER_CONFIG


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
