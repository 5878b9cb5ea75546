"""Why each cell of a manifest is due or not: the plan's own decisions, grouped, with the calls behind them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.errors import SettingsError
from reconciler.model.cell_map import CellMap
from reconciler.model.compact import RowIndex
from reconciler.model.credits import Credits
from reconciler.model.history import PastCall, TableHistory
from reconciler.model.limits import Prices
from reconciler.model.manifest import Manifest
from reconciler.model.observed import Column, TableSnapshot
from reconciler.model.plan import Call, Plan, Reason, SkipReason
from reconciler.model.stale_cells import Outdated
from reconciler.model.verdict_changes import WOULD_CHANGE
from reconciler.planning.cell_decision import Decision
from reconciler.planning.ledger_view import LedgerView
from reconciler.planning.stale_answers import predating
from reconciler.text.codes import Code
from reconciler.text.phrases import did_you_mean, quote
from reconciler.text.sanitize import one_line

MOST_LISTED = 10
"""Names in the hint of a selector that matches nothing."""


@dataclass(frozen=True, slots=True)
class ExplainedCells:
    """The cells of a column in a run that have one verdict for one reason."""

    address: str
    """`manifest/run`."""
    table_id: str
    table_name: str
    column: str
    """Its key."""
    reason: Reason | SkipReason
    """A Reason if the cells are due and in calls of the plan."""
    cells: int
    rows: tuple[str, ...]
    """Row ids; those that are not due in the table's order."""
    waits_for: tuple[str, ...] = ()
    """Upstream column keys (blocked cells), or manifests (waiting ones)."""
    planned: tuple[str, ...] = ()
    """Ids of the plan's calls that take the cells."""
    covered_by: tuple[PastCall, ...] = ()
    """Calls in the ledger that covered any of them and may have been paid for, oldest first; not those folded."""
    bought_folded: int = 0
    """How often calls that the ledger has folded since bought one of them, added up."""
    stale: tuple["ExplainedStale", ...] = ()
    """Those that were bought otherwise than they would be now."""

    @property
    def is_due(self) -> bool:
        """True if calls of the plan take the cells now."""
        return isinstance(self.reason, Reason)

    @property
    def would_change(self) -> str:
        """A phrase for what would change the verdict."""
        return WOULD_CHANGE[self.reason]


@dataclass(frozen=True, slots=True)
class ExplainedStale:
    """Cells that predate something."""

    outdated: Outdated
    rows: tuple[str, ...]
    """Row ids."""
    cost: Credits
    """The cost of buying them again."""


@dataclass(frozen=True, slots=True)
class Question:
    """The cells that are asked about."""

    manifest: str
    run: str | None = None
    column: str | None = None
    """A key or an id."""
    row: str | None = None

    @classmethod
    def of(cls, selector: str, column: str | None, row: str | None, manifests: Sequence[Manifest]) -> "Question":
        """Return the question for `MANIFEST[/RUN]`. Raises SettingsError if there is no such manifest or run."""
        name, slash, run = selector.partition("/")
        found = next((manifest for manifest in manifests if manifest.name == name), None)
        if found is None:
            raise _unknown("manifest", name, [manifest.name for manifest in manifests], "here")
        runs = [each.name for each in found.runs]
        if slash and run not in runs:
            raise _unknown("run", run, runs, f"of {quote(name)}")
        return cls(name, run if slash else None, column, None if row is None else row.lower())

    def asks_for(self, address: str) -> bool:
        """Return True if a run is asked about."""
        name, _, run = address.partition("/")
        return name == self.manifest and self.run in (None, run)


