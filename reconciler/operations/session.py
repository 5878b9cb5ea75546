"""The face of the program for Python: a project opened once, and the verbs that work on it.

    with reconciler.open_session("reconciler.yaml") as session:
        plan = session.plan(target=["team=gtm"])   # sends only GET
        report = session.apply(plan)               # that plan is the approval

The commands of the command line call a Session too, so both do the same.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeAlias

from reconciler import operations
from reconciler.documents import plan_file, saved_plan_checks
from reconciler.documents.saved_plan_checks import SavedPlan
from reconciler.errors import ApiError, ErroredPlan
from reconciler.manifests.from_table import ImportOptions
from reconciler.model.checkup import Checkup
from reconciler.model.forecast import MONTH_DAYS
from reconciler.model.limits import Limits
from reconciler.model.network import Network
from reconciler.model.plan import Plan
from reconciler.model.reading import ReadCost, ReadProgress
from reconciler.model.report import Report
from reconciler.model.session_plan import SessionPlan
from reconciler.operations import observe, validate
from reconciler.operations.apply_events import ApplyEvents, Interrupt
from reconciler.operations.connection import Connections, origin
from reconciler.operations.observe import Targets
from reconciler.operations.profile import Phase, Profile
from reconciler.operations.project_ledger import ProjectLedger
from reconciler.operations.validate import Validation
from reconciler.settings.network import api_network
from reconciler.settings.settings import Settings, ledger_files
from reconciler.spending.limits_check import effective_limits

A_DAY_SECONDS = 86400.0

Named: TypeAlias = str | os.PathLike[str]
Several: TypeAlias = Named | Sequence[Named]
"""One path or selector, or several."""


class Session:
    """A project with its reader and its ledger, opened once; a context manager, for one thread at a time.

    `paths` of every method are files and folders with manifests, relative to the working directory; by default those
    that the project file names, or else `manifests/` next to it. `target` and `exclude` select runs: a manifest's
    name, `name/run` or `label=value`. Every method but `load` raises Refused if the API rejects the token and
    LedgerError if the ledger cannot be used, and all methods raise SettingsError and ManifestError; failures of single
    tables are in the result. Warnings go to the logger `reconciler`.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        *,
        tell: Callable[[str], None] | None = None,
        on_progress: Callable[[ReadProgress], None] | None = None,
    ) -> None:
        """`tell` receives warnings, `on_progress` the progress of reading; usually called by `open_session`."""
        tell = tell or operations.log.warning
        self.connections = Connections(settings, environment, tell, on_progress)
        """The API and the ledger, for the rest of the package."""
        self._environment = environment
        self._tell = tell
        self.ledger = ProjectLedger(self.connections)
        """The record of calls and spending."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.connections.settings

    @property
    def profile(self) -> Profile:
        """How the time was spent."""
        return self.connections.profile

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection to the API and the ledger; afterwards, methods that need one raise SettingsError."""
        self.connections.end()

    def hold_to(self, revision: str, paths: Several = ()) -> None:
        """Also enforce the limits and prices of a git ref or folder, so that a change cannot raise its own limits.

        The addresses of the API and the ledger come from there too, unless an argument or a variable sets them. Call it
        before any other method. A commit without a project file has no limits, and a warning says so; a folder
        without one raises LimitExceeded.
        """
        operations.hold_to.hold_to(revision, _each(paths), self.connections)

    def network(self) -> Network:
        """Return through which proxy each host is reached, and whose certificates are trusted. Raises SettingsError."""
        return api_network(self.settings, self._environment)

    def limits(self) -> Limits:
        """Return the limits on every plan, including those of `hold_to`."""
        return effective_limits(self.settings.limits, self.settings.base)

    def own_files(self) -> tuple[Path, ...]:
        """Return the files that no output may replace: the project file, and a ledger that is a file."""
        project = self.settings.project_file
        return (() if project is None else (project,)) + ledger_files(self.settings)

    def validate(self, paths: Several = ()) -> Validation:
        """Check manifests and return every problem of every file. Only reads files."""
        return validate.validate(self.settings, _each(paths))

    def load(self, paths: Several | Targets = (), *, target: Several = (), exclude: Several = ()) -> Targets:
        """Read, check and select manifests; every method accepts the result in place of `paths`.

        Raises ManifestError with every problem of every file. Only reads files.
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
        maps: bool = False,
    ) -> SessionPlan:
        """Return the run calls that are due; sends only GET and writes nothing.

        `against` is a git ref or a folder to compare with (`plan.against`). With `live_snapshot`, a file of `snapshot`,
        neither token nor ledger nor network is needed. `plan.violations` lists exceeded limits, `plan.diagnostics` the
        errors that make the plan unfit to apply; `plan.totals()` sums cells and credits. With `maps`,
        `plan.maps` holds the decision about each cell, one byte per cell.
        """
        targets = replace(self.load(paths, target=target, exclude=exclude), maps=maps)
        if against is None and live_snapshot is None:
            return operations.plan_change.plan_targets(targets, self.connections)
        kept = None if live_snapshot is None else Path(live_snapshot)
        return operations.plan_against.plan_against(targets, against, kept, self.connections)

    def document(self, plan: SessionPlan) -> dict[str, Any]:
        """Return a plan as JSON (`schemas/plan.v1.json`), which `apply` accepts from a file."""
        return plan_file.document(
            plan, plan.origin, plan.violations, limits=plan.limits, against=plan.against, taken=plan.taken
        )

    def read_plan(self, file: Named, *, max_age_seconds: float = A_DAY_SECONDS) -> SavedPlan:
        """Return what a plan file approves. Raises StalePlan if it was edited, is too old, or is for another API."""
        saved = operations.read_plan.read_saved_plan(Path(file), max_age_seconds)
        saved.check_origin(self.settings.api_url)
        return saved

    def apply(
        self,
        plan: SessionPlan | SavedPlan | Named,
        paths: Several = (),
        *,
        wait: bool = True,
        timeout_seconds: float | None = None,
        lease_timeout_seconds: float = 0.0,
        max_age_seconds: float = A_DAY_SECONDS,
        events: ApplyEvents | None = None,
        interrupt: Interrupt | None = None,
    ) -> Report:
        """Send the cells that a plan lists and that are still due, each call at most once; return the report.

        `plan` is one that this session made, or the file of a saved plan; it is the approval, without a prompt. With
        `wait`, waits until the tables are idle and sends the later waves too, for at most `timeout_seconds`; without
        it, sends one wave. Waits `lease_timeout_seconds` for another apply working on a table, and refuses a plan older
        than `max_age_seconds`. `events` receives what happens, and `interrupt` asks it to end.

        Before anything is sent, raises ErroredPlan, LimitExceeded if a limit is exceeded, StalePlan if what was
        approved has changed, Leased if another apply is working on a table, and ApiError. Later failures are in the
        report: `report.exit_code()` says whether all went well (0), only a part (6), or a call is in doubt (7).
        """
        saved = self._approved(plan, max_age_seconds)
        saved.check_origin(self.settings.api_url)
        named = paths or (plan.paths if isinstance(plan, SessionPlan) else ())
        targets = self.load(named, target=saved.include, exclude=saved.exclude)
        events, interrupt = self._told(events, interrupt)

        def approve(proposed: Plan) -> str:
            events.on_plan(proposed)
            return saved.plan_id

        verb, _ = operations.start_apply, operations.notify  # both now: an upgrade may replace them while it waits
        terms = verb.ApplyTerms(wait, timeout_seconds, lease_timeout_seconds, events, interrupt)
        return verb.start_apply(targets, saved, approve, self.connections, terms)

    def plan_and_apply(
        self,
        approve: Callable[[Plan], None],
        paths: Several = (),
        *,
        target: Several = (),
        exclude: Several = (),
        wait: bool = True,
        timeout_seconds: float | None = None,
        lease_timeout_seconds: float = 0.0,
        events: ApplyEvents | None = None,
        interrupt: Interrupt | None = None,
    ) -> Report:
        """Plan, show the plan to `approve`, and send it, each call at most once; return the report.

        `approve` raises any exception if the plan must not be sent; a plan that has errors or exceeds a limit is
        refused before it is called. The rest, including exceptions, is as for `apply`.
        """
        targets = self.load(paths, target=target, exclude=exclude)
        events, interrupt = self._told(events, interrupt)

        def approved(proposed: Plan) -> str:
            approve(proposed)
            plan_id: str = plan_file.document(proposed, origin(self.settings))["plan_id"]
            return plan_id

        verb, _ = operations.start_apply, operations.notify  # as in `apply`
        terms = verb.ApplyTerms(wait, timeout_seconds, lease_timeout_seconds, events, interrupt)
        return verb.start_apply(targets, None, approved, self.connections, terms)

    def doctor(self) -> Checkup:
        """Return what is wrong with the setup (`found.wrong`) and how to mend it; raises nothing of it.

        Sends at most two GETs and writes nothing.
        """
        return operations.doctor.examine_settings(self.settings, self._environment)

    def status(
        self, paths: Several | Targets = (), *, target: Several = (), exclude: Several = ()
    ) -> "operations.status.Status":
        """Return the status of the live tables: per run, how many cells are done, failed, due, blocked or in doubt.

        Reads whole tables, sends only GET and writes nothing.
        """
        return operations.status.read_status(self.load(paths, target=target, exclude=exclude), self.connections)

    def explain(
        self, selector: str, paths: Several | Targets = (), *, column: str | None = None, row: str | None = None
    ) -> "tuple[operations.explain.ExplainedCells, ...]":
        """Return why each cell of a manifest, or of `name/run`, is due or not, by run, column and reason.

        `column` (a key or an id) and `row` (an id) narrow it. Sends only GET and writes nothing.
        """
        return operations.explain.explain_cells(self.load(paths), selector, column, row, self.connections)

    def drift(
        self, paths: Several | Targets = (), *, target: Several = (), exclude: Several = (), stale: bool = False
    ) -> "operations.drift.DriftReport":
        """Return which cells are not as the manifests want them, and why; sends only GET and writes nothing.

        `stale` adds the answers that predate the present prompt or the present inputs, which needs whole tables. If a
        table could not be read, `errored` is true and the result may be incomplete.
        """
        targets = self.load(paths, target=target, exclude=exclude)
        return operations.drift.drift_of(targets, self.connections, stale=stale)

    def forecast(
        self, paths: Several | Targets = (), *, days: int = MONTH_DAYS, target: Several = (), exclude: Several = ()
    ) -> "operations.forecast.PlannedForecast":
        """Return what runs with a `refresh` will buy within `days` times 24 hours, by manifest, column and day.

        Sends only GET and writes nothing. `found.plan.diagnostics` lists the tables that could not be read, of which
        `found.forecast` says nothing.
        """
        targets = self.load(paths, target=target, exclude=exclude)
        return operations.forecast.forecast_targets(targets, days, self.connections)

    def wait(
        self,
        paths: Several | Targets = (),
        *,
        target: Several = (),
        exclude: Several = (),
        timeout_seconds: float | None = None,
        events: ApplyEvents | None = None,
    ) -> Report:
        """Wait until the tables are idle and every accepted call is settled, as `apply` does, and send nothing.

        Writes to the ledger what became of the cells, and the end of each doubt that a table proves. The report holds
        the calls that were waited for: `exit_code()` is 6 if cells failed, 7 if a call is in doubt. Raises
        ManifestError if a table cannot be read, Leased if an apply holds a table for all of `timeout_seconds`.
        """
        targets = observe.resolve(self.load(paths, target=target, exclude=exclude), self.connections.reader())
        context = operations.start_apply.wait_context(self.connections, *self._told(events, None))
        return operations.await_calls.await_calls(targets, context, timeout_seconds)

    def snapshot(
        self, file: Named, paths: Several | Targets = (), *, unsigned: bool = False
    ) -> "operations.snapshots.SnapshotTaken":
        """Write what planning needs from the live tables to a file for `plan(live_snapshot=…)`; no values, no prompts.

        Signed with `RECONCILER_SNAPSHOT_KEY`, without which it raises SettingsError unless `unsigned`.
        """
        key = operations.snapshots.signing_key(self._environment, unsigned=unsigned)
        return operations.snapshots.take_snapshot(Path(file), self.load(paths), key, self.connections)

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
        on_table: "Callable[[operations.import_tables.ImportedTable], None]" = lambda _: None,
    ) -> "tuple[operations.import_tables.ImportedTable | ApiError, ...]":
        """Write a manifest for each chosen live table; buys nothing and changes no table.

        `tables` are ids or dashboard URLs; add tables that the API finds for `search`, tables with one of `tags`, or
        `every` root table of the workspace. Manifests go to the folder `out`, or else to the project's. With `fill`,
        the run that fills empty cells is switched on; with `adopt`, done cells are recorded in the ledger as run at
        that revision; `force` overwrites manifests that were edited. Returns the result for each table, or why it
        could not be read; `on_table` is called as soon as a manifest is written or passed over. Raises SettingsError
        if no table is found or a file cannot be written.
        """
        verb, connections, into = operations.import_tables, self.connections, None if out is None else Path(out)
        ids = verb.table_ids((tables,) if isinstance(tables, str) else tables)
        choice = verb.Choice(ids, search, tuple(tags), every)
        folder = verb.folder_for(self.settings, into, ImportOptions(adopt, fill), force=force)
        reader = connections.reader()
        ledger = connections.ledger() if adopt is None else connections.writing_ledger()
        found = []
        for each in verb.import_tables(folder, choice, reader, ledger, connections.actor, self._tell):
            found.append(each)
            if isinstance(each, verb.ImportedTable):
                on_table(each)
        return tuple(found)

    def adopt(self, revision: str, paths: Several | Targets = ()) -> "operations.adopt.Adoption":
        """Record every done cell of the manifests' tables as run at a revision, at no cost; sends only GET.

        For a new ledger, and for tables that were run by hand: a run with `mode: all` at that revision buys none of
        these cells again. A running table is among the failures. Raises SettingsError if no manifest could name such a
        revision.
        """
        return operations.adopt.adopt(self.load(paths), revision, self.connections)

    def notify(
        self,
        outcome: "operations.notify.Outcome",
        exit_code: int | None = None,
        *,
        interrupt: Interrupt | None = None,
    ) -> None:
        """Tell the webhooks of `spec.notify` how an apply or `drift` ended; raises nothing and takes at most 20 s."""
        interrupt = interrupt or Interrupt()
        operations.notify.notify(outcome, exit_code, self.settings, self._environment, self._tell, interrupt)

    def cost(self) -> ReadCost:
        """Return the cost of reading so far: requests, bytes, seconds."""
        return self.connections.cost()

    def _approved(self, plan: SessionPlan | SavedPlan | Named, max_age_seconds: float) -> SavedPlan:
        """Return what a plan approves. Raises PlanError."""
        if isinstance(plan, SavedPlan):
            return plan
        if not isinstance(plan, SessionPlan):
            return operations.read_plan.read_saved_plan(Path(plan), max_age_seconds)
        if plan.errored:
            raise ErroredPlan(plan.diagnostics)
        operations.permit.refuse_violations(plan.violations)
        return saved_plan_checks.check_plan(self.document(plan), datetime.now(UTC), max_age_seconds)

    def _told(self, events: ApplyEvents | None, interrupt: Interrupt | None) -> tuple[ApplyEvents, Interrupt]:
        """Return the events and the interrupt of an apply; without events, important ones become warnings."""
        if events is None:
            events = ApplyEvents(on_unrecorded=self._lost, on_trouble=self._tell)
        # Not `or`: an interrupt that is not set is falsy.
        return events, Interrupt() if interrupt is None else interrupt

    def _lost(self, record: str) -> None:
        self._tell(
            f"the ledger could not record this outcome; keep it yourself: {record} Once the ledger is writable, end "
            "the doubt with `reconciler ledger resolve`."
        )


def _each(named: Several) -> tuple[str, ...]:
    several = (named,) if isinstance(named, str | os.PathLike) else named
    return tuple(os.fspath(each) for each in several)
