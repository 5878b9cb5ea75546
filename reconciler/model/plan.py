"""The plan as inert data: what would be sent, what would not, and why. `planner.py` makes the decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from reconciler.model.account import Account
from reconciler.model.budget import BudgetUse
from reconciler.model.cell_map import CellMap
from reconciler.model.credits import Credits
from reconciler.model.forecast import ScheduleCost, ScheduledCells
from reconciler.model.history import Block
from reconciler.model.manifest import ByTag, Mode, Refresh, Source
from reconciler.model.observed import CellCounts, Column
from reconciler.model.rollout_result import RolloutResult
from reconciler.model.stale_cells import StaleCells
from reconciler.text.location import Diagnostic, Location

FORMAT_VERSION = "1.0"


class Reason(StrEnum):
    """Why the cells of a call are due."""

    CELLS_EMPTY = "cells_empty"
    CELLS_FAILED = "cells_failed"
    REVISION_CHANGED = "revision_changed"
    CELLS_STALE = "cells_stale"
    """The last run was longer ago than the run's `refresh` allows, or never."""
    CONFIG_CHANGED = "config_changed"
    """The last run had another configuration of the column, or there was none (`revision: {of: config}`)."""
    ADOPTED = "adopted"
    """Only in the ledger, never in a plan: cells that were done before the ledger knew them (`adoption.py`)."""


class SkipReason(StrEnum):
    """Why a cell in scope is not in any call of the plan: a value for programs and a phrase for people."""

    def __new__(cls, value: str, phrase: str) -> "SkipReason":
        """Keep the phrase beside the value."""
        reason = str.__new__(cls, value)
        reason._value_, reason.phrase = value, phrase
        return reason

    phrase: str
    """As every renderer says it, after a number of cells."""

    FAILED = "failed", "failed, left to a run of mode `failed`"
    IN_PROGRESS = "in_progress", "in progress"
    WAITING_FOR_TABLE = "waiting_for_table", "due once the table is idle"
    NOT_STARTED = "not_started", "not started although bought as often as `max_attempts` allows"
    """Bought as often as the run's `max_attempts` allows, but still empty on an idle table (`new`)."""
    MISSING_INPUTS = "missing_inputs", "missing inputs"
    BLOCKED = "blocked", "blocked, an upstream cell is not done and not part of this plan"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted", "out of attempts"
    IN_DOUBT = "in_doubt", "in doubt"
    UNKNOWN_STATUS = "unknown_status", "of unknown status"
    AGE_UNKNOWN = "age_unknown", "of unknown age, run outside the ledger; `ledger adopt --as NAME` takes them over"
    """Run before the ledger knew it, so its age is unknown (`all` with a `refresh`)."""
    HELD_BACK = "held_back", "held back, the first portion is not as its run requires"
    """Too many cells of its run's first portion failed, or its answers are not as expected (`rollout`)."""
    WAITING = "waiting", "waiting for what comes first: an upstream manifest, or the first portion of a rollout"
    """Waiting for an upstream manifest to finish, which has nothing due in this plan."""
    NOT_DUE = "not_due", "done or failed, by the table's header; its rows were not read"
    """Done or failed, and `new` runs neither; the rows were not read, and the header does not say which."""
    DONE = "done", "done"
    SATISFIED = "satisfied", "where their run wants them"
    """The run's state is reached: bought at this revision or recently enough (`all`), or never failed (`failed`)."""

    @property
    def is_as_wanted(self) -> bool:
        """The cell needs nothing: it is where its run wants it."""
        return self in (SkipReason.DONE, SkipReason.SATISFIED, SkipReason.NOT_DUE)


