"""The face of the program for Python: a project opened once, and the verbs that work on it.

    with reconciler.open_session("reconciler.yaml") as session:
        plan = session.plan(target=["team=gtm"])   # sends only GET
        report = session.apply(plan)               # that plan is the approval

The commands of the command line call a Session too, so both do the same.
"""

import logging
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from reconciler.client import ReadCost, Reader, ReadProgress, SpendClient
from reconciler.documents import plan_file, saved_plan
from reconciler.documents.saved_plan import SavedPlan
from reconciler.errors import ApiError, ErroredPlan, SettingsError
from reconciler.ledger import Ledger
from reconciler.manifests import from_table
from reconciler.manifests.from_table import ImportOptions
from reconciler.model.attempt import Actor
from reconciler.model.plan import Plan
from reconciler.model.report import Report
from reconciler.model.session_plan import SessionPlan
from reconciler.operations import observe, send, snapshots
from reconciler.operations.apply import apply
from reconciler.operations.atomic_file import write_whole
from reconciler.operations.connection import allow_new, api_options, origin, reading_ledger
from reconciler.operations.find_tables import CachedLister, SnapshotLister, index_of
from reconciler.operations.import_tables import Choice, ImportedTable, import_tables, shelf_of
from reconciler.operations.observe import Targets
from reconciler.operations.permit import refuse_violations
from reconciler.operations.plan_change import find_all, plan_asked
from reconciler.operations.profile import Phase, Profile
from reconciler.operations.read_plan import read_saved_plan
from reconciler.operations.rescue import Witness
from reconciler.operations.send import ApplyContext, ApplyEvents, Interrupt
from reconciler.planning.status import DriftReport, Status, status_of
from reconciler.settings.provenance import actor, git_state, review
from reconciler.settings.revision import read_revision
from reconciler.settings.settings import Flags, Settings, load_settings
from reconciler.spending.limits_check import check_limits, effective_limits
from reconciler.text.location import Diagnostic
from reconciler.text.sanitize import one_line

A_DAY_SECONDS = 86400.0

Named: TypeAlias = str | os.PathLike[str]
Several: TypeAlias = Named | Sequence[Named]
"""One path or selector, or several."""

_LOG = logging.getLogger("reconciler")


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """What a snapshot file holds."""

    tables: int
    size_bytes: int
    is_signed: bool
    unreadable: Mapping[str, ApiError]
    """By table id: these are kept as unreadable, and a plan from the file says so."""
    unresolved: tuple[Diagnostic, ...]
    """Why a manifest's table is not known."""


