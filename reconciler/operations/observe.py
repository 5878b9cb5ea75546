"""One observation: load manifests, read the ledger and the tables, judge doubts; and the plan made from it.

Reading meets the decisions here; nothing is bought or written.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reconciler import ledger as ledgers
from reconciler import manifests as manifest_files
from reconciler.client import Reader
from reconciler.errors import ApiError
from reconciler.manifests.loader import load_manifests
from reconciler.model.condition import Condition
from reconciler.model.history import TableHistory
from reconciler.model.input_cells import AskedInputs
from reconciler.model.manifest import Calendar, CalendarDates, Manifest, Mode
from reconciler.model.observed import TableSnapshot
from reconciler.model.plan import Plan
from reconciler.model.read_scope import ReadScope, read_scope_of
from reconciler.operations.find_tables import Lister, find
from reconciler.operations.profile import Phase, Profile
from reconciler.planning.first_portions import asked_answers
from reconciler.planning.inputs import PlanInputs, PlanOptions
from reconciler.planning.plan_settings import PlanSettings
from reconciler.planning.planner import Planner, make_plan
from reconciler.planning.selectors import select_runs, split_selectors
from reconciler.settings.settings import Settings, manifests_in_use
from reconciler.spending.approval import Approval
from reconciler.spending.doubt import DoubtEnding, judge
from reconciler.text.codes import Code
from reconciler.text.digest import digest
from reconciler.text.location import Diagnostic


@dataclass(frozen=True, slots=True)
class Targets:
    """The manifests that one run of the program works on."""

    manifests: tuple[Manifest, ...]
    """Selected manifests, each with its selected runs. Once resolved, each has its table, and one with a tag appears
    once for each of its tables."""
    digest: str
    """Over all manifests, selected or not; a saved plan pins it."""
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    every: tuple[Manifest, ...] = ()
    """All manifests as written, selected or not."""
    written: tuple[Manifest, ...] = ()
    """Selected manifests, as written."""
    unresolved: tuple[Diagnostic, ...] = ()
    """Why a manifest's table is unknown."""
    pending: tuple[Manifest, ...] = ()
    """Manifests whose table does not exist yet."""
    named: tuple[str, ...] = ()
    """The paths they were read from, as the caller named them; empty if the project file named them."""
    maps: bool = False
    """True to keep the decision about each cell in a plan, for a picture of it."""
    stale: bool = False
    """True to count in a plan the answers that predate the prompt or the inputs, which needs whole tables."""
    unread: frozenset[str] = frozenset()
    """Names of unresolved manifests that may still name the same tables: the API did not answer."""

    @property
    def tables(self) -> frozenset[str]:
        """Ids of the tables they name."""
        return frozenset(manifest.table_id for manifest in self.manifests)


@dataclass(frozen=True, slots=True)
class Observation:
    """One read of the ledger and then the API: a call begun after the ledger was read changes a table's version."""

    snapshots: Mapping[str, TableSnapshot]
    histories: Mapping[str, TableHistory]
    """With every provable ending in place."""
    verdicts: tuple[DoubtEnding, ...]
    """Endings that the ledger does not have yet; `apply` records them, `plan` does not."""
    unreadable: Mapping[str, ApiError]
    """By table id."""

    @property
    def ledger_id(self) -> str:
        """The ledger's own id; empty if there is no ledger yet, or no table was read."""
        return next((each.ledger_id for each in self.histories.values() if each.ledger_id), "")

    @property
    def recalled_at(self) -> datetime:
        """When the ledger was read, by its store's clock: the only clock that all machines share."""
        return _recalled_at(self.histories)


def _recalled_at(histories: Mapping[str, TableHistory]) -> datetime:
    return datetime.fromtimestamp(max((each.recalled_at for each in histories.values()), default=0.0), UTC)


def load(settings: Settings, named: Sequence[str], include: Sequence[str], exclude: Sequence[str]) -> Targets:
    """Read and select manifests. Raises ManifestError with every problem of every file, SettingsError for
    selectors and for manifests of another project."""
    manifests = load_manifests(manifests_in_use(settings, named), settings.project_file)
    included, excluded = split_selectors(include, manifests), split_selectors(exclude, manifests)
    selected = select_runs(manifests, included, excluded)
    return Targets(
        manifests=selected,
        written=selected,
        digest=digest([manifest.content() for manifest in manifests]),
        include=included,
        exclude=excluded,
        every=manifests,
        named=tuple(named),
    )