class Cause(StrEnum):
    """Whether a call's cells are due because of a change to the manifests, or were due without it."""

    CHANGE = "change"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class Call:
    """One POST to the run endpoint: a rectangle of cells with everything known about it."""

    id: str
    """32 hex digits of the digest of the work: table, mode, revision, due cells and earlier purchases of them."""
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
    """Due cells in the rectangle: the cells that the call is expected to be charged for."""
    credits: Decimal | None
    """None if the price of a column is unknown."""
    reason: Reason
    wave: int = 1
    """Sent once earlier waves have ended, which contain its dependencies or a first portion."""
    covered: tuple[Block, ...] = field(default=(), repr=False)
    """Exactly the due cells. Not in the plan file; the ledger stores it."""
    before: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    """Column id → marks of what each row of its block showed (`spending/evidence.py`). Not in the plan file."""
    configs: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Column id → `config_digest`. Not in the plan file."""
    kinds: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Column id → the column's kind, which may determine its price. Not in the plan file."""
    prices: Mapping[str, Decimal | None] = field(default_factory=dict)
    """Column id → credits for one of its cells; None if unknown."""
    cause: Cause | None = None
    """None if there were no manifests to compare with."""
    table_name: str = ""
    """For people, if one address may mean several tables; else empty. Not in the plan file."""

    @property
    def manifest(self) -> str:
        """The manifest's name."""
        return self.address.partition("/")[0]

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Ids of the columns whose price is unknown."""
        return tuple(column for column in self.columns if column in self.prices and self.prices[column] is None)


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """An upstream column with a cell that is neither done nor part of the plan."""

    column: str
    """Its key."""
    is_implied: bool
    """True if no configuration names it: the kind of the table, or of the waiting column, reads it anyway."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Cells in a run's scope that are not due, all for one reason."""

    address: str
    reason: SkipReason
    cells: int
    table_id: str
    """A run over several tables has skips in each."""
    waits_for: tuple[WaitsFor, ...] = ()
    """For blocked cells only."""


