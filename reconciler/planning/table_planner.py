"""One table's share of the plan: resolve scopes, decide columns, cover the due cells with rectangles."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import compress

from reconciler.model.compact import RowIndex
from reconciler.model.credits import Credits
from reconciler.model.history import Block, TableHistory
from reconciler.model.manifest import ByTag, Manifest, Refresh, Run
from reconciler.model.observed import CellCounts, CellState, Column, TableSnapshot, depths, downstream
from reconciler.model.plan import (
    Call,
    Cause,
    PlannedRun,
    PlannedTable,
    Skip,
    SkipReason,
)
from reconciler.model.read_scope import narrowed, read_scope_of, suffices
from reconciler.model.rollout_result import RolloutResult
from reconciler.model.row_set import RowSet, with_flags
from reconciler.planning import blocking
from reconciler.planning.cell_decision import (
    AGELESS_VERDICTS,
    AWAITED,
    BLOCKED,
    IN_DOUBT,
    INSTEAD_OF_DUE,
    IS_DUE,
    IS_PENDING,
    LEFT_ALONE,
    MISSING_INPUTS,
    SPENT,
    VERDICTS,
    WAITS_FOR_OTHERS,
    WHILE_RUNNING,
    Decision,
)
from reconciler.planning.freshness import Freshness
from reconciler.planning.inputs import PlanOptions
from reconciler.planning.ledger_view import NO_CONFIG, PRESENT_CONFIG, LedgerView
from reconciler.planning.plan_settings import PlanSettings
from reconciler.planning.rectangles import ColumnCells, Rectangle, cover
from reconciler.planning.schedules import scheduled_cells
from reconciler.planning.scopes import Scope, scopes
from reconciler.planning.stale_answers import stale_cells
from reconciler.planning.table_plan import Decided, TablePlan, call_in_doubt, cell_map, counts_of, reason_of, skips_of
from reconciler.planning.waves import WaveOrder, is_on_trial, portion, rollout_result, unjudged
from reconciler.spending import evidence
from reconciler.spending.approval import Approval
from reconciler.text.digest import digest, short_digest


class TablePlanner:
    """Plans one table for all the manifests that name it."""

    def __init__(
        self,
        manifests: Sequence[Manifest],
        snapshot: TableSnapshot,
        history: TableHistory,
        settings: PlanSettings,
        options: PlanOptions,
        waiting: frozenset[str] = frozenset(),
    ) -> None:
        """`waiting` names the manifests that may not begin yet."""
        assert suffices(snapshot, manifests), "more of the table is needed than was read"
        self._manifests = manifests
        self._whole = snapshot
        self._snapshot = snapshot = narrowed(snapshot, read_scope_of(manifests, history, settings.shows_within_seconds))
        self._history = history
        self._settings = settings
        self._within = options.within
        self._anyway = options.anyway
        self._keeps_map = options.maps
        self._wants_stale = options.stale
        self._waiting = waiting
        self._rows = len(snapshot.row_ids)
        self._row_index = RowIndex(snapshot.row_ids)
        self._ledger = LedgerView(history, snapshot, self._row_index, settings.shows_within_seconds)
        self._freshness: dict[Refresh, Freshness] = {
            run.refresh: Freshness(run.refresh, history.recalled_at, settings.dates)
            for manifest in manifests
            for run in manifest.runs
            if run.refresh is not None
        }
        self._missing = RowSet.of_flags(snapshot.missing_inputs)
        self._depths = depths(snapshot.columns)
        self._columns = {column.id: column for column in snapshot.columns}
        outputs = (column for column in snapshot.columns if not column.is_input)
        self._outputs = sorted(outputs, key=lambda column: self._depths[column.id])
        """Upstream columns first."""
        self._none = RowSet.none(self._rows)
        self._due: dict[str, RowSet] = {}
        """Column id → rows due in any scope."""
        self._waits: dict[str, blocking.Waits] = {}
        """By address."""
        self._trials: dict[str, RolloutResult | None] = {}
        """Address → the result of the first portion of a run with a rollout."""
        self._held_up: dict[tuple[str, str], int] = {}
        """Address and column id → approved cells that wait for other cells."""
        self._portions: dict[str, dict[str, RowSet]] = {}
        """Address → column id → the due rows that may go first."""

    def plan(self) -> TablePlan:
        """Return the table's share of the plan; no calls if a manifest uses a name that the table does not have."""
        found, problems = scopes(self._manifests, self._snapshot, self._row_index)
        part = TablePlan(diagnostics=problems)
        is_one_of_several = any(isinstance(manifest.source, ByTag) for manifest in self._manifests)
        name = self._snapshot.name if is_one_of_several else ""
        part.in_doubt = [
            call_in_doubt(call, self._settings.quiet_seconds, name) for call in self._history.calls if call.is_open
        ]
        if problems:
            part.tables = [self._line(manifest, []) for manifest in self._manifests]
            return part
        self._trials = {scope.address: rollout_result(scope, self._snapshot, self._ledger) for scope in found}
        part.diagnostics = unjudged(found, self._trials)
        if part.diagnostics:
            part.tables = [self._line(manifest, []) for manifest in self._manifests]
            return part
        cells: dict[str, dict[str, ColumnCells]] = {scope.address: {} for scope in found}
        skipped: dict[tuple[str, Decision], int] = {}
        decided = self._decide(found)
        for column, verdicts in decided.items():
            for scope, due, harmless, left in verdicts:
                cells[scope.address][column] = ColumnCells(column, due, harmless - self._due[column])
                waiting = 0 if self._snapshot.is_finished else len(due)
                for verdict, count in counts_of(left, waiting).items():
                    skipped[scope.address, verdict] = skipped.get((scope.address, verdict), 0) + count
        part.tables = [self._line(manifest, found) for manifest in self._manifests]
        part.cell_map = cell_map(self._snapshot, decided) if self._keeps_map else None
        if self._wants_stale:
            part.stale = list(stale_cells(found, self._snapshot, self._ledger, self._due, self._settings.prices))
        part.schedules = scheduled_cells(
            decided, self._snapshot, self._ledger, self._freshness, self._trials, self._settings.prices
        )
        decided.clear()  # one byte per cell: a plan of millions of cells has no room for it beside its calls
        held_up: Counter[str] = Counter()
        for (address, _), count in self._held_up.items():
            held_up[address] += count
        part.held_up = [
            Skip(address, SkipReason.WAITING, count, self._snapshot.id) for address, count in held_up.items() if count
        ]
        part.skipped = blocking.explained(skips_of(found, skipped, self._snapshot.id), self._waits)
        if self._whole.unread_rows and not self._rows:
            part.skipped = [
                Skip(scope.address, SkipReason.NOT_DUE, self._cells(scope), self._snapshot.id) for scope in found
            ]
        turns = self._turns(cells)
        calls = [call for scope in found for call in self._calls(scope, cells[scope.address], turns)]
        calls.sort(key=self._upstream_first)
        if self._snapshot.is_finished:
            part.calls = calls
        else:
            part.waiting = calls
        return part

    def _decide(self, found: Sequence[Scope]) -> dict[str, list[Decided]]:
        """Decide every output column after those it depends on, so that what is due upstream is known by its turn.

        A cycle has no such order: a column is decided again if more cells fell due upstream after its turn.
        """
        order = self._outputs
        turns = {column.id: turn for turn, column in enumerate(order)}
        below = downstream(order) if any(self._depths.values()) else {}
        wanting: dict[str, list[Scope]] = {column.id: [] for column in order}
        for scope in found:
            for column in scope.columns:
                wanting[column.id].append(scope)
        decided: dict[str, list[Decided]] = {}
        heap = list(range(len(order)))
        pending = set(heap)
        while heap:
            turn = heappop(heap)
            pending.discard(turn)
            column = order[turn]
            before = self._due.get(column.id, self._none)
            decided[column.id] = list(self._decide_column(column, wanting[column.id]))
            if column.id in below and self._due[column.id] != before:
                for other in {turns[each] for each in below[column.id]} - pending:
                    pending.add(other)
                    heappush(heap, other)
        return {column.id: decided[column.id] for column in order}

    def _decide_column(self, column: Column, wanting: Sequence[Scope]) -> Iterator[Decided]:
        """Decide a column for every scope that wants it."""
        taken = self._none
        decided: list[tuple[Scope, RowSet, RowSet, bytes]] = []
        for scope in wanting:
            facts = self._facts(column, scope)
            verdicts = facts.translate(VERDICTS[scope.run.mode])
            if scope.run.refresh is not None or scope.run.follows_config:
                unknown = self._bought_elsewhere(column, scope.run)
                verdicts = unknown.chosen(facts.translate(AGELESS_VERDICTS), verdicts)
            if not self._snapshot.is_finished:
                verdicts = verdicts.translate(WHILE_RUNNING)
            due = RowSet.of_flags(verdicts.translate(IS_DUE)) & scope.rows - taken
            withheld = self._withheld(scope, column)
            if withheld is not None:
                verdicts, due = verdicts.translate(INSTEAD_OF_DUE[withheld]), self._none
            if self._within is not None:
                listed = self._listed(self._within, column, scope)
                due &= listed
                held_up = RowSet.of_flags(verdicts.translate(WAITS_FOR_OTHERS)) & scope.rows & listed
                self._held_up[scope.address, column.id] = len(held_up)
            harmless = RowSet.of_flags(facts.translate(LEFT_ALONE[scope.run.mode])) & scope.rows
            taken |= due
            self._portions.setdefault(scope.address, {})[column.id] = portion(scope, column, due, self._ledger)
            decided.append((scope, due, harmless, verdicts))
        self._due[column.id] = taken
        for scope, due, harmless, verdicts in decided:
            waits = blocking.waits_for(column, self._snapshot, self._due, verdicts, scope.rows, self._columns)
            self._waits.setdefault(scope.address, {})[column.id] = waits
            yield scope, due, harmless, (scope.rows - taken).chosen(verdicts, bytes(self._rows))

    def _withheld(self, scope: Scope, column: Column) -> Decision | None:
        """Return why a scope's due cells are held back; None if they are not."""
        if scope.manifest.name in self._waiting or is_on_trial(scope, column, self._ledger):
            return Decision.WAITING
        tried = self._trials[scope.address]
        return Decision.HELD_BACK if tried is not None and tried.is_breached else None

    def _listed(self, approval: Approval, column: Column, scope: Scope) -> RowSet:
        key = (self._snapshot.id, scope.run.mode, scope.run.revision, column.id)
        rows = approval.approved(key, scope.manifest.name, self._row_index)
        if scope.run.refresh is not None:
            # One approval buys a cell once, however soon it becomes stale again.
            rows -= self._ledger.bought_within(column, approval.age_seconds)
        return rows

    def _facts(self, column: Column, scope: Scope) -> bytes:
        """Gather one byte of facts per row."""
        flags = {
            MISSING_INPUTS: self._missing,
            IN_DOUBT: self._ledger.in_doubt(column),
            BLOCKED: blocking.blocked(column, self._snapshot, self._due),
            SPENT: self._spent(column, scope.run),
            AWAITED: self._ledger.awaited(column),
        }
        return with_flags(self._states(column), flags)

    def _states(self, column: Column) -> bytes:
        """Return the column's states; on a running table, a pending cell that no call of ours covers counts as empty.

        It may run on its own in the meantime, and is due if it does not; the idle table shows which.
        """
        states = self._snapshot.states[column.id]
        if self._snapshot.is_finished:
            return states
        not_ours = RowSet.of_flags(states.translate(IS_PENDING)) - self._ledger.unsettled(column)
        return not_ours.chosen(bytes([CellState.EMPTY]) * self._rows, states)

    def _spent(self, column: Column, run: Run) -> RowSet:
        """Return the rows in which the ledger's accepted calls satisfy the run."""
        if run.refresh is not None:
            return self._freshness[run.refresh].fresh(self._ledger, column)
        if run.follows_config:
            return self._ledger.in_configuration(column, PRESENT_CONFIG)
        if run.revision is not None:
            return self._ledger.at_revision(column, run.revision)
        return self._ledger.exhausted(column, run.mode, run.max_attempts)

    def _bought_elsewhere(self, column: Column, run: Run) -> RowSet:
        """Return the rows of which the ledger does not know what the run asks: when, or with which configuration."""
        if run.refresh is not None:
            return self._ledger.never_bought(column)
        return self._ledger.in_configuration(column, NO_CONFIG)

    def _turns(self, cells: Mapping[str, Mapping[str, ColumnCells]]) -> WaveOrder:
        behind: dict[str, RowSet] = {}
        for address, of_scope in cells.items():
            for each in of_scope.values():
                rest = each.due - self._portions[address][each.column]
                if rest:
                    behind[each.column] = behind.get(each.column, rest) | rest
        return WaveOrder.of(self._outputs, self._due, behind, self._depths)

    def _calls(self, scope: Scope, cells: Mapping[str, ColumnCells], turns: WaveOrder) -> Iterator[Call]:
        columns = [cells[column.id] for column in scope.columns]
        for cause, of_cause in self._by_cause(scope, columns):
            for wave, of_wave in turns.parted(of_cause):
                for rectangle in cover(of_wave, self._settings.max_cells_per_call):
                    yield self._call(scope, rectangle, cause, wave)

    def _by_cause(
        self, scope: Scope, columns: Sequence[ColumnCells]
    ) -> Iterator[tuple[Cause | None, Sequence[ColumnCells]]]:
        """Split the due cells by cause; a cell that one part covers in passing is never due in the other."""
        if self._anyway is None:
            yield None, columns
            return
        listed = [self._listed(self._anyway, column, scope) for column in scope.columns]
        yield Cause.DUE, [replace(cells, due=cells.due & rows) for cells, rows in zip(columns, listed, strict=True)]
        yield Cause.CHANGE, [replace(cells, due=cells.due - rows) for cells, rows in zip(columns, listed, strict=True)]

    def _call(self, scope: Scope, rectangle: Rectangle, cause: Cause | None, wave: int) -> Call:
        ids = tuple(part.column for part in rectangle.parts)
        start = rectangle.start
        names = self._snapshot.row_ids[start : start + rectangle.rows.rows]
        rows, by_rows = rectangle.rows.pick(names), rectangle.by_rows()
        covered = tuple(Block(tuple(columns), of.pick(names)) for of, columns in by_rows.items())
        indexes = {of: [start + at for at in of] for of in by_rows}
        due = {part.column: indexes[part.due] for part in rectangle.parts}
        columns = [self._columns[column] for column in ids]
        prices = [self._settings.prices.of(column.kind, column.key, column.id) for column in columns]
        work = {
            "table": self._snapshot.id,
            "mode": scope.run.mode.value,
            "revision": scope.run.revision,
            "columns": ids,
            "rows": rows,
            "due": [[block.columns, block.rows] for block in covered],
            "bought_before": sum(self._ledger.times_bought(column, indexes) for column, indexes in due.items()),
        }
        return Call(
            id=short_digest(work),
            address=scope.address,
            table_id=self._snapshot.id,
            mode=scope.run.mode,
            revision=scope.run.revision,
            columns=ids,
            column_keys=tuple(column.key for column in columns),
            rows=rows,
            cells=rectangle.cells,
            credits=Credits.at(zip(prices, map(len, due.values()), strict=True)).total,
            reason=reason_of(scope.run),
            covered=covered,
            before={column: evidence.cell_marks(self._snapshot, column, indexes) for column, indexes in due.items()},
            configs={column.id: column.config_digest for column in columns},
            kinds={column.id: column.kind for column in columns},
            prices={id_: Credits.at([(price, 1)]).total for id_, price in zip(ids, prices, strict=True)},
            cause=cause,
            wave=wave,
            table_name=self._snapshot.name if isinstance(scope.manifest.source, ByTag) else "",
        )

    def _upstream_first(self, call: Call) -> tuple[int, int]:
        """Return a call's wave, then the depth of its first column: upstream calls are sent first."""
        return call.wave, min(self._depths[column] for column in call.columns)

    def _shown(self, scope: Scope) -> CellCounts | None:
        """Count the cells of a scope by what they show; None if some were not read."""
        if self._whole.unread_rows and scope.run.rows is None:
            return None
        flags = scope.rows.flags()
        states = map(self._states, scope.columns)
        return CellCounts.of(states if 0 not in flags else (bytes(compress(each, flags)) for each in states))

    def _cells(self, scope: Scope) -> int:
        """Return the number of cells in a scope, read or not."""
        unread = self._whole.unread_rows if scope.run.rows is None else 0
        return len(scope.columns) * (len(scope.rows) + unread)

    def _line(self, manifest: Manifest, found: Sequence[Scope]) -> PlannedTable:
        outputs = [column for column in self._snapshot.columns if not column.is_input]
        is_all_planned = self._rows == len(self._whole.row_ids)
        shown = map(self._states, outputs) if is_all_planned else self._whole.states.values()
        return PlannedTable(
            manifest=manifest.name,
            table_id=self._snapshot.id,
            name=self._snapshot.name,
            run_status=self._snapshot.run_status,
            is_finished=self._snapshot.is_finished,
            rows=self._whole.num_rows,
            columns_digest=digest([[column.id, column.config_digest] for column in outputs]),
            cells=None if self._whole.unread_rows else CellCounts.of(shown),
            output_cells=self._whole.num_rows * len(outputs),
            runs=tuple(
                self._run_line(scope)
                for run in manifest.runs
                for scope in found
                if scope.manifest is manifest and scope.run is run
            ),
            labels=dict(manifest.labels),
            ledger_version=self._history.version,
            source=manifest.source,
            is_awaited=self._ledger.is_awaiting,
        )

    def _run_line(self, scope: Scope) -> PlannedRun:
        freshness = None if scope.run.refresh is None else self._freshness[scope.run.refresh]
        return PlannedRun(
            scope.address,
            scope.run.mode,
            scope.run.revision,
            scope.run.max_attempts,
            len(scope.columns),
            self._cells(scope),
            self._shown(scope),
            self._trials.get(scope.address),
            refresh=scope.run.refresh,
            stale_before=freshness.stale_before if freshness else None,
            next_due=freshness.next_due(self._ledger, scope.columns, scope.rows) if freshness else None,
            follows_config=scope.run.follows_config,
        )
