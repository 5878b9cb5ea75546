"""The plan as inert data: what would be sent, what would not and why. `planner.py` makes it; nothing here decides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from reconciler.model.history import Block
from reconciler.model.manifest import ByTag, Mode, Refresh, Source
from reconciler.model.observed import CellState, Column
from reconciler.text.location import Diagnostic, Location

FORMAT_VERSION = "1.0"


class Reason(StrEnum):
    """Why the cells of a call are due."""

    CELLS_EMPTY = "cells_empty"
    CELLS_FAILED = "cells_failed"
    REVISION_CHANGED = "revision_changed"
    CELLS_STALE = "cells_stale"
    """Last run longer ago than the run's `refresh` allows, or never."""
    ADOPTED = "adopted"
    """Never of a plan's call: the ledger's record of cells that were done before it knew them (`adoption.py`)."""


class SkipReason(StrEnum):
    """Why a cell in scope is not in any call of the plan."""

    DONE = "done"
    SATISFIED = "satisfied"
    """The run's state holds already: bought at this revision or lately enough (`all`), or never run and so not failed
    (`failed`)."""
    FAILED = "failed"
    """Failed, and `new` leaves failed cells alone."""
    IN_PROGRESS = "in_progress"
    MISSING_INPUTS = "missing_inputs"
    BLOCKED = "blocked"
    """An upstream cell is not done and not part of this plan."""
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    IN_DOUBT = "in_doubt"
    UNKNOWN_STATUS = "unknown_status"
    HELD_BACK = "held_back"
    """Too many cells of its run's first portion failed (`rollout`)."""
    WAITING = "waiting"
    """A manifest that comes first is not at rest, and has nothing due in this plan."""
    AGE_UNKNOWN = "age_unknown"
    """Run before the ledger knew it, so that nobody knows whether it is stale (`all` with a `refresh`)."""
    NOT_STARTED = "not_started"
    """Bought as often as the run's `max_attempts` allows, and still empty on an idle table (`new`)."""
    WAITING_FOR_TABLE = "waiting_for_table"
    """Due, but its table runs: sent once the table is idle."""
    NOT_DUE = "not_due"
    """Done or failed, which `new` leaves alone either way: the header says no more, and the rows were not read."""


class Cause(StrEnum):
    """Whether a change of the manifests makes a call's cells due, or they were due without it."""

    CHANGE = "change"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class Call:
    """One POST to the run endpoint: a rectangle of cells and what is known about it."""

    id: str
    """32 hex digits of the digest of the work: table, mode, revision, the due cells and what was bought before them."""
    address: str
    """`manifest/run`."""
    table_id: str
    mode: Mode
    revision: str | None
    columns: tuple[str, ...]
    """Column ids, never empty."""
    column_keys: tuple[str, ...]
    """The keys of `columns`, in the same order."""
    rows: tuple[str, ...]
    """Row ids, never empty."""
    cells: int
    """Due cells in the rectangle: what the call is expected to be charged for."""
    credits: Decimal | None
    """None where the price of a column is unknown."""
    reason: Reason
    wave: int = 1
    """Sent once the waves before it have ended: what it depends on, or a first portion, is in one of them."""
    covered: tuple[Block, ...] = field(default=(), repr=False)
    """The due cells exactly. Not in the plan file; the ledger keeps it."""
    before: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    """Column id → a mark of what each row of its block showed (`spending/evidence.py`). Not in the plan file."""
    configs: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Column id → `config_digest`. Not in the plan file."""
    kinds: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Column id → the column's kind, which its price may go by. Not in the plan file."""
    prices: Mapping[str, Decimal | None] = field(default_factory=dict)
    """Column id → credits for one of its cells; None where that is unknown."""
    cause: Cause | None = None
    """None where no manifests were given to compare with."""
    table_name: str = ""
    """For people, where one address may stand for several tables; else empty. Not in the plan file."""

    @property
    def manifest(self) -> str:
        """The manifest's name."""
        return self.address.partition("/")[0]

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Ids of those of `columns` whose price is unknown."""
        return tuple(column for column in self.columns if column in self.prices and self.prices[column] is None)


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """An upstream column of which a cell is neither done nor part of the plan."""

    column: str
    """Its key."""
    is_implied: bool
    """No configuration names it: the kind of the table, or of the column that waits, reads it anyway."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Cells in a run's scope that are not due, for one reason."""

    address: str
    reason: SkipReason
    cells: int
    table_id: str
    """A run over several tables has skips in each."""
    waits_for: tuple[WaitsFor, ...] = ()
    """Of cells that are blocked."""


