"""The report of an apply that fails unexpectedly after it has begun to send."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TypeVar

from reconciler.errors import ReconcilerError
from reconciler.model.attempt import CallResult, Ending, Stop, StopCause, Ticket
from reconciler.model.budget import BudgetUse
from reconciler.model.observed import TableStatus
from reconciler.model.plan import Call, CallInDoubt, Plan
from reconciler.model.report import Report
from reconciler.operations.apply_events import ApplyEvents, Interrupt

Told = TypeVar("Told")

_LOG = logging.getLogger("reconciler")


class Witness:
    """Passes on the events of an apply and notes them, so that a report can be made even if the apply fails."""

    def __init__(self, events: ApplyEvents) -> None:
        self._events = events
        self._plan_id = ""
        self._in_doubt: tuple[CallInDoubt, ...] = ()
        """Of the approved plan."""
        self.budgets: tuple[BudgetUse, ...] = ()
        """Those that the approved plan takes from."""
        self._results: list[CallResult] = []
        self._unrecorded: list[str] = []

    def approved(self, plan_id: str, plan: Plan) -> str:
        """Note the approved plan; return its id."""
        self._plan_id, self._in_doubt = plan_id, plan.in_doubt
        self.budgets = plan.budgets
        return plan_id

    def on_result(self, result: CallResult) -> None:
        """Note the result of a call."""
        self._results.append(result)
        self._call(self._events.on_result, result)

    def waiting(self, cells: int) -> AbstractContextManager[object]:
        """Return a context manager to enter while waiting for a wave with that many cells."""
        return self._events.waiting(cells)

    def on_poll(self, statuses: Mapping[str, TableStatus]) -> None:
        """Pass on the tables' status."""
        self._call(self._events.on_poll, statuses)

    def on_unrecorded(self, call: Call, ticket: Ticket, ending: Ending) -> None:
        """Note an outcome that the ledger could not record, and pass its record on for a person to keep."""
        self._unrecorded.append(call.id)
        record = {
            "call": call.id,
            "attempt": ticket.attempt,
            "address": call.address,
            "table_id": call.table_id,
            "cells": call.cells,
            **asdict(ending),
        }
        self._call(self._events.on_unrecorded, json.dumps(record))

    def on_trouble(self, message: str) -> None:
        """Pass on a failure that does not change what was spent."""
        self._call(self._events.on_trouble, message)

    def _call(self, callback: Callable[[Told], None], told: Told) -> None:
        """Call a callback. One that raises must not keep the outcomes of other calls out of the report."""
        try:
            callback(told)
        except Exception:
            _LOG.exception("a callback of the apply raised; the apply goes on")

    def report_of(self, work: Callable[[], Report], interrupt: Interrupt) -> Report:
        """Do the work of an apply; once it sends, every failure is in the report. Before, raises as `work` does."""
        try:
            return work()
        except Exception as error:
            if not interrupt.is_sending:
                raise
            return self._report(error)

    def _report(self, error: Exception) -> Report:
        """Return a report of what is known, with the error as the reason why the apply stopped."""
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