def explain(
    question: Question,
    plan: Plan,
    snapshots: Mapping[str, TableSnapshot],
    histories: Mapping[str, TableHistory],
    prices: Prices,
    waits_for: Sequence[str] = (),
) -> tuple[ExplainedCells, ...]:
    """Return the cells that are asked about by run, column and reason, from the maps of a plan over whole tables.

    `waits_for` names the manifests upstream. Raises SettingsError for a column or row that no run asked about has.
    """
    names = {table.table_id: table.name for table in plan.tables if table.manifest == question.manifest}
    maps = [each for each in plan.maps if each.table_id in names]
    _check(question, maps)
    found = []
    for each in maps:
        snapshot, history = snapshots[each.table_id], histories[each.table_id]
        ledger = LedgerView(history, snapshot, RowIndex(snapshot.row_ids), shows_within_seconds=0.0)
        work = _Table(question, plan, each, snapshot, history, ledger, prices)
        found += list(work.explain(names[each.table_id], tuple(waits_for)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Table:
    question: Question
    plan: Plan
    map: CellMap
    snapshot: TableSnapshot
    history: TableHistory
    ledger: LedgerView
    prices: Prices

    def explain(self, name: str, manifests: tuple[str, ...]) -> Iterator[ExplainedCells]:
        runs = [run.address for table in self.plan.tables for run in table.runs if table.table_id == self.map.table_id]
        for address in dict.fromkeys(filter(self.question.asks_for, runs)):
            for column, key in self.map.columns.items():
                if self.question.column in (None, column, key) and address in self.map.verdicts[column]:
                    for reason, rows, calls in self._groups(address, column):
                        stale = () if isinstance(reason, Reason) else self._stale(column, rows)
                        yield ExplainedCells(
                            address,
                            self.map.table_id,
                            name,
                            key,
                            reason,
                            len(rows),
                            rows,
                            self._waits_for(address, column, reason, manifests),
                            calls,
                            self._covering(column, frozenset(rows)),
                            self._bought_folded(column, frozenset(rows)),
                            stale,
                        )

    def _groups(
        self, address: str, column: str
    ) -> Iterator[tuple[Reason | SkipReason, tuple[str, ...], tuple[str, ...]]]:
        """Yield each reason with its rows and the planned calls that take them, the due ones first."""
        for calls, waits in ((self.plan.calls, False), (self.plan.waiting, True)):
            due: dict[Reason, dict[str, Call]] = {}
            for call in calls:
                if call.address == address and call.table_id == self.map.table_id:
                    for block in call.covered:
                        rows = block.rows if column in block.columns else ()
                        due.setdefault(call.reason, {}).update((row, call) for row in rows if self._is_asked(row))
            for reason, taken in due.items():
                if taken:
                    ids = tuple(dict.fromkeys(call.id for call in taken.values()))
                    yield (SkipReason.WAITING_FOR_TABLE if waits else reason), tuple(taken), () if waits else ids
        verdicts = self.map.verdicts[column][address]
        for verdict in sorted(set(verdicts) - {0}):
            shown = zip(self.map.rows, verdicts, strict=True)
            found = tuple(row for row, each in shown if each == verdict and self._is_asked(row))
            if found:
                yield Decision(verdict).skip_reason, found, ()

    def _is_asked(self, row: str) -> bool:
        return self.question.row in (None, row)

    def _waits_for(
        self, address: str, column: str, reason: Reason | SkipReason, manifests: tuple[str, ...]
    ) -> tuple[str, ...]:
        if reason is SkipReason.WAITING:
            return manifests
        if reason is not SkipReason.BLOCKED:
            return ()
        keys = {each.id: each.key for each in self.snapshot.columns}
        upstream = {keys[id_] for id_ in self._column(column).upstream}
        skips = [each for each in self.plan.skipped if each.address == address and each.table_id == self.map.table_id]
        return tuple(wait.column for skip in skips for wait in skip.waits_for if wait.column in upstream)

    def _stale(self, column: str, rows: Sequence[str]) -> tuple[ExplainedStale, ...]:
        """Return those of the rows whose answer predates the column's present configuration, or its inputs."""
        stale = []
        for outdated, of in predating(self.snapshot, self.ledger, self._column(column)).items():
            found = frozenset(of.pick(self.snapshot.row_ids))
            own = tuple(row for row in rows if row in found)
            if own:
                stale.append(ExplainedStale(outdated, own, self._price(column, len(own))))
        return tuple(stale)

    def _price(self, column: str, cells: int) -> Credits:
        of = self._column(column)
        return Credits.at([(self.prices.of(of.kind, of.key, of.id), cells)])

    def _column(self, column: str) -> Column:
        return next(each for each in self.snapshot.columns if each.id == column)

    def _covering(self, column: str, rows: frozenset[str]) -> tuple[PastCall, ...]:
        return tuple(
            call
            for call in self.history.calls
            if any(column in block.columns and not rows.isdisjoint(block.rows) for block in call.covered)
        )

    def _bought_folded(self, column: str, rows: frozenset[str]) -> int:
        checkpoint = self.history.checkpoint
        # Rows beyond the counts were never bought.
        counted = zip(checkpoint.rows, checkpoint.bought(column), strict=False)
        return sum(times for row, times in counted if row in rows)


def _check(question: Question, maps: Sequence[CellMap]) -> None:
    """Refuse a column or row that is not there."""
    whose = f"of {quote(question.manifest + (f'/{question.run}' if question.run else ''))}"
    columns = {
        id_: key
        for each in maps
        for id_, key in each.columns.items()
        if any(map(question.asks_for, each.verdicts[id_]))
    }
    if question.column is not None and question.column not in (*columns, *columns.values()):
        raise _unknown("column", question.column, list(columns.values()), whose)
    rows = [row for each in maps for row in each.rows]
    if question.row is not None and question.row not in rows:
        raise _unknown("row", question.row, rows, whose)


def _unknown(noun: str, text: str, choices: Sequence[str], where: str) -> SettingsError:
    listed = ", ".join(one_line(choice, 80) for choice in choices[:MOST_LISTED]) or "none"
    more = f" and {len(choices) - MOST_LISTED:,} more" if len(choices) > MOST_LISTED else ""
    message = f"there is no {noun} {quote(text)} {where}{did_you_mean(text, choices[:1000])}"
    return SettingsError(message, hint=f"The {noun}s {where}: {listed}{more}.", code=Code.NOTHING_SELECTED)
