"""What is kept of an apply that fails in a way nobody foresaw, once it had begun to send."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from reconciler.errors import ReconcilerError
from reconciler.model.attempt import CallResult, Ending, Stop, StopCause, Ticket
from reconciler.model.plan import Call, CallInDoubt
from reconciler.model.report import Report


class Witness:
    """Notes what an apply tells as it goes, so that its report can be made without it."""

    def __init__(self) -> None:
        self.plan_id = ""
        self.in_doubt: Sequence[CallInDoubt] = ()
        """Of the plan that was approved."""
        self._results: list[CallResult] = []
        self._unrecorded: list[str] = []

    def see(self, result: CallResult) -> None:
        """Note what became of a call."""
        self._results.append(result)

    def lose(self, call: Call, ticket: Ticket, ending: Ending) -> str:
        """Note an outcome that the ledger did not keep; return its record as JSON, for a person to keep."""
        self._unrecorded.append(call.id)
        record = {
            "call": call.id,
            "attempt": ticket.attempt,
            "address": call.address,
            "table_id": call.table_id,
            "cells": call.cells,
            **asdict(ending),
        }
        return json.dumps(record)

    def report(self, error: Exception) -> Report:
        """Return what is known, with the error as what stopped the apply."""
        if isinstance(error, ReconcilerError):
            stop = Stop(StopCause.TROUBLE, error.message, error.hint)
        else:
            hint = "Report it as a bug. `reconciler ledger list` shows what was recorded."
            stop = Stop(StopCause.TROUBLE, f"an unexpected {type(error).__name__} ended the apply", hint)
        return Report(
            self.plan_id,
            tuple(self._results),
            stop,
            in_doubt=tuple(self.in_doubt),
            unrecorded=tuple(self._unrecorded),
        )
