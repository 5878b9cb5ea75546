"""How a worker is watched: it tells figures and health here, and a thread reads the standing of all the work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from reconciler.errors import LedgerError, TooNew
from reconciler.fleet.monitoring.health import Health
from reconciler.fleet.monitoring.metrics import Metrics
from reconciler.fleet.monitoring.server import MonitoringServer
from reconciler.ledger import Ledger
from reconciler.model.attempt import CallResult
from reconciler.operations.apply_events import ApplyEvents
from reconciler.operations.profile import Arguments, Phase, Profile, Result
from reconciler.settings.settings import Settings
from reconciler.spending.budgets import shared_budgets

LOOK_SECONDS = 15.0
"""Between two readings of the standing."""


class Watch:
    """Everything that is told to those who watch a worker. Safe to share between threads."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.health = Health()

    def server(self, host: str, port: int) -> MonitoringServer:
        """Return what serves it over HTTP within a `with` block; it listens at once. Raises OSError."""
        return MonitoringServer(host, port, self.metrics, self.health)

    @contextmanager
    def looking(self, ledger: Ledger, settings: Settings) -> Iterator[None]:
        """Read the standing of the work again and again within a `with` block."""
        done = threading.Event()

        def look() -> None:
            self.look(ledger, settings)
            while not done.wait(LOOK_SECONDS):
                self.look(ledger, settings)

        thread = threading.Thread(target=look, name="standing", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def look(self, ledger: Ledger, settings: Settings) -> None:
        """Read the standing once. It is the same question, by time and by store, as that for work."""
        spend = settings.project.api.spend
        try:
            standing = ledger.standing(shared_budgets(settings.limits), spend.send_within_seconds + spend.call_seconds)
        except TooNew as error:
            self.health.note("schema", error.message)
        except LedgerError:
            return  # `/readyz` and the figures say so, as time goes by
        else:
            self.health.note("schema")
            self.metrics.show(standing)
            self.health.fetched()

    def on_answer(self, workspace: str) -> Callable[[str, int | None], None]:
        """Return what hears of each request to the API for a workspace."""
        return partial(self._answered, workspace)

    def _answered(self, workspace: str, method: str, status: int | None) -> None:
        self.metrics.api_answered(workspace, method, status)
        if status == 401:
            self.health.note("token", f"refused for workspace {workspace}")
        elif status is not None and status < 300:
            self.health.note("token")

    def events(self, workspace: str, told: ApplyEvents) -> ApplyEvents:
        """Return the events of an apply with their figures counted."""

        def on_result(result: CallResult) -> None:
            self.metrics.call_ended(workspace, result)
            told.on_result(result)

        return replace(told, on_result=on_result)

    def profile(self) -> Profile:
        """Return what times the writes of an apply."""
        return _TimedWrites(self.metrics)


class _TimedWrites(Profile):
    """Also tells how long each record of an intent or an outcome took."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def timed(self, phase: Phase, do: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """Return `do`, its time counted."""
        counted = super().timed(phase, do)
        if phase is not Phase.LEDGER:
            return counted

        def timed(*arguments: Arguments.args, **more: Arguments.kwargs) -> Result:
            began = self._clock()
            try:
                return counted(*arguments, **more)
            finally:
                self._metrics.ledger_write_took(self._clock() - began)

        return timed
