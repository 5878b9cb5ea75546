"""A worker: takes jobs, claims their units, takes one step with each, and looks after units that wait.

Waiting holds no slot. A tick in a thread of its own looks at the tables of what is due for a look, and queues what can
go on. A worker that dies leaves a claim that runs out; one that was frozen finds that its claim is gone.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

from reconciler.errors import (
    ApiError,
    Corrupt,
    ErroredPlan,
    LedgerError,
    LimitExceeded,
    ReconcilerError,
    Refused,
)
from reconciler.fleet.account import refuse_unaffordable
from reconciler.fleet.engine import Engine, SendJob, WorkerLoop
from reconciler.fleet.monitoring import steps
from reconciler.fleet.monitoring.run_calls import WatchedRunner
from reconciler.fleet.outcome import Surroundings, belongs, failed, given_up, look_in, looked, outcome_of
from reconciler.fleet.receipt import noted_in, refuse_incomplete, report_of_apply
from reconciler.fleet.refresh import Project, Refresher
from reconciler.fleet.troubles import Troubles
from reconciler.fleet.watch import Watch
from reconciler.fleet.workspace_api import WorkspaceApi
from reconciler.fleet.written import Terms, UnitContent, growth_bounds, terms_of, together
from reconciler.model.attempt import GrowthBound, Stop, StopCause
from reconciler.model.balance import BalanceRecord
from reconciler.model.observed import TableStatus
from reconciler.model.plan import Call
from reconciler.model.report import Report
from reconciler.model.submitted import Phase, SubmittedApply, Unit, UnitOutcome
from reconciler.operations.apply_context import ApplyContext
from reconciler.operations.apply_events import ApplyEvents, Interrupt
from reconciler.operations.apply_step import Earlier, StepScope, apply_step
from reconciler.operations.connection import Connections
from reconciler.operations.judge import judged
from reconciler.operations.notify import notify
from reconciler.operations.rescue import Witness
from reconciler.settings.settings import Settings

TICK_SECONDS = 1.0
LOOKS_AT_ONCE = 200
"""Units whose tables one tick looks at."""
MOST_DOUBLINGS = 4
"""Of the time after which a unit that no worker took is queued again: no job is lost for a day."""
_STOPS_THE_APPLY = (StopCause.TROUBLE, StopCause.REFUSED, StopCause.OVERBOUGHT)
_LOG = logging.getLogger("reconciler")

current_ids = steps.current_ids
"""The ids of the step that an event belongs to, for the log."""


@dataclass(frozen=True, slots=True)
class WorkerEvents:
    """Callbacks of a worker; each may be called from any of its threads, and must not raise."""

    on_units: Callable[[SubmittedApply, Sequence[UnitOutcome]], None] = lambda _, __: None
    """How far units were brought."""
    on_trouble: Callable[[str], None] = _LOG.warning
    apply: ApplyEvents = field(default_factory=ApplyEvents)
    """For its calls."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works."""

    workspaces: tuple[str, ...]
    concurrency: int = 4
    tick_seconds: float = TICK_SECONDS
    project: Callable[[], Settings] | None = None
    """Reads the project file again, for its schedules; None to plan by none."""


