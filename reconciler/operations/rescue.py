"""What is kept of an apply that fails in a way nobody foresaw, once it had begun to send."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict

from reconciler.errors import ReconcilerError
from reconciler.model.attempt import CallResult, Ending, Stop, StopCause, Ticket
from reconciler.model.observed import TableStatus
from reconciler.model.plan import Call, CallInDoubt, Plan
from reconciler.model.report import Report
from reconciler.operations.apply_events import ApplyEvents, Interrupt


class Witness:
    """Passes on what an apply tells as it goes, and notes it, so that its report can be made without it."""

    def __init__(self, events: ApplyEvents) -> None:
        self._events = events
        self._plan_id = ""
        self._in_doubt: tuple[CallInDoubt, ...] = ()
        """Of the plan that was approved."""
        self._results: list[CallResult] = []
        self._unrecorded: list[str] = []

    def approved(self, plan_id: str, plan: Plan) -> str:
        """Note what was approved; return the plan's id."""
        self._plan_id, self._in_doubt = plan_id, plan.in_doubt
        return plan_id

    def on_result(self, result: CallResult) -> None:
        """Note what became of a call."""
        self._results.append(result)
        self._events.on_result(result)

    def waiting(self, cells: int) -> AbstractContextManager[object]:
        """Return what is entered while a wave of so many cells is waited for."""
        return self._events.waiting(cells)

    def on_poll(self, statuses: Mapping[str, TableStatus]) -> None:
        """Pass on how the tables stand."""
        self._events.on_poll(statuses)

    def on_unrecorded(self, call: Call, ticket: Ticket, ending: Ending) -> None:
        """Note an outcome that the ledger did not keep, and pass its record on, for a person to keep."""
        self._unrecorded.append(call.id)
        record = {
            "call": call.id,
            "attempt": ticket.attempt,
            "address": call.address,
            "table_id": call.table_id,
            "cells": call.cells,
            **asdict(ending),
        }
        self._events.on_unrecorded(json.dumps(record))

    def on_trouble(self, message: str) -> None:
        """Pass on what went wrong without changing what was spent."""
        self._events.on_trouble(message)

    def report_of(self, work: Callable[[], Report], interrupt: Interrupt) -> Report:
        """Do the work of an apply; once it sends, whatever goes wrong is in the report. Before, raises what it does."""
        try:
            return work()
        except Exception as error:
            if not interrupt.is_sending:
                raise
            return self._report(error)

    def _report(self, error: Exception) -> Report:
        """Return what is known, with the error as what stopped the apply."""
        if isinstance(error, ReconcilerError):
            stop = Stop(StopCause.TROUBLE, error.message, error.hint)
        else:
            hint = "Report it as a bug. `reconciler ledger list` shows what was recorded."
            stop = Stop(StopCause.TROUBLE, f"an unexpected {type(error).__name__} ended the apply", hint)
        return Report(
            self._plan_id,
            tuple(self._results),
            stop,
            in_doubt=self._in_doubt,
            unrecorded=tuple(self._unrecorded),
        )
