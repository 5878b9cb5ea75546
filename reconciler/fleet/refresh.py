"""Schedules: at each date one worker plans the project and submits the plan, under the standing approval in its file.

Nothing is cut down to fit: a plan over the cap or over a limit is refused as a whole, and told. A date is planned again
until it was submitted, refused, or found to need nothing, or until the next date takes its place.
"""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from math import inf

from reconciler.errors import ErroredPlan, LimitExceeded, ReconcilerError, StalePlan
from reconciler.fleet.monitoring.steps import step
from reconciler.fleet.pace import SharedPace
from reconciler.fleet.submit import Destination, Queue, submit_plan
from reconciler.ledger import Ledger, schedules
from reconciler.ledger.schedules import Schedules
from reconciler.manifests.calendar import dates
from reconciler.model.limits import BaseLimits
from reconciler.model.manifest import Calendar
from reconciler.model.schedule import Schedule, Tick
from reconciler.operations.apply_events import Interrupt
from reconciler.operations.permit import refuse_violations
from reconciler.operations.session import Session
from reconciler.settings.settings import Settings
from reconciler.spending.elapsed import elapsed
from reconciler.spending.limits_check import effective_limits

LOOK_SECONDS = 15.0
"""Between two looks at the calendars."""
CLAIM_SECONDS = 300.0
"""How long a claim on a date lasts without renewal; after that, another worker may plan the date."""
RENEW_SECONDS = CLAIM_SECONDS / 4
"""Between two renewals of a claim."""


@dataclass(frozen=True, slots=True)
class Project:
    """The project that schedules plan, as it is on this machine."""

    settings: Callable[[], Settings]
    """Reads the project file again: a checkout is updated while workers run. Raises SettingsError, ManifestError."""
    environment: Mapping[str, str]
    tell: Callable[[str], None]


class Refresher:
    """Plans what is due by the calendars of a project, for some workspaces."""

    def __init__(self, project: Project, workspaces: tuple[str, ...], ledger: Ledger, queue: Queue) -> None:
        self._project = project
        self._workspaces = workspaces
        self._ledger = ledger
        self._queue = queue
        self._owner = uuid.uuid4().hex
        self._interrupt = Interrupt()
        self._troubles: dict[str, str] = {}
        """Schedule → the trouble that was told last."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Look at the calendars again and again, in a thread, within a `with` block."""
        done = threading.Event()

        def look() -> None:
            while not done.wait(LOOK_SECONDS):
                self.look()

        thread = threading.Thread(target=look, name="schedules", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            self._interrupt.set()

    def look(self) -> None:
        """Plan what is due now; raises nothing."""
        try:
            settings = self._project.settings()
        except Exception as error:
            self._tell("", error)
            return
        for schedule in settings.project.schedules:
            if schedule.workspace in self._workspaces:
                try:
                    self._look_at(schedule, settings)
                    self._troubles.pop(schedule.key, None)
                except Exception as error:  # those after it are not to wait for it
                    self._tell(schedule.key, error)
        self._troubles.pop("", None)

    def _look_at(self, schedule: Schedule, settings: Settings) -> None:
        known = self._ledger.schedules
        tick = known.claim(schedule, partial(last_date, schedule.at), self._owner, CLAIM_SECONDS)
        if tick is None:
            return
        own = replace(settings, limits=effective_limits(settings.limits, BaseLimits(schedule.cap, ())))
        with (
            step("refresh", schedule=schedule.key, workspace=schedule.workspace),
            Session(own, self._project.environment, tell=self._project.tell) as session,
        ):
            rate = settings.project.api.requests_per_second
            pace = SharedPace(self._ledger.rates, schedule.workspace, rate, self._interrupt)
            session.connections.admit = _ClaimedPace(pace, known, tick).admit
            try:
                outcome = self._plan(schedule, tick, session)
            except LimitExceeded as error:
                known.end(tick, f"refused: {error.message}")
                session.notify(error)
                raise
            except StalePlan:
                if tick.date <= known.last()[schedule.key][0]:
                    return  # another worker was faster
                raise
            if outcome:
                known.end(tick, outcome)
                self._project.tell(f"Schedule {schedule.name}: {outcome}.")

    def _plan(self, schedule: Schedule, tick: Tick, session: Session) -> str:
        """Plan and submit, which ends the date; return how it ended otherwise.

        Raises LimitExceeded if it costs too much, StalePlan if another worker came first, and what a plan raises.
        """
        plan = session.plan(target=schedule.target)
        if plan.errored:
            raise ErroredPlan(plan.diagnostics)
        refuse_violations(plan.violations, f"by the schedule {schedule.name}, before anything was submitted")
        if not plan.calls:
            return "nothing was due"
        to = Destination(schedule.workspace, self._queue, lambda tx, apply: schedules.end(tx, tick, apply))
        apply_id = submit_plan(session, session.document(plan), (), inf, to)
        self._project.tell(f"Schedule {schedule.name}: submitted {apply_id}.")
        return ""

    def _tell(self, key: str, error: Exception) -> None:
        """Tell of a trouble, once for as long as it is the same; of none that the worker's end makes."""
        if self._interrupt:
            return
        said = error.message if isinstance(error, ReconcilerError) else f"an unexpected {type(error).__name__}"
        if self._troubles.get(key) != said:
            self._troubles[key] = said
            what = f"the schedule {key}" if key else "by the schedules of the project"
            self._project.tell(f"Could not plan {what}: {said}")


class _ClaimedPace:
    """The workspace's rate for the requests of a plan, which may take longer than the claim on its date lasts."""

    def __init__(self, pace: SharedPace, known: Schedules, tick: Tick) -> None:
        self._pace = pace
        self._known = known
        self._tick = tick
        self._renewed_at = elapsed()

    def admit(self) -> None:
        """Wait until a request may be sent, and keep the claim. Raises NotSent at the worker's end, LedgerError."""
        now = elapsed()
        if now - self._renewed_at >= RENEW_SECONDS:
            self._renewed_at = now
            self._known.renew(self._tick, CLAIM_SECONDS)
        self._pace.admit_read()


def last_date(at: Calendar, now: float) -> float | None:
    """Return a calendar's last date up to a time, both in seconds since the epoch."""
    found = dates(at, datetime.fromtimestamp(now, UTC)).last
    return None if found is None else found.timestamp()