def resolve(targets: Targets, lister: Lister) -> Targets:
    """Find the tables of the selected manifests, from their text and not from earlier findings.

    A reader is a lister. Sends nothing if every manifest names its table by id. Raises Refused on 401 and 403; other
    failures are in `unresolved`, and the remaining manifests have their tables.
    """
    found = find(targets.written, targets.every, lister)
    return replace(
        targets,
        manifests=found.manifests,
        unresolved=found.problems,
        pending=found.pending,
        unread=found.unread,
    )


@dataclass(frozen=True, slots=True)
class Sources:
    """Where an observation reads from, and where its time is counted."""

    reader: Reader
    ledger: ledgers.Recalls
    settings: Settings
    profile: Profile = field(default_factory=Profile)


def observe_tables(
    targets: Targets,
    tables: Collection[str],
    sources: Sources,
    *,
    whole: bool = True,
    applied: str | None = None,
    judging: bool = False,
) -> Observation:
    """Read the ledger, then the tables, then judge calls in doubt. Raises Refused on 401 and 403, LedgerError.

    Unless `whole`, reads only what a plan of these manifests needs (`read_scope.py`); the observation is then good for
    nothing else. `applied` is the id of the plan that an apply works on, empty without a saved one: of its calls the
    histories tell each one, and of calls that may be settled now the inputs are looked at. `judging` also looks at the
    answers of runs with an `expect`, which needs their tables whole.
    """
    return _Look(targets, tables, sources, whole=whole, applied=applied, judging=judging).read_tables()


def observe_and_plan(targets: Targets, sources: Sources, settings: Settings) -> tuple[Observation, Plan]:
    """Observe what a plan needs and make it, each table's part while others are read. Raises as `observe_tables`.

    It is the plan that `plan` makes from the observation.
    """
    look = _Look(targets, targets.tables, sources, whole=False)
    planner = Planner(targets.manifests, _plan_settings(targets, settings, look.recalled_at), _plan_options(targets))
    observation = look.read_tables(planner.add)
    with sources.profile.phase(Phase.PLANNING):
        return observation, planner.plan(_problems(targets, observation), targets.pending)


class _Look:
    """An observation: made, it has read the ledger."""

    def __init__(
        self,
        targets: Targets,
        tables: Collection[str],
        sources: Sources,
        *,
        whole: bool,
        applied: str | None = None,
        judging: bool = False,
    ) -> None:
        with sources.profile.phase(Phase.LEDGER):
            self._recalled = sources.ledger.recall(tables, plan_id=applied or "")
        self._targets = targets
        self._tables = tables
        self._sources = sources
        self._whole = whole
        self._applied = applied
        self._judging = judging
        self._of_table: dict[str, list[Manifest]] = {table: [] for table in tables}
        for manifest in targets.manifests:
            if manifest.table_id in self._of_table:
                self._of_table[manifest.table_id].append(manifest)

    @property
    def recalled_at(self) -> datetime:
        """When the ledger was read, by its store's clock."""
        return _recalled_at(self._recalled)

    def read_tables(self, on_table: Callable[[str, TableSnapshot, TableHistory], None] | None = None) -> Observation:
        """Read the tables and judge calls in doubt; `on_table` is called with each table while others are read."""
        recalled, of_table, tables = self._recalled, self._of_table, self._tables
        quiet_seconds = self._sources.settings.project.api.spend.quiet_seconds
        histories: dict[str, TableHistory] = {}
        verdicts: dict[str, Sequence[DoubtEnding]] = {}

        def judge_table(table: str, snapshot: TableSnapshot) -> None:
            histories[table], verdicts[table] = judge(recalled[table], snapshot, quiet_seconds)
            if on_table is not None:
                on_table(table, snapshot, histories[table])

        with self._sources.profile.phase(Phase.READING):
            answers = self._sources.reader.read_tables(
                {table: _digests_wanted(of_table[table], recalled[table]) for table in tables},
                self._shortcuts(),
                {table: _conditions(of_table[table]) for table in tables},
                {table: asked_answers(of_table[table], recalled[table], whole=self._judging) for table in tables},
                {
                    table: _asked_inputs(recalled[table], stale=self._targets.stale, settling=self._applied is not None)
                    for table in tables
                },
                on_table=judge_table,
            )
        snapshots = {table: answer for table, answer in answers.items() if isinstance(answer, TableSnapshot)}
        return Observation(
            snapshots,
            {table: histories[table] for table in snapshots},
            tuple(ending for table in snapshots for ending in verdicts[table]),
            {table: answer for table, answer in answers.items() if isinstance(answer, ApiError)},
        )

    def _shortcuts(self) -> dict[str, ReadScope]:
        recalled, of_table = self._recalled, self._of_table
        shows_within = self._sources.settings.project.api.spend.shows_within_seconds
        # A call is settled by its own cells: full counters, or the rows that a plan needs, would leave it open for
        # ever.
        settles = self._applied is not None
        full = {table for table in self._tables if self._whole or (settles and _has_unsettled(recalled[table]))}
        if self._judging:
            runs = [(each.table_id, run) for each in self._targets.manifests for run in each.runs]
            full |= {table for table, run in runs if run.expect is not None}
        return {
            table: read_scope_of(of_table[table], recalled[table], shows_within) for table in {*self._tables} - full
        }