@dataclass(frozen=True, slots=True)
class ExpectedGrowth:
    """A manifest whose table is filled while the plan is applied, so the number of cells that become due is unknown."""

    manifest: str
    table_id: str
    """Empty if the table does not exist yet."""
    because: str
    """The column that fills it: `manifest/column`."""
    max_cells: int | None
    """The most that one apply buys of it: by `allow_growth` or `max_rows`. None: unknown, and nothing is applied."""
    max_credits: Decimal | None
    """Likewise; None if unknown."""
    location: Location
    """The location of the table's name in the manifest."""
    labels: Mapping[str, str] = field(default_factory=dict)
    max_rows: int | None = None
    """The most new rows: the finder's cells in the plan × its `max_results`; None if it has none."""
    is_allowed: bool = False
    """True if the manifest has an `allow_growth`."""
    most: tuple[tuple[Column, int], ...] = ()
    """Its columns, each with the most cells that new rows can have in it; empty if unknown. Not in the plan file."""
    unpriced: tuple[Column, ...] = ()
    """The columns whose price is unknown."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run of a manifest, whether or not it has calls, for listings."""

    address: str
    mode: Mode
    revision: str | None
    max_attempts: int
    columns: int
    """Output columns in its scope."""
    cells: int
    """Cells in its scope."""
    states: CellCounts | None = None
    """Those cells by state; None if rows were not read."""
    trial: RolloutResult | None = None
    refresh: Refresh | None = None
    stale_before: datetime | None = None
    """With a calendar: its last date, in its own time zone; a cell last run before that is stale."""
    next_due: datetime | None = None
    """With a `refresh`: when the first of the cells that are now fresh becomes due; UTC, rounded up to a second."""
    follows_config: bool = False
    """As `Run.follows_config`."""


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
    """None if rows were not read (`model/read_scope.py`)."""
    runs: tuple[PlannedRun, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    ledger_version: int = 0
    """`TableHistory.version` that this plan was made from; an intent is a compare-and-set on it."""
    output_cells: int = 0
    """Rows × output columns."""
    source: Source | None = None
    """How the manifest finds it; None if the manifest gives its id."""
    is_awaited: bool = False
    """True if an accepted call has not shown in it yet."""

    @property
    def has_siblings(self) -> bool:
        """True if the manifest may apply to several tables, so that its name alone is ambiguous."""
        return isinstance(self.source, ByTag)


@dataclass(frozen=True, slots=True)
class CallInDoubt:
    """A call in doubt; `plan` shows it until evidence or a person decides it."""

    id: str
    address: str
    table_id: str
    cells: int
    credits: Decimal | None
    age_seconds: float | None
    """Since its last attempt began; None of one that a file tells of."""
    actor: str = ""
    """The person or CI job that applied it."""
    quiet_for_seconds: float | None = None
    """After this time, cells still empty on an idle table prove that it did not land; None if nothing can prove it."""
    table_name: str = ""
    """As `Call.table_name`."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A manifest with nothing due yet because its table does not exist."""

    manifest: str
    waits_for: str
    """The table in words, with text from the manifest."""
    location: Location


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit that the plan exceeds, or that cannot be evaluated."""

    rule: str
    """E.g. `max_credits`."""
    message: str
    set_at: str
    """Where the limit was set: `reconciler.yaml:9 (spec.limits.max_credits)`, `--max-credits`."""
    number: Decimal | None = None
    """The plan's value in the limit's unit; None if unknown."""
    limit: Decimal | None = None
    """None for a rule without a number."""
    raised_by: str = ""
    """Who can raise it."""

    @property
    def set_by(self) -> str:
        """The rule, where it was set and who can raise it, in words."""
        return f"{self.rule}, set in {self.set_at}; to be raised by {self.raised_by}"


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of a plan."""

    tables: int
    calls: int
    cells: int
    cost: Credits
    """The cost of the calls, and how many of their cells have no known price."""

    @property
    def credits(self) -> Decimal | None:
        """None if any call's credits are unknown; never too low."""
        return self.cost.total


def sums(tables: int, calls: Sequence[Call]) -> Totals:
    """Add up calls."""
    return Totals(tables, len(calls), sum(call.cells for call in calls), Credits.of(calls))


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan from one reading of manifests, live tables and ledger. Sorted; equal inputs give equal plans."""

    manifest_digest: str
    tables: tuple[PlannedTable, ...] = ()
    calls: tuple[Call, ...] = ()
    skipped: tuple[Skip, ...] = ()
    in_doubt: tuple[CallInDoubt, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    """Errors, such as a table that could not be read or an unknown column; any of them makes the plan errored."""
    include: tuple[str, ...] = ()
    """`--target` selectors."""
    exclude: tuple[str, ...] = ()
    """`--exclude` selectors."""
    growth: tuple[ExpectedGrowth, ...] = ()
    pending: tuple[Pending, ...] = ()
    manifest_digests: Mapping[str, str] = field(default_factory=dict)
    """Name → digest of each manifest that this plan may buy something for; an approval depends on them."""
    ledger_id: str = ""
    """The id of the ledger it was planned with; empty if there was none yet."""
    held_up: tuple[Skip, ...] = ()
    """Approved cells that are blocked or wait for a manifest or a first portion. Not in the plan file."""
    waiting: tuple[Call, ...] = ()
    """Calls that would be sent if running tables were idle. Not in the plan file, which approves only exact calls."""
    account: Account | None = None
    """Who would pay; None if the API was not asked, as when nothing is due."""
    schedules: tuple[ScheduledCells, ...] = field(default=(), repr=False, compare=False)
    """The cells that runs with a `refresh` cover, by age. Not in the plan file."""
    forecast: ScheduleCost | None = None
    """The cost of the schedules in a month; None if there are none, or nothing asked for it."""
    budgets: tuple[BudgetUse, ...] = ()
    """Those that it takes from; none if nothing is due, or if the ledger was not asked."""
    last_applies: Mapping[str, tuple[Decimal, ...]] = field(default_factory=dict)
    """Manifest → the credits of its last applies, the newest first; only if a limit depends on them."""
    maps: tuple[CellMap, ...] = field(default=(), repr=False, compare=False)
    """The decision about each cell. Not in the plan file."""
    stale: tuple[StaleCells, ...] = ()
    """By run; only if they were asked for. Not in the plan file."""

    @property
    def moving(self) -> frozenset[str]:
        """Ids of the tables that are running, or have an accepted call that does not show yet."""
        return frozenset(table.table_id for table in self.tables if table.is_awaited or not table.is_finished)

    @property
    def has_due(self) -> bool:
        """True if cells are due, whether or not they can be sent now."""
        return bool(self.calls or self.waiting)

    @property
    def errored(self) -> bool:
        """True if the plan has errors; it cannot be applied then."""
        return bool(self.diagnostics)

    def totals(self) -> Totals:
        """Add up the calls."""
        return sums(len({table.table_id for table in self.tables}), self.calls)