def open_session(
    project: Named | None = None,
    *,
    token: str | None = None,
    ledger: Named | None = None,
    api_url: str | None = None,
    max_credits: Decimal | float | None = None,
    max_cells: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> "Session":
    """Read a project's settings and return a session on it, a context manager.

    Each argument replaces a variable, which is read only if the argument is left out: `project` (a project file or its
    folder) `RECONCILER_PROJECT`, else the nearest project file is taken, from the working directory up; `token`
    `EXTRUCT_API_TOKEN`; `ledger` (a path or `postgresql://…`; a relative path starts at the project's folder)
    `RECONCILER_LEDGER`; `api_url` `EXTRUCT_API_URL`; `max_credits` and `max_cells` (of one apply)
    `RECONCILER_MAX_CREDITS` and `RECONCILER_MAX_CELLS`. `environment` stands in for `os.environ`, for all of these and
    for what a CI says about itself.

    Raises SettingsError for a setting that is wrong, and ManifestError for a project file that is. Asks the API nothing
    and opens no ledger before the first method that needs it; a missing token is an error there.
    """
    variables = dict(os.environ if environment is None else environment)
    if token is not None:
        variables["EXTRUCT_API_TOKEN"] = token
    flags = Flags(
        project=None if project is None else os.fspath(project),
        api_url=api_url,
        ledger=None if ledger is None else os.fspath(ledger),
        max_credits=None if max_credits is None else str(max_credits),
        max_cells=None if max_cells is None else str(max_cells),
    )
    return Session(load_settings(flags, variables), variables)


class Session:
    """A project with its reader and its ledger, opened once; a context manager, for one thread at a time.

    `paths` of every method are files and folders with manifests, relative to the working directory; if there are none,
    those that the project file names, else `manifests/` beside it. `target` and `exclude` select runs: a manifest's
    name, `name/run` or `label=value`. Every method but `load` raises Refused if the API does
    not take the token, LedgerError if the ledger cannot be used, and all methods SettingsError and ManifestError; what
    goes wrong with single tables is in what they return. Warnings go to the logger `reconciler`.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        *,
        tell: Callable[[str], None] = _LOG.warning,
        on_progress: Callable[[ReadProgress], None] | None = None,
    ) -> None:
        """`tell` takes warnings, `on_progress` how far a reading is; `open_session` is the usual way here."""
        self.settings = settings
        self.profile = Profile()
        """Where the time went."""
        self._environment = environment
        self._tell = tell
        self._on_progress = on_progress
        self._interrupt = Interrupt()
        self._stack = ExitStack()
        self._edges: tuple[Reader, Ledger] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection to the API and the ledger."""
        self._edges = None
        self._stack.close()

    def load(self, paths: Several | Targets = (), *, target: Several = (), exclude: Several = ()) -> Targets:
        """Read, check and select manifests; every method takes the result in the place of `paths`.

        Raises ManifestError with every problem of every file. Reads files and nothing else.
        """
        if isinstance(paths, Targets):
            return paths
        with self.profile.phase(Phase.MANIFESTS):
            return observe.load(self.settings, _each(paths), _each(target), _each(exclude))

    def plan(
        self,
        paths: Several | Targets = (),
        *,
        target: Several = (),
        exclude: Several = (),
        against: str | None = None,
        live_snapshot: Named | None = None,
    ) -> SessionPlan:
        """Say which run calls are due; sends nothing but GET and writes nothing.

        `against` is a git ref or a folder to compare with (`plan.against`). With `live_snapshot`, a file of `snapshot`,
        neither token nor ledger nor network is needed. A limit that is passed stands in `plan.violations`, what makes
        the plan unfit to be applied in `plan.diagnostics`; `plan.totals()` adds up cells and credits.
        """
        targets, settings = self.load(paths, target=target, exclude=exclude), self.settings
        base = None if against is None else read_revision(against, settings, targets.named)
        made, taken = replace(origin(settings, self._tell), review=review(self._environment)), None
        if live_snapshot is not None:
            kept = snapshots.read_snapshot(Path(live_snapshot), self._environment)
            asked = find_all(targets, base, settings, SnapshotLister(kept))
            observation, taken = observe.from_snapshot(kept, asked.scope.tables), snapshots.taken_of(kept, made)
            made = replace(made, base_url=kept.base_url)
        else:
            reader, ledger = self._open()
            with self.profile.phase(Phase.READING):
                asked = find_all(targets, base, settings, reader)
            scope = asked.scope
            observation = observe.observe_tables(
                scope, scope.tables, reader, ledger, settings, whole=False, profile=self.profile
            )
        with self.profile.phase(Phase.PLANNING):
            plan, compared = plan_asked(asked, observation)
        limits, floor = asked.settings.limits, asked.settings.floor
        return SessionPlan.of(
            plan,
            origin=made,
            violations=check_limits(plan, limits, floor),
            limits=effective_limits(limits, floor),
            against=compared,
            taken=taken,
            paths=targets.named,
        )

    def document(self, plan: SessionPlan) -> dict[str, Any]:
        """Return a plan as JSON (`schemas/plan.v1.json`): what `apply` takes back from a file."""
        return plan_file.document(
            plan, plan.origin, plan.violations, limits=plan.limits, against=plan.against, taken=plan.taken
        )

    def apply(
        self,
        plan: SessionPlan | SavedPlan | Named,
        paths: Several = (),
        *,
        wait: bool = True,
        timeout_seconds: float | None = None,
        lease_timeout_seconds: float = 0.0,
        max_age_seconds: float = A_DAY_SECONDS,
    ) -> Report:
        """Send what is still due of what a plan lists, each call at most once, and nothing else; return the report.

        `plan` is one that this session made, or the file of a saved plan; it is the approval, and nobody is asked. With
        `wait`, waits until the tables are idle and sends the later waves too, for `timeout_seconds` at most; without
        it, sends one wave. Waits `lease_timeout_seconds` for another apply that is at work on a table, and refuses a
        plan older than `max_age_seconds`.

        Before anything is sent, raises ErroredPlan, LimitExceeded if a limit is passed, StalePlan if the world is not
        the one that was approved, Leased if another apply is at work, and ApiError. What goes wrong later is in the
        report: `report.exit_code()` says whether all went well (0), in part (6), or a call is in doubt (7).
        """
        saved = self._approved(plan, max_age_seconds)
        saved.check_origin(self.settings.api_url)
        named = paths or (plan.paths if isinstance(plan, SessionPlan) else ())
        targets = self.load(named, target=saved.include, exclude=saved.exclude)
        reader, ledger = self._open()
        allow_new(ledger, self._environment, self._tell)
        self._interrupt = interrupt = Interrupt()
        client = SpendClient(api_options(self.settings, self._environment))
        interrupt.abandons(client.abandon, reader.abandon)
        who, witness = self._actor(), Witness()
        watcher = ApplyEvents(witness.see, lambda _: None, lambda *lost: self._lost(witness.lose(*lost)), self._tell)
        context = ApplyContext(
            self.settings, reader, client, ledger, who, watcher, interrupt, lease_timeout_seconds, self.profile
        )

        def approve(proposed: Plan) -> str:
            witness.plan_id, witness.in_doubt = saved.plan_id, proposed.in_doubt
            return saved.plan_id

        try:
            return apply(targets, context, approve, saved, _waiting(context, timeout_seconds) if wait else None)
        except Exception as error:
            if not interrupt.is_sending:
                raise
            return witness.report(error)

    def status(self, paths: Several | Targets = (), *, target: Several = (), exclude: Several = ()) -> Status:
        """Say where the live tables stand against the manifests: per run, cells done, failed, due, blocked, in doubt.

        Reads whole tables, sends nothing but GET and writes nothing.
        """
        targets = self.load(paths, target=target, exclude=exclude)
        reader, ledger = self._open()
        targets = observe.resolve(targets, reader)
        observation = observe.observe_tables(targets, targets.tables, reader, ledger, self.settings)
        return status_of(observe.plan(targets, observation, self.settings))

    def drift(self, paths: Several | Targets = (), *, target: Several = (), exclude: Several = ()) -> DriftReport:
        """Say what is due and why, one cause for each run; sends nothing but GET and writes nothing.

        If a table could not be looked at, `errored` is true and the rest may be too little.
        """
        targets = self.load(paths, target=target, exclude=exclude)
        reader, ledger = self._open()
        targets = observe.resolve(targets, reader)
        observation = observe.observe_tables(targets, targets.tables, reader, ledger, self.settings, whole=False)
        return DriftReport(observe.plan(targets, observation, self.settings))

    def snapshot(self, file: Named, paths: Several | Targets = (), *, unsigned: bool = False) -> SnapshotTaken:
        """Write what planning needs of the live tables to a file, for `plan(live_snapshot=…)`; no value, no prompt.

        Signed with `RECONCILER_SNAPSHOT_KEY`, without which it raises SettingsError unless `unsigned`. Raises OSError.
        """
        key = snapshots.signing_key(self._environment, unsigned=unsigned)
        targets = self.load(paths)
        made = origin(self.settings, self._tell)
        reader, ledger = self._open()
        directory = CachedLister(reader)
        targets = observe.resolve(targets, directory)
        observation = observe.observe_tables(targets, targets.tables, reader, ledger, self.settings)
        data = snapshots.encoded(observation, made, index_of(targets.written, targets.tables, directory), key)
        write_whole(Path(file), data)
        unresolved = tuple(sorted(targets.unresolved))
        return SnapshotTaken(len(observation.snapshots), len(data), key is not None, observation.unreadable, unresolved)

    def import_tables(
        self,
        tables: str | Sequence[str] = (),
        *,
        search: str | None = None,
        tags: Sequence[str] = (),
        every: bool = False,
        out: Named | None = None,
        fill: bool = False,
        force: bool = False,
        adopt: str | None = None,
        on_table: Callable[[ImportedTable], None] = lambda _: None,
    ) -> tuple[ImportedTable | ApiError, ...]:
        """Write a manifest for each live table chosen; buys nothing and changes no table.

        `tables` are ids or dashboard URLs; also those that the API finds for `search`, that carry one of `tags`, or
        `every` root table of the workspace. Manifests go to the folder `out`, else to the project's. With `fill`, the
        run that fills empty cells is switched on; with `adopt`, what is done is recorded in the ledger as run at that
        revision; `force` writes a manifest anew that was changed. Returns what became of each table, or why it could
        not be read; `on_table` is called as soon as a manifest is written or passed over. Raises SettingsError if no
        table is found, OSError.
        """
        choice = Choice(_table_ids((tables,) if isinstance(tables, str) else tables), search, tuple(tags), every)
        shelf = shelf_of(self.settings, None if out is None else Path(out), ImportOptions(adopt, fill), force=force)
        reader, ledger = self._open()
        if adopt is not None:
            allow_new(ledger, self._environment, self._tell)
        found = []
        for each in import_tables(shelf, choice, reader, ledger, self._actor, self._tell):
            found.append(each)
            if isinstance(each, ImportedTable):
                on_table(each)
        return tuple(found)

    def cost(self) -> ReadCost:
        """Return what reading cost so far: requests, bytes, seconds."""
        return ReadCost() if self._edges is None else self._edges[0].cost()

    def _open(self) -> tuple[Reader, Ledger]:
        """Return the reader and the ledger, opened when they are first needed. Raises SettingsError."""
        if self._edges is None:
            options = api_options(self.settings, self._environment)
            reader = self._stack.enter_context(Reader(options, on_progress=self._on_progress))
            ledger = reading_ledger(self.settings, lambda: bool(self._interrupt))
            self._edges = reader, self._stack.enter_context(ledger)
        return self._edges

    def _approved(self, plan: SessionPlan | SavedPlan | Named, max_age_seconds: float) -> SavedPlan:
        """Return what a plan approves. Raises PlanError."""
        if isinstance(plan, SavedPlan):
            return plan
        if not isinstance(plan, SessionPlan):
            return read_saved_plan(Path(plan), max_age_seconds)
        if plan.errored:
            raise ErroredPlan(plan.diagnostics)
        refuse_violations(plan.violations)
        return saved_plan.read(self.document(plan), datetime.now(UTC), max_age_seconds)

    def _actor(self) -> Actor:
        return actor(self._environment, git_state(self.settings.root))

    def _lost(self, record: str) -> None:
        self._tell(
            f"the ledger did not keep this outcome; keep it yourself: {record} Once the ledger can be written, end the "
            "doubt with `reconciler ledger resolve`."
        )


def _each(named: Several) -> tuple[str, ...]:
    several = (named,) if isinstance(named, str | os.PathLike) else named
    return tuple(os.fspath(each) for each in several)


def _table_ids(named: Sequence[str]) -> tuple[str, ...]:
    found = [(text, from_table.table_id(text)) for text in named]
    for text, identity in found:
        if identity is None:
            shown = one_line(text)
            message = f"{shown!r} is neither a table's id nor its URL, https://app.extruct.ai/tables/<id>"
            raise SettingsError(message, hint="Copy the table's address from the dashboard.")
    return tuple(identity for _, identity in found if identity is not None)


def _waiting(context: ApplyContext, timeout_seconds: float | None) -> Callable[[Report, Collection[str]], Report]:
    """Return what waits for a wave; all waves together have `timeout_seconds`."""
    waited = 0.0

    def wait(report: Report, others: Collection[str]) -> Report:
        nonlocal waited
        began = time.monotonic()
        left = None if timeout_seconds is None else max(0.0, timeout_seconds - waited)
        found = send.wait(report, context, left, others)
        waited += time.monotonic() - began
        return found

    return wait
