"""Which cells are due, cell by cell and as plainly as it can be said: what the planner is compared with.

Nothing of the planner's own machinery is used here: no masks, no tables of bytes, no order of columns.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.model.condition import AllOf, AnyOf, CellTest, Condition, Not
from reconciler.model.expectation import Expectation
from reconciler.model.history import CallState, PastCall, TableHistory
from reconciler.model.manifest import Calendar, CalendarDates, Manifest, MaxAge, Mode, Run
from reconciler.model.observed import CellState, Column, TableSnapshot
from tests.planning.random_worlds import DATES, answered

Cell = tuple[str, str]
"""Column id, row id."""
DONE = (CellState.DONE, CellState.DONE_WITHOUT_VALUE)


@dataclass(frozen=True)
class Wish:
    """A run, and the cells it is about."""

    address: str
    run: Run
    cells: frozenset[Cell]


@dataclass
class Oracle:
    """What ought to be planned for one table."""

    table: TableSnapshot
    history: TableHistory
    manifests: Iterable[Manifest]
    shows_within_seconds: float
    approved: Collection[tuple[Mode, str | None, Cell]] | None = None
    """None: whatever is due."""
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Column id → what each row's cell holds; None: nothing."""
    dates: Mapping[Calendar, CalendarDates] = field(default_factory=lambda: DATES)
    """Where the calendars stand when the ledger is recalled."""
    wishes: list[Wish] = field(init=False)
    """`all` first, for it takes precedence; else manifests by name, runs as they stand in them."""
    taken: dict[Cell, str] = field(init=False)
    """Due cell → address of the run that takes it."""

    def __post_init__(self) -> None:
        self._columns = {column.id: column for column in self.table.columns}
        self._row = {row: number for number, row in enumerate(self.table.row_ids)}
        wishes = [
            Wish(f"{manifest.name}/{run.name}", run, frozenset(self._scope(run)))
            for manifest in sorted(self.manifests, key=lambda manifest: manifest.name)
            for run in manifest.runs
        ]
        self.wishes = sorted(wishes, key=lambda wish: wish.run.mode is not Mode.ALL)
        self.taken = {}
        while True:  # what is due upstream unblocks what is downstream, until nothing more falls due
            taken = self._take()
            if taken == self.taken:
                break
            self.taken = taken

    def _scope(self, run: Run) -> Iterable[Cell]:
        named = None if run.columns is None else {name.text for name in run.columns}
        rows = list(self.table.row_ids) if run.rows is None else {name.text for name in run.rows}
        if run.selection is not None:
            where, limit = run.selection.where, run.selection.limit
            rows = [row for row in rows if where is None or self.meets(where, row)][:limit]
        for column in self.table.columns:
            if not column.is_input and (named is None or column.id in named or column.key in named):
                yield from ((column.id, row) for row in rows)

    def meets(self, condition: Condition, row: str) -> bool:
        """Say whether a row is one that a condition asks for."""
        match condition:
            case Not(part):
                return not self.meets(part, row)
            case AllOf(parts):
                return all(self.meets(part, row) for part in parts)
            case AnyOf(parts):
                return any(self.meets(part, row) for part in parts)
            case CellTest():
                (column,) = (c.id for c in self.table.columns if condition.column in (c.id, c.key))
                return _holds(condition, self.values[column][self._row[row]])

    def _take(self) -> dict[Cell, str]:
        taken: dict[Cell, str] = {}
        for wish in self.wishes:
            for cell in wish.cells:
                is_approved = self.approved is None or (wish.run.mode, wish.run.revision, cell) in self.approved
                if cell not in taken and is_approved and self.reason(wish.run, cell) == "due":
                    taken[cell] = wish.address
        return taken

    def state(self, cell: Cell) -> CellState:
        """Return what the cell shows; one that is pending, and under way by no call of ours, is as good as empty."""
        state = CellState(self.table.states[cell[0]][self._row[cell[1]]])
        if state is CellState.PENDING_IDLE:
            return CellState.EMPTY
        is_ours = any(not call.settled for call in self._accepted(cell))
        return CellState.EMPTY if state is CellState.PENDING and not self.table.is_finished and not is_ours else state

    def reason(self, run: Run, cell: Cell) -> str:
        """Say why the cell is not due in `run`, or `due`."""
        state = self.state(cell)
        # Where it is already what the run wants, nothing else matters.
        is_at_revision = run.mode is Mode.ALL and run.refresh is None and not run.follows_config
        if is_at_revision and self._was_run_at(cell, run.revision):
            return "satisfied"
        if run.follows_config and self.last_config(cell) == self._columns[cell[0]].config_digest:
            return "satisfied"
        if run.refresh is not None and self.is_fresh(run, cell):
            return "satisfied"
        if run.mode is not Mode.ALL and state in DONE:
            return "done"
        if run.mode is Mode.FAILED and state is CellState.EMPTY:
            return "satisfied"
        # What may be happening to it right now.
        if self.is_in_doubt(cell):
            return "in_doubt"
        if state in (CellState.IN_PROGRESS, CellState.PENDING) or self._is_awaited(cell):
            return "in_progress"
        if state is CellState.UNKNOWN:
            return "unknown_status"
        # What the run may do about it.
        if run.mode is Mode.NEW and state is CellState.FAILED:
            return "failed"
        if run.mode is Mode.NEW and self._tries(run.mode, cell) >= run.max_attempts:
            return "not_started" if self.table.is_finished else "in_progress"
        if run.mode is Mode.FAILED and self._tries(run.mode, cell) >= run.max_attempts:
            return "attempts_exhausted"
        if run.refresh is not None and state is not CellState.EMPTY and not self._accepted(cell):
            return "age_unknown"
        if run.follows_config and state is not CellState.EMPTY and self.last_config(cell) is None:
            return "age_unknown"
        # What the API could do about it.
        if self.misses_inputs(cell):
            return "missing_inputs"
        if self.is_blocked(cell):
            return "blocked"
        if run.rollout is not None and any(
            self._is_awaited((cell[0], row)) for row in self.portion(run, cell[0])[: run.rollout.first]
        ):
            return "waiting"
        if self.is_held_back(run):
            return "held_back"
        return "due"

    def portion(self, run: Run, column: str) -> list[str]:
        """Return the rows of a run's first portion that were tried already, in order."""
        rows: list[str] = []
        for call in self.history.calls:
            is_same = call.mode is run.mode and call.revision == run.revision and call.state is CallState.ACCEPTED
            if is_same and call.configs.get(column) == self._columns[column].config_digest:
                rows += [row for of, row in _ordered(call) if of == column and row in self._row and row not in rows]
        named = run.rows and {name.text for name in run.rows}
        return [row for row in rows if named is None or row in named]

    def is_held_back(self, run: Run) -> bool:
        """Say whether more of the complete first portions failed than may."""
        if run.rollout is None:
            return False
        columns = {column for column, _ in self._scope(replace(run, rows=None, selection=None))}
        tried = [
            (column, row)
            for column in columns
            if len(rows := self.portion(run, column)) >= run.rollout.first
            for row in rows[: run.rollout.first]
        ]
        failed = sum(self.state(cell) is CellState.FAILED for cell in tried)
        if run.rollout.max_failed is not None and failed > run.rollout.max_failed * len(tried):
            return True
        return run.rollout.expect is not None and bool(self.breached(run.rollout.expect, tried))

    def breached(self, expect: Expectation, cells: Iterable[Cell]) -> list[tuple[str, int, int]]:
        """Return the keys of an `expect` that the answers of cells breach, with how many answers do, of how many."""
        told = [answered(self.table, self.values, column)[self._row[row]] for column, row in cells]
        answers = [each for each in told if each is not None]
        found = []
        empty = sum(answer in (None, "") and not isinstance(answer, list) for answer, _ in answers)
        if expect.max_empty is not None and empty > expect.max_empty * len(answers):
            found.append(("max_empty", empty, len(answers)))
        for pattern, share in expect.max_match:
            matching = sum(isinstance(answer, str) and re.search(pattern, answer) is not None for answer, _ in answers)
            if matching > share * len(answers):
                found.append(("max_match", matching, len(answers)))
        if expect.min_sources is not None:
            poor = sum(answer not in (None, "") and sources < expect.min_sources for answer, sources in answers)
            if poor:
                found.append(("min_sources", poor, len(answers)))
        return found

    def misses_inputs(self, cell: Cell) -> bool:
        """Say whether the row lacks inputs."""
        return bool(self.table.missing_inputs[self._row[cell[1]]])

    def is_blocked(self, cell: Cell) -> bool:
        """Say whether an upstream cell is neither done nor part of the plan."""
        column, row = cell
        return any(
            upstream in self.table.states
            and self.state((upstream, row)) not in DONE
            and (upstream, row) not in self.taken
            for upstream in self._columns[column].upstream
        )

    def is_in_doubt(self, cell: Cell) -> bool:
        """Say whether a call that covered the cell may have been paid for and nobody knows."""
        return any(
            call.state in (CallState.INTENT, CallState.IN_DOUBT) and cell in _cells(call) for call in self.history.calls
        )

    def _accepted(self, cell: Cell) -> list[PastCall]:
        return [call for call in self.history.calls if call.state is CallState.ACCEPTED and cell in _cells(call)]

    def last_config(self, cell: Cell) -> str | None:
        """Return the configuration with which the cell was last bought; None if it was not, or that is unknown."""
        calls = self._accepted(cell)
        return calls[-1].configs.get(cell[0]) if calls else None

    def stale(self) -> dict[str, Counter[str]]:
        """Return how many done cells of each run, by column, another configuration gave, each in the first run."""
        return self._done_cells(lambda cell: self.last_config(cell) not in (None, self._columns[cell[0]].config_digest))

    def with_other_inputs(self) -> dict[str, Counter[str]]:
        """Return the same of cells that the present configuration gave, from other inputs than the row has now."""

        def is_one(cell: Cell) -> bool:
            column, row = cell
            now = self.table.inputs.get(column, b"")[4 * self._row[row] :][:4]
            then = b""
            for call in self._accepted(cell):
                (block,) = (block for block in call.covered if column in block.columns)
                then = call.inputs.get(column, b"")[4 * block.rows.index(row) :][:4]
            is_known = bool(now.strip(b"\0") and then.strip(b"\0"))
            return is_known and now != then and self.last_config(cell) == self._columns[column].config_digest

        return self._done_cells(is_one)

    def _done_cells(self, is_one: Callable[[Cell], bool]) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        counted = set(self.taken)
        for wish in self.wishes:
            for cell in wish.cells - counted:
                if self.table.states[cell[0]][self._row[cell[1]]] in DONE and is_one(cell):
                    counted.add(cell)
                    found.setdefault(wish.address, Counter())[self._columns[cell[0]].key] += 1
        return found

    def _was_run_at(self, cell: Cell, revision: str | None) -> bool:
        return any(call.mode is Mode.ALL and call.revision == revision for call in self._accepted(cell))

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.history.recalled_at, UTC)

    def _last_run(self, cell: Cell) -> datetime | None:
        moments = [self._now - timedelta(seconds=call.age_seconds) for call in self._accepted(cell)]
        return max(moments, default=None)

    def was_bought_within(self, cell: Cell, seconds: float) -> bool:
        """Say whether a call for the cell began less than so long ago and was accepted."""
        return any(call.age_seconds < seconds for call in self._accepted(cell))

    def is_fresh(self, run: Run, cell: Cell) -> bool:
        """Say whether the cell's last accepted call is not too old for a `refresh`."""
        last_run = self._last_run(cell)
        if last_run is None:
            return False
        if isinstance(run.refresh, MaxAge):
            return self._now < last_run + timedelta(seconds=run.refresh.seconds)
        assert run.refresh is not None
        date = self.dates[run.refresh].last
        return date is None or date <= last_run

    def next_due(self, wish: Wish) -> datetime | None:
        """Return when the first cell of a run falls due that is fresh now."""
        moments = []
        for cell in wish.cells:
            last_run = self._last_run(cell)
            if wish.run.refresh is None or last_run is None or not self.is_fresh(wish.run, cell):
                continue
            if isinstance(wish.run.refresh, MaxAge):
                moments.append(last_run + timedelta(seconds=wish.run.refresh.seconds))
            elif (following := self.dates[wish.run.refresh].next) is not None:
                moments.append(following)
        return min(moments, default=None)

    def _tries(self, mode: Mode, cell: Cell) -> int:
        present = self._columns[cell[0]].config_digest
        return sum(call.mode is mode and call.configs.get(cell[0]) == present for call in self._accepted(cell))

    def _is_awaited(self, cell: Cell) -> bool:
        return any(
            not call.settled and call.age_seconds < self.shows_within_seconds and not self.has_begun(call)
            for call in self._accepted(cell)
        )

    def has_begun(self, call: PastCall) -> bool:
        """Say whether any cell of the call is in progress, or holds another status or value than before it.

        One that was empty and is pending may be waiting for another call of the table, or for none.
        """
        for block in call.covered:
            for column in block.columns:
                for row, before in zip(block.rows, call.before[column], strict=True):
                    if column not in self.table.states or row not in self._row:
                        continue
                    state_before, _, value_before = before.partition(":")
                    state = CellState(self.table.states[column][self._row[row]])
                    if state is CellState.PENDING and int(state_before) in (CellState.EMPTY, CellState.PENDING_IDLE):
                        continue
                    if state is CellState.IN_PROGRESS or state != int(state_before):
                        return True
                    values = self.table.digests.get(column)
                    if value_before and values is not None and values[self._row[row]] != value_before:
                        return True
        return False

    def skips(self) -> Counter[tuple[str, str]]:
        """Return how many cells of each run no run takes, by address and reason."""
        counts: Counter[tuple[str, str]] = Counter()
        for wish in self.wishes:
            for cell in wish.cells:
                reason = self.reason(wish.run, cell)
                if self.taken.get(cell) == wish.address and not self.table.is_finished:
                    counts[wish.address, "waiting_for_table"] += 1
                elif cell not in self.taken and reason != "due":  # due and not taken: it was not approved
                    counts[wish.address, reason] += 1
        return counts

    def may_be_covered(self, run: Run, cell: Cell) -> bool:
        """Say whether a call may cover a cell that is not due in it: harmless under every reading of the API."""
        if cell in self.taken or self.is_in_doubt(cell) or self._is_awaited(cell):
            return False
        state = self.state(cell)
        if state is CellState.DONE:
            return run.mode in (Mode.NEW, Mode.FAILED)
        if state is CellState.EMPTY and run.mode is Mode.FAILED:
            return not self.misses_inputs(cell) and not self.is_blocked(cell)
        return False

    def column(self, column: str) -> Column:
        """Return the column of that id."""
        return self._columns[column]


def _ordered(call: PastCall) -> list[Cell]:
    return [(column, row) for block in call.covered for column in block.columns for row in block.rows]


def _holds(test: CellTest, value: Any) -> bool:
    """Ask one value one thing."""
    wanted: Any = test.operand
    if test.operator == "missing":
        return value is None
    if value is None or test.operator == "exists":
        return value is not None
    if test.operator in ("equals", "in"):
        choices = wanted if isinstance(wanted, tuple) else [wanted]
        return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in choices)
    if test.operator == "matches":
        return isinstance(value, str) and re.search(wanted, value) is not None
    is_date = isinstance(value, str) and re.match("....-..-..", value) is not None
    if isinstance(value, bool | list) or is_date != isinstance(wanted, str):
        return False
    try:
        found = value[:10] if is_date else float(value)
    except ValueError:
        return False
    return bool(found > wanted if test.operator == "gt" else found < wanted)


def _cells(call: PastCall) -> set[Cell]:
    return set(_ordered(call))