def plan(
    targets: Targets,
    observation: Observation,
    settings: Settings,
    within: Approval | None = None,
    anyway: Approval | None = None,
) -> Plan:
    """Make the plan from one observation; `within` and `anyway` are as in `PlanOptions`."""
    inputs = PlanInputs(
        targets.manifests,
        observation.snapshots,
        observation.histories,
        _plan_settings(targets, settings, observation.recalled_at),
        _problems(targets, observation),
        targets.pending,
    )
    return make_plan(inputs, _plan_options(targets, within, anyway))


def _plan_settings(targets: Targets, settings: Settings, recalled_at: datetime) -> PlanSettings:
    api = settings.project.api
    return PlanSettings(
        settings.project.prices,
        api.max_cells_per_call,
        api.spend.quiet_seconds,
        api.spend.shows_within_seconds,
        dates_of(targets.manifests, recalled_at),
    )


def dates_of(manifests: Iterable[Manifest], now: datetime) -> dict[Calendar, CalendarDates]:
    """Return the last and next date at `now`, which has a time zone, of every calendar in the manifests."""
    found = {run.refresh for manifest in manifests for run in manifest.runs if isinstance(run.refresh, Calendar)}
    return {at: manifest_files.calendar.dates(at, now) for at in found}


def _plan_options(targets: Targets, within: Approval | None = None, anyway: Approval | None = None) -> PlanOptions:
    selected = (targets.include, targets.exclude)
    return PlanOptions(within, anyway, targets.digest, *selected, maps=targets.maps, stale=targets.stale)


def _problems(targets: Targets, observation: Observation) -> list[Diagnostic]:
    return [*targets.unresolved, *_diagnostics(targets.manifests, observation.unreadable)]


def _digests_wanted(manifests: Iterable[Manifest], history: TableHistory) -> frozenset[str] | None:
    """Return columns whose digests planning or judging needs: those of mode `all`, and of calls not settled yet."""
    names: set[str] = set()
    for manifest in manifests:
        for run in manifest.runs:
            if run.mode is Mode.ALL and run.columns is None:
                return None
            if run.mode is Mode.ALL:
                names.update(named.text for named in run.columns or ())
    for call in history.calls:
        if call.mode is Mode.ALL and not call.settled:
            names.update(column for block in call.covered for column in block.columns)
    return frozenset(names)


def _has_unsettled(history: TableHistory) -> bool:
    return any(not call.settled for call in history.accepted())


def _asked_inputs(history: TableHistory, *, stale: bool, settling: bool) -> list[AskedInputs]:
    """Return the cells whose inputs are looked at: every cell for the `stale` ones, or those that may be settled."""
    if stale:
        return [AskedInputs()]
    return [
        AskedInputs(frozenset(block.columns), frozenset(block.rows))
        for call in (history.calls if settling else ())
        if not call.settled
        for block in call.covered
    ]


def _conditions(manifests: Iterable[Manifest]) -> list[Condition]:
    """Return the conditions to evaluate for the rows of a table that the manifests name."""
    selections = (run.selection for manifest in manifests for run in manifest.runs)
    return [selection.where for selection in selections if selection is not None and selection.where is not None]


def _diagnostics(manifests: Iterable[Manifest], unreadable: Mapping[str, ApiError]) -> list[Diagnostic]:
    return [
        Diagnostic(manifest.table_place, Code.UNREADABLE_TABLE, error.message, error.hint)
        for manifest in manifests
        if (error := unreadable.get(manifest.table_id)) is not None
    ]