class Worker:
    """One process at work. `run` until `stop`; `step` and `tick` are what the queue calls."""

    def __init__(self, connections: Connections, engine: Engine, options: WorkerOptions, events: WorkerEvents) -> None:
        self._connections = connections
        self._applies = connections.ledger().applies
        self._engine = engine
        self._options = options
        self._workspaces = options.workspaces
        self._events = events
        self._tell_trouble = Troubles(events.on_trouble).tell
        self.watch = Watch()
        """Its figures and its health."""
        self.watch.health.note("token")  # it was read, and has not been refused yet
        self._claims: set[str] = set()
        """Owners of the units that a thread is at work on: of no others are the claims kept."""
        self._interrupt = Interrupt()
        self._api = WorkspaceApi(connections, self.watch, self._interrupt)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._terms: dict[str, Terms] = {}
        self._affordable: set[str] = set()
        """Ids of applies whose account was found to be able to pay for all of them."""
        self._done = threading.Event()
        self._end: Callable[[], None] = lambda: None
        self._lease_seconds = connections.settings.project.api.spend.lease_seconds

    def run(self) -> None:
        """Work until `stop`. Raises LedgerError if the queue cannot be used."""
        self._engine.prepare()
        renewer = threading.Thread(target=self._renew, name="claim renewer", daemon=True)
        renewer.start()
        loop = WorkerLoop(
            self._workspaces,
            self._options.concurrency,
            self.send,
            self.tick,
            self._options.tick_seconds,
            self._lease_seconds,
            self._tell_trouble,
            self._started,
            self.watch.metrics.job_recovered,
        )
        try:
            with self.watch.looking(self._connections.ledger(), self._connections.settings), self._refreshing():
                self._engine.run(loop)
        finally:
            self._done.set()
            renewer.join()
            self._api.close()

    def _refreshing(self) -> AbstractContextManager[None]:
        """Plan by schedules, if the worker was told how to read its project."""
        if self._options.project is None:
            return nullcontext()
        project = Project(self._options.project, self._connections.environment, self._tell_trouble)
        return Refresher(project, self._workspaces, self._connections.ledger(), self._engine.enqueue).at_work()

    def _started(self, end: Callable[[], None]) -> None:
        self._end = end
        if self._interrupt:
            end()

    def stop(self) -> None:
        """Finish the calls in flight and end; a second time, do not wait for them. For a signal handler."""
        self.watch.health.end()
        if self._interrupt:
            self._api.abandon()
        self._interrupt.set()
        self._end()

    def _renew(self) -> None:
        while not self._done.wait(self._lease_seconds / 4):
            with suppress(LedgerError):  # the next time it may work; until then the claims last
                self._applies.renew(tuple(self._claims), self._lease_seconds)

    @contextmanager
    def _claiming(self) -> Iterator[str]:
        """Yield an owner for this thread's claims; what is not concluded by the end is free once its lease runs out."""
        self._own.owner = owner = uuid.uuid4().hex
        self._claims.add(owner)
        try:
            yield owner
        finally:
            self._claims.discard(owner)

    # What the queue calls: neither raises anything.

    def send(self, job: SendJob) -> None:
        """Take one step with the units of a job that no other worker has."""
        self.watch.metrics.job_began("send", job.lag_seconds)
        try:
            if self._interrupt:
                return
            with self._claiming() as owner:
                units = self._applies.claim(job.apply_id, job.numbers, self._workspaces, owner, self._lease_seconds)
                if units:
                    self._attend("send", job.apply_id, units, self._work)
        except Exception as error:
            self._tell(error)

    def tick(self) -> None:
        """Look at the tables of units that are due for a look, and queue what can go on."""
        self.watch.health.beat()
        try:
            while not self._interrupt and self._look_at_due() == LOOKS_AT_ONCE:
                self.watch.health.beat()
        except Exception as error:
            self._tell(error)

    def _look_at_due(self) -> int:
        """Look after some of the units that are due for it; return how many."""
        with self._claiming() as owner:
            due = self._applies.claim_due(self._workspaces, owner, self._lease_seconds, LOOKS_AT_ONCE)
            by_apply: dict[str, list[Unit]] = {}
            for unit in due:
                by_apply.setdefault(unit.apply_id, []).append(unit)
            for apply_id, units in by_apply.items():
                self.watch.health.beat()
                try:
                    self._attend("look", apply_id, units, self._look)
                except Exception as error:  # the other applies are looked at all the same
                    self._tell(error)
            return len(due)

    def _attend(
        self, name: str, apply_id: str, units: Sequence[Unit], do: Callable[[SubmittedApply, Sequence[Unit]], None]
    ) -> None:
        """Do something with units of an apply, as a step of its trace."""
        apply = self._applies.find(apply_id)
        try:
            trace = self._terms_of(apply).trace
        except Corrupt as error:
            # No worker can carry it out, and it must not be looked at for ever.
            self._applies.stop(apply.id, Stop(StopCause.TROUBLE, error.message, error.hint))
            # What is left unsent is in the content, which a look has not: a step ends them.
            queued = [UnitOutcome(unit.number, Phase.QUEUED, self._lease_seconds, looked(unit)) for unit in units]
            is_look = name == "look"
            self._conclude(apply, queued if is_look else [self._given_up(apply, unit, error) for unit in units])
            return
        with steps.step(name, parent=trace, apply=apply.id, workspace=apply.workspace):
            do(apply, units)

    def _tell(self, error: Exception) -> None:
        if isinstance(error, ReconcilerError):
            self._tell_trouble(error.message)
        else:
            _LOG.exception("a worker met an unexpected error; the units are looked at again")
            self._tell_trouble(f"an unexpected {type(error).__name__}; the units are looked at again")

    def _look(self, apply: SubmittedApply, units: Sequence[Unit]) -> None:
        waiting = [unit for unit in units if unit.phase is Phase.WAITING]
        tables = {table for unit in waiting for table in unit.table_ids}
        finished: set[str] = set()
        try:
            statuses = self._api.reader(self._terms_of(apply), apply.workspace).read_statuses(tables) if tables else {}
            finished = {table for table, each in statuses.items() if not _is_running(each)}
        except ApiError as error:
            self._tell_trouble(error.message)
            if isinstance(error, Refused):
                # A step gets the same answer, and then stops the apply.
                self._api.forget_readers()
                finished = tables
        outcomes = []
        for unit in units:
            # Of several tables one may run for long, for others: now and then it is looked at all the same.
            is_ready = finished.issuperset(unit.table_ids) or (len(unit.table_ids) > 1 and unit.tries % 4 == 3)
            if unit.phase is Phase.WAITING and not (is_ready or unit.is_abandoned):
                outcomes.append(UnitOutcome(unit.number, Phase.WAITING, look_in(unit.tries), looked(unit)))
                continue
            # One that no worker had may only be far back in the queue: it is queued again less and less often.
            again = 0 if unit.phase is Phase.WAITING or unit.is_abandoned else looked(unit)
            seconds = self._lease_seconds * 2.0 ** min(again, MOST_DOUBLINGS)
            outcomes.append(UnitOutcome(unit.number, Phase.QUEUED, seconds, again or unit.tries))
        self._conclude(apply, outcomes)

    def _conclude(
        self, apply: SubmittedApply, outcomes: Sequence[UnitOutcome], found: BalanceRecord | None = None
    ) -> None:
        def enqueue(connection: object, units: Sequence[Unit]) -> None:
            self._engine.enqueue(connection, apply.workspace, units)

        is_over = self._applies.conclude(apply.id, outcomes, self._own.owner, enqueue, found)
        self._events.on_units(apply, outcomes)
        if is_over:
            self._tell_end(apply.id)

    def _tell_end(self, apply_id: str) -> None:
        """Report how an apply ended to the webhooks of this worker's project, and missing units to the log."""
        settings = self._connections.settings
        try:
            refuse_incomplete(self._applies.progress(apply_id))
            if not settings.project.notify:
                return
            report = report_of_apply(self._applies.find(apply_id), self._applies)
        except ReconcilerError as error:
            self._tell(error)
            return
        notify(report, None, settings, self._connections.environment, self._tell_trouble, Interrupt())

    # One step.

    def _work(self, apply: SubmittedApply, units: Sequence[Unit]) -> None:
        """Take a step with units together, or with each alone if one keeps the others from it."""
        try:
            outcomes, found = self._step(apply, units)
        except Exception as error:
            if len(units) > 1:
                for unit in units:
                    self._work(apply, [unit])
                return
            outcomes, found = [self._after(apply, units[0], error)], None
        self._conclude(apply, outcomes, found)

    def _after(self, apply: SubmittedApply, unit: Unit, error: Exception) -> UnitOutcome:
        """Return what becomes of a unit whose step failed before anything was sent."""
        may_pass = isinstance(error, ApiError | LedgerError | ErroredPlan) or not isinstance(error, ReconcilerError)
        may_pass = may_pass and not isinstance(error, Refused | Corrupt)
        if may_pass and self._interrupt:
            # Its reads were cut short; another worker reads at once.
            return UnitOutcome(unit.number, Phase.QUEUED, look_in(unit.tries), looked(unit))
        self._tell(error)
        if isinstance(error, Refused):
            self._api.forget_readers()
            self._applies.stop(apply.id, Stop(StopCause.REFUSED, error.message, error.hint))
        elif isinstance(error, LimitExceeded):
            # One process would have sent nothing at all.
            self._applies.stop(apply.id, Stop(StopCause.LIMIT, error.message, error.hint))
        if isinstance(error, ErroredPlan):
            may_pass = not self._api.lacks(self._terms_of(apply), apply.workspace, unit.table_ids)
        if may_pass:
            # Another apply's lease and the ledger's server are waited for as long as it takes.
            again = failed(unit, for_good=not isinstance(error, LedgerError))
            if again is not None:
                return again
        return self._given_up(apply, unit, error)

    def _given_up(self, apply: SubmittedApply, unit: Unit, error: Exception) -> UnitOutcome:
        return given_up(unit, error, {result.call.id for result in self._applies.calls(apply.id, unit.table_ids)})

    def _step(self, apply: SubmittedApply, units: Sequence[Unit]) -> tuple[list[UnitOutcome], BalanceRecord | None]:
        contents = {unit.number: UnitContent.of_bytes(unit.content) for unit in units}
        terms = self._terms_of(apply)
        targets, saved, base = together(list(contents.values()), terms.now(apply))
        saved.check_origin(self._connections.settings.api_url)
        settings = terms.applied_to(self._connections.settings, base)
        context = self._context(apply, terms, settings, growth_bounds(contents.values()))
        self._refuse_unaffordable(apply, terms, context)
        tables = {table: unit.number for unit in units for table in unit.table_ids}
        names = {each["value"]["metadata"]["name"]: n for n, of in contents.items() for each in of.documents}
        is_whole = any(each.whole for each in contents.values())
        earlier = self._applies.calls(apply.id, None if is_whole else tables)
        if is_whole:
            earlier = [each for each in earlier if each.call.table_id in tables or each.call.manifest in names]

        def part_of(call: Call) -> object:
            return tables.get(call.table_id, names.get(call.manifest))

        noted = [noted_in(unit) for unit in units]
        scope = StepScope(
            None if is_whole else frozenset(tables),
            part_of,
            frozenset(unit.number for unit, before in zip(units, noted, strict=True) if before is None),
        )
        step = apply_step(targets, context, saved, Earlier.of(earlier, filter(None, noted)), scope)
        if step.report.stop is not None and step.report.stop.cause in _STOPS_THE_APPLY:
            self._applies.stop(apply.id, step.report.stop)
        if step.report.stop is not None and step.report.stop.cause is StopCause.LEASED:
            self.watch.metrics.lease_lost()

        def complete(report: Report) -> Report:
            return judged(report, step.targets, context)

        around = Surroundings(settings.project.api.spend.shows_within_seconds, bool(self._interrupt), complete)
        outcomes = [outcome_of(unit, step, around, belongs(unit, contents[unit.number])) for unit in units]
        counts = tuple(each for each in step.counts if tables.get(each.table_id) in scope.first)
        return outcomes, BalanceRecord(step.looked_at, None, "", apply.plan_id, counts) if counts else None

    def _refuse_unaffordable(self, apply: SubmittedApply, terms: Terms, context: ApplyContext) -> None:
        """Stop an apply of which nothing was sent yet unless the account can pay for all of it. Raises ApiError."""
        if apply.id in self._affordable or apply.stop is not None:
            return
        try:
            refuse_unaffordable(apply, terms, context, self._applies)
        except LimitExceeded as error:
            self._tell(error)
            self._applies.stop(apply.id, Stop(StopCause.LIMIT, error.message, error.hint))
        self._affordable.add(apply.id)

    def _context(
        self, apply: SubmittedApply, terms: Terms, settings: Settings, bounds: dict[str, GrowthBound]
    ) -> ApplyContext:
        return ApplyContext(
            settings=settings,
            reader=self._api.reader(terms, apply.workspace),
            runner=WatchedRunner(self._api.sender(settings, apply.workspace).send, self.watch.metrics),
            ledger=self._connections.ledger(),
            actor=apply.actor,
            watcher=Witness(self.watch.events(apply.workspace, self._events.apply)),
            profile=self.watch.profile(),
            interrupt=self._interrupt,
            apply_id=apply.id,
            growth=bounds,
            pace=self._api.pace(terms, apply.workspace),
        )

    def _terms_of(self, apply: SubmittedApply) -> Terms:
        with self._lock:
            if apply.id not in self._terms:
                self._terms[apply.id] = terms_of(apply.content)
            return self._terms[apply.id]


def _is_running(status: TableStatus | ApiError) -> bool:
    """Return True if nothing would come of a look; what cannot be read is looked at, which says why."""
    return isinstance(status, TableStatus) and not status.is_finished
