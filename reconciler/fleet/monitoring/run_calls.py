"""The sending of run calls as a worker watches it: timed, and each call a step of its own."""

import time
from collections.abc import Callable
from typing import TypeAlias

from reconciler.fleet.monitoring.metrics import Metrics
from reconciler.fleet.monitoring.steps import Surroundings
from reconciler.model.attempt import Receipt
from reconciler.model.plan import Call

Send: TypeAlias = Callable[[Call, float], Receipt]
"""Sends a call by a deadline, once."""


class WatchedRunner:
    """Sends as another does, within the steps in which this was made, and from any thread."""

    def __init__(self, send: Send, metrics: Metrics, clock: Callable[[], float] = time.perf_counter) -> None:
        self._send = send
        self._metrics = metrics
        self._clock = clock
        self._within = Surroundings()

    def send(self, call: Call, begin_by: float) -> Receipt:
        """Send a call; return or raise what the other does."""
        began = self._clock()
        # The path's shape, as the names of spans are few; the table is an attribute.
        with self._within.step("POST /v1/tables/{id}/run", call=call.id, table=call.table_id):
            try:
                return self._send(call, begin_by)
            finally:
                self._metrics.call_took(self._clock() - began)