@dataclass(frozen=True, slots=True)
class CellCounts:
    """Cells of a table's output columns by what they show."""

    done: int = 0
    failed: int = 0
    empty: int = 0
    in_progress: int = 0
    unknown: int = 0

    @classmethod
    def of(cls, columns: Iterable[bytes]) -> "CellCounts":
        """Count columns of `CellState` bytes."""
        found = dict.fromkeys(CellState, 0)
        for states in columns:
            for state in CellState:
                found[state] += states.count(state)
        return cls(
            done=found[CellState.DONE] + found[CellState.DONE_WITHOUT_VALUE],
            failed=found[CellState.FAILED],
            empty=found[CellState.EMPTY] + found[CellState.PENDING_IDLE],
            in_progress=found[CellState.IN_PROGRESS] + found[CellState.PENDING],
            unknown=found[CellState.UNKNOWN],
        )


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """How the first portion of a run that has a `rollout` came out so far."""

    first: int
    """Rows that the portion has, for each column."""
    max_failed: Decimal
    """The share of its cells that may fail."""
    cells: int
    """Cells of complete portions: of every column that has been tried on `first` rows."""
    failed: int
    """Those of them that are failed now."""

    @property
    def is_breached(self) -> bool:
        """Too many failed: the rest of the run is held back."""
        return self.failed > self.max_failed * self.cells


