"""One observation: load manifests, read the ledger and the tables, judge doubts; and the plan made from it.

Reading meets the decisions here; nothing is bought or written.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reconciler import ledger as ledgers
from reconciler.client import Reader
from reconciler.errors import ApiError, BadResponse
from reconciler.manifests.calendar import dates_of
from reconciler.manifests.loader import load_manifests
from reconciler.model.compact import RowIndex
from reconciler.model.condition import Condition
from reconciler.model.history import TableHistory
from reconciler.model.input_cells import AskedInputs
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.manifest import Manifest, Mode
from reconciler.model.observed import TableIndex, TableSnapshot
from reconciler.model.plan import Plan
from reconciler.model.read_scope import read_scope_of
from reconciler.operations.find_tables import Lister, find
from reconciler.operations.profile import Phase, Profile
from reconciler.planning.first_portions import asked_answers
from reconciler.planning.inputs import PlanInputs, PlanOptions
from reconciler.planning.plan_settings import PlanSettings
from reconciler.planning.planner import make_plan
from reconciler.planning.selectors import select_runs, split_selectors
from reconciler.settings.settings import Settings, manifests_in_use
from reconciler.spending import evidence
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
        return datetime.fromtimestamp(max((each.recalled_at for each in self.histories.values()), default=0.0), UTC)


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
    ledger: "ledgers.Ledger"
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
    profile = sources.profile
    with profile.phase(Phase.LEDGER):
        recalled = sources.ledger.recall(tables, plan_id=applied or "")
    spend = sources.settings.project.api.spend
    of_table: dict[str, list[Manifest]] = {table: [] for table in tables}
    for manifest in targets.manifests:
        if manifest.table_id in of_table:
            of_table[manifest.table_id].append(manifest)
    shows_within = spend.shows_within_seconds
    # A call is settled by its own cells: full counters, or the rows that a plan needs, would leave it open for ever.
    full = {table for table in tables if whole or (applied is not None and _has_unsettled(recalled[table]))}
    shortcuts = {table: read_scope_of(of_table[table], recalled[table], shows_within) for table in {*tables} - full}
    if judging:
        judged = {each.table_id for each in targets.manifests if any(run.expect is not None for run in each.runs)}
        shortcuts = {table: scope for table, scope in shortcuts.items() if table not in judged}
    with profile.phase(Phase.READING):
        digests = {table: _digests_wanted(of_table[table], recalled[table]) for table in tables}
        answers = sources.reader.read_tables(
            digests,
            shortcuts,
            {table: _conditions(of_table[table]) for table in tables},
            {table: asked_answers(of_table[table], recalled[table], whole=judging) for table in tables},
            {
                table: _asked_inputs(recalled[table], stale=targets.stale, settling=applied is not None)
                for table in tables
            },
        )
    snapshots = {table: answer for table, answer in answers.items() if isinstance(answer, TableSnapshot)}
    histories: dict[str, TableHistory] = {}
    verdicts: list[DoubtEnding] = []
    with profile.phase(Phase.PLANNING):
        for table, snapshot in snapshots.items():
            histories[table], found = judge(recalled[table], snapshot, spend.quiet_seconds)
            verdicts += found
    unreadable = {table: answer for table, answer in answers.items() if isinstance(answer, ApiError)}
    return Observation(snapshots, histories, tuple(verdicts), unreadable)


def to_snapshot(
    observation: Observation, taken_at: str, tool_version: str, base_url: str, index: TableIndex | None = None
) -> LiveSnapshot:
    """Reduce an observation to what is needed to plan elsewhere (`documents/snapshot_file.py`)."""
    pairs = {
        table: reduced(snapshot, observation.histories[table]) for table, snapshot in observation.snapshots.items()
    }
    return LiveSnapshot(
        taken_at=taken_at,
        tool_version=tool_version,
        base_url=base_url,
        snapshots={table: snapshot for table, (snapshot, _) in pairs.items()},
        histories={table: history for table, (_, history) in pairs.items()},
        unreadable={table: (error.message, error.hint) for table, error in observation.unreadable.items()},
        index=index,
    )


def from_snapshot(kept: LiveSnapshot, tables: Collection[str]) -> Observation:
    """Return a snapshot's observation of `tables`; a table that it does not hold counts as unreadable."""
    absent = (
        "the snapshot of the live tables does not hold this one",
        "It holds the tables that manifests named when it was taken.",
    )
    unreadable = {table: kept.unreadable.get(table, absent) for table in tables if table not in kept.snapshots}
    return Observation(
        snapshots={table: kept.snapshots[table] for table in tables if table in kept.snapshots},
        histories={table: kept.histories[table] for table in tables if table in kept.histories},
        verdicts=(),
        unreadable={table: BadResponse(message, hint=hint) for table, (message, hint) in unreadable.items()},
    )


def plan(
    targets: Targets,
    observation: Observation,
    settings: Settings,
    within: Approval | None = None,
    anyway: Approval | None = None,
) -> Plan:
    """Make the plan from one observation; `within` and `anyway` are as in `PlanOptions`."""
    spend = settings.project.api
    inputs = PlanInputs(
        targets.manifests,
        observation.snapshots,
        observation.histories,
        PlanSettings(
            settings.project.prices,
            spend.max_cells_per_call,
            spend.spend.quiet_seconds,
            spend.spend.shows_within_seconds,
            dates_of(targets.manifests, observation.recalled_at),
        ),
        [*targets.unresolved, *_diagnostics(targets.manifests, observation.unreadable)],
        targets.pending,
    )
    selected = (targets.include, targets.exclude)
    options = PlanOptions(within, anyway, targets.digest, *selected, maps=targets.maps, stale=targets.stale)
    return make_plan(inputs, options)


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


def reduced(snapshot: TableSnapshot, history: TableHistory) -> tuple[TableSnapshot, TableHistory]:
    """Drop from an observation what planning does not need, once the facts that need it have been derived."""
    assert not snapshot.unread_rows, "a snapshot is also for manifests that are not written yet, so it needs every row"
    row_index = RowIndex(snapshot.row_ids)
    calls = tuple(
        replace(call, has_shown=has_shown, before={}, inputs={}, actor="")
        for call in history.calls
        for has_shown in [bool(evidence.sign_of_landing(call, snapshot, row_index))]
    )
    told = replace(history, calls=calls, checkpoint=history.checkpoint.without_inputs())
    return replace(snapshot, digests={}, answers={}, inputs={}), told
