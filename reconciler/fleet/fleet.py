"""The face of many machines for Python: an apply handed to workers, and followed to its receipt."""

import importlib
import re
import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.errors import LedgerError, SettingsError
from reconciler.fleet.receipt import report_of_apply
from reconciler.fleet.submit import Destination, submit
from reconciler.ledger.applies import Applies
from reconciler.model.attempt import Stop, StopCause
from reconciler.model.report import Report
from reconciler.model.submitted import WORKSPACE, ApplyProgress
from reconciler.operations.apply_events import Interrupt
from reconciler.operations.session import A_DAY_SECONDS, Named, Session, Several
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

if TYPE_CHECKING:
    from reconciler.fleet.worker import Worker, WorkerEvents, WorkerOptions

DEFAULT_WORKSPACE = "default"
POLL_SECONDS = 1.0


class Fleet:
    """Many machines that carry out applies together, on a ledger on PostgreSQL. Needs the extra `worker`.

    Every method may raise LedgerError, and SettingsError if the ledger is a file or the extra is not installed.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def submit(
        self,
        plan: Named,
        paths: Several = (),
        *,
        workspace: str = DEFAULT_WORKSPACE,
        max_age_seconds: float = A_DAY_SECONDS,
        on_commit: Callable[[str], None] = lambda _: None,
    ) -> str:
        """Hand the file of a saved plan, which is the approval, to the workers of a workspace; return the apply's id.

        Needs no token. Raises StalePlan if the manifests are not those that were approved, and LimitExceeded.
        `on_commit` is called with the id when only the commit is left: until then nothing was submitted, and if this
        raises after it, `was_submitted` tells.
        """
        _require_workspace(workspace)
        engine = self._engine()
        engine.prepare()
        to = Destination(workspace, engine.enqueue, on_commit=on_commit)
        return submit(self._session, Path(plan), paths, max_age_seconds, to)

    def was_submitted(self, apply_id: str) -> bool:
        """Say whether a commit that was not answered took place."""
        return self._applies().was_submitted(apply_id)

    def worker(self, options: "WorkerOptions", events: "WorkerEvents | None" = None) -> "Worker":
        """Return a worker of this machine. Raises SettingsError without a token, LedgerError without a ledger."""
        for workspace in options.workspaces:
            _require_workspace(workspace)
        engine = self._engine()
        module = importlib.import_module("reconciler.fleet.worker")
        self._session.connections.reader()  # says at once what is wrong with the token and the address
        self.listed(1)  # and this if the ledger is missing or of another version
        worker: Worker = module.Worker(self._session.connections, engine, options, events or module.WorkerEvents())
        return worker

    def progress(self, apply_id: str) -> ApplyProgress:
        """Return how far an apply is."""
        return self._applies().progress(apply_id)

    def listed(self, most: int = 50) -> list[ApplyProgress]:
        """Return the newest applies, the newest first."""
        return self._applies().listed(most)

    def stop(self, apply_id: str, reason: str) -> bool:
        """Stop an apply on every machine: when this returns, none of its calls begins any more.

        Calls under way end, and what was bought is waited for. Returns False if it was stopped before, or was over.
        """
        actor = self._session.connections.actor()
        return self._applies().stop(
            self.progress(apply_id).apply.id, Stop(StopCause.INTERRUPTED, f"stopped by {actor.name}: {reason}")
        )

    def follow(
        self,
        apply_id: str,
        *,
        timeout_seconds: float | None = None,
        on_progress: Callable[[ApplyProgress], None] = lambda _: None,
        on_trouble: Callable[[str], None] = lambda _: None,
        interrupt: Interrupt | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> Report | None:
        """Wait until an apply is over, and return its report; None if it still runs after the time. Changes nothing.

        A ledger that cannot be read for a while, once it was, is told to `on_trouble` and read again.
        """
        until = inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        interrupt = Interrupt() if interrupt is None else interrupt
        is_known = False
        while True:
            try:
                progress = self.progress(apply_id)
                is_known = True
                on_progress(progress)
                if progress.is_over:
                    return self.report(apply_id)
            except LedgerError as error:
                if not is_known or error.code != Code.UNREADABLE_LEDGER:
                    raise
                on_trouble(error.message)
            left = until - time.monotonic()
            if left <= 0 or interrupt:
                return None
            interrupt.sleep(min(poll_seconds, left))

    def report(self, apply_id: str) -> Report:
        """Return the report of an apply that is over, from the ledger."""
        applies = self._applies()
        apply = applies.find(apply_id)
        return report_of_apply(apply, applies)

    def _applies(self) -> Applies:
        self._arguments()
        return self._session.connections.ledger().applies

    def _arguments(self) -> dict[str, Any]:
        ledger = self._session.connections.ledger()
        arguments = ledger.server
        if arguments is None:
            raise SettingsError(
                f"several machines need a ledger that they share, and this one is a file: {ledger.location}",
                hint="Name one on PostgreSQL: RECONCILER_LEDGER=postgresql://… (`reconciler ledger init` creates it).",
                code=Code.UNUSABLE_LEDGER,
            )
        return arguments

    def _engine(self) -> Any:
        arguments = self._arguments()
        try:
            module = importlib.import_module("reconciler.fleet.engine")
        except ModuleNotFoundError as error:
            if error.name is not None and error.name.partition(".")[0] == "reconciler":
                raise
            raise SettingsError(
                "workers need the job queue Procrastinate, which is not installed",
                hint="pip install 'extruct-reconciler[worker]'",
            ) from None
        return module.Engine(arguments)


def _require_workspace(name: str) -> None:
    if not re.fullmatch(WORKSPACE, name):
        hint = "Up to 63 letters and digits, with `.`, `_` and `-` between them."
        raise SettingsError(f"`{one_line(name, 40)}` is not the name of a workspace", hint=hint)