@dataclass(frozen=True, slots=True)
class ExpectedGrowth:
    """A manifest whose table is filled while the plan is applied: nobody knows yet how many cells fall due there."""

    manifest: str
    table_id: str
    """Empty where even the table is not there yet."""
    because: str
    """What fills it: `manifest/column`."""
    max_cells: int | None
    """What one apply buys of it at most: what its `allow_growth` says or what follows from `max_rows`, whichever is
    less; None where nobody knows, and then nothing is applied."""
    max_credits: Decimal | None
    """Likewise; None where nobody knows."""
    location: Location
    """Where the manifest names its table."""
    labels: Mapping[str, str] = field(default_factory=dict)
    max_rows: int | None = None
    """Rows that come at most: the finder's cells in the plan × its `max_results`; None where it has none."""
    is_allowed: bool = False
    """The manifest has an `allow_growth`."""
    most: tuple[tuple[Column, int], ...] = ()
    """Its columns, each with how many of its cells the new rows have at most; empty where nobody knows. Not in the plan
    file."""
    unpriced: tuple[Column, ...] = ()
    """Those of them whose price is unknown."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run of a manifest, whether or not it has calls: what a person wants listed."""

    address: str
    mode: Mode
    revision: str | None
    max_attempts: int
    columns: int
    """Output columns in its scope."""
    cells: int
    """Cells in its scope."""
    states: CellCounts | None = None
    """Those cells by what they show; None where rows were left unread."""
    trial: RolloutResult | None = None
    refresh: Refresh | None = None
    stale_before: datetime | None = None
    """With a calendar: its last date, in its own time zone; a cell last run before it is stale."""
    next_due: datetime | None = None
    """With a `refresh`: when the first of the cells that are fresh now falls due; UTC, rounded up to a second."""


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """A live table that a manifest names."""

    manifest: str
    table_id: str
    name: str
    run_status: str
    is_finished: bool
    rows: int
    columns_digest: str
    """Digest of the output columns' configurations."""
    cells: CellCounts | None
    """None where rows were left unread (`model/read_scope.py`)."""
    runs: tuple[PlannedRun, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    ledger_version: int = 0
    """`TableHistory.version` that this plan was made from; an intent is a compare-and-set on it."""
    output_cells: int = 0
    """Rows × output columns."""
    source: Source | None = None
    """How the manifest finds it; None where it names its id."""
    is_awaited: bool = False
    """An accepted call has not shown in it yet."""

    @property
    def has_siblings(self) -> bool:
        """True where the manifest may stand over several tables, so that its name alone does not say which."""
        return isinstance(self.source, ByTag)


@dataclass(frozen=True, slots=True)
class CallInDoubt:
    """A call in doubt: what `plan` shows until evidence or a person ends it."""

    id: str
    address: str
    table_id: str
    cells: int
    credits: Decimal | None
    age_seconds: float
    """Since its last attempt began."""
    actor: str = ""
    """Who applied it."""
    quiet_for_seconds: float | None = None
    """After this long, cells still empty on an idle table prove that it did not land; None: nothing proves that."""
    table_name: str = ""
    """As `Call.table_name`."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A manifest of which nothing is due yet, because its table is not there."""

    manifest: str
    waits_for: str
    """The table, in words; text from the manifest."""
    location: Location


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit that the plan passes, or that cannot be evaluated."""

    rule: str
    """E.g. `max_credits`."""
    message: str
    set_at: str
    """Where the limit was set: `reconciler.yaml:9 (spec.limits.max_credits)`, `--max-credits`."""
    number: Decimal | None = None
    """What the plan comes to, in the limit's unit; None where nobody can tell."""
    limit: Decimal | None = None
    """None for a rule without a number."""
    raised_by: str = ""
    """Who can raise it."""

    @property
    def set_by(self) -> str:
        """Which rule it is, where it was set and who can raise it, in words."""
        return f"{self.rule}, set in {self.set_at}; to be raised by {self.raised_by}"


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums people look at last."""

    tables: int
    calls: int
    cells: int
    credits: Decimal | None
    """None where any call's credits are unknown; never too low."""
    unpriced_cells: int
    """Cells whose price is unknown."""
    known_credits: Decimal
    """The sum over the calls whose price is known."""


def sums(tables: int, calls: Sequence[Call]) -> Totals:
    """Add up calls."""
    unpriced = sum(call.cells for call in calls if call.credits is None)
    known = sum((call.credits for call in calls if call.credits is not None), Decimal(0))
    return Totals(
        tables=tables,
        calls=len(calls),
        cells=sum(call.cells for call in calls),
        credits=None if unpriced else known,
        unpriced_cells=unpriced,
        known_credits=known,
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look at manifests, live tables and ledger leads to. Sorted; equal inputs give equal plans."""

    manifest_digest: str
    tables: tuple[PlannedTable, ...] = ()
    calls: tuple[Call, ...] = ()
    skipped: tuple[Skip, ...] = ()
    in_doubt: tuple[CallInDoubt, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    """Each makes the plan errored: a table that could not be read, a column that does not exist."""
    include: tuple[str, ...] = ()
    """`--target` selectors."""
    exclude: tuple[str, ...] = ()
    """`--exclude` selectors."""
    growth: tuple[ExpectedGrowth, ...] = ()
    pending: tuple[Pending, ...] = ()
    manifest_digests: Mapping[str, str] = field(default_factory=dict)
    """Name → digest of each manifest of which something may be bought under this plan: what its approval rests on."""
    ledger_id: str = ""
    """Which ledger it was planned with; empty where there was none yet."""
    held_up: tuple[Skip, ...] = ()
    """Approved cells that wait for others: blocked, or behind a manifest or a first portion. Not in the plan file."""
    waiting: tuple[Call, ...] = ()
    """What would be sent if the tables that run were idle: the cells counted as `waiting_for_table`. Not in the plan
    file, which approves no call that nobody could list exactly."""

    @property
    def moving(self) -> frozenset[str]:
        """Ids of the tables that run, or of which an accepted call has not shown yet."""
        return frozenset(table.table_id for table in self.tables if table.is_awaited or not table.is_finished)

    @property
    def has_due(self) -> bool:
        """True where cells are due, whether or not they can be sent at once."""
        return bool(self.calls or self.waiting)

    @property
    def errored(self) -> bool:
        """An errored plan cannot be applied."""
        return bool(self.diagnostics)

    def totals(self) -> Totals:
        """Add up the calls."""
        return sums(len({table.table_id for table in self.tables}), self.calls)
