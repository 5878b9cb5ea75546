"""Where a command's time went, for a user to report: `--profile FILE` of `plan` and `apply`."""

import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import Any, ParamSpec, TypeVar

from reconciler.model.plan import Plan
from reconciler.model.reading import ReadCost
from reconciler.version import __version__

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

FORMAT_VERSION = "1.0"


class Phase(StrEnum):
    """A part of a command's work; the values are keys of the profile."""

    MANIFESTS = "manifests"
    """Reading and checking YAML."""
    LEDGER = "ledger"
    """Reading, leasing, and recording intents and outcomes; summed over concurrent calls."""
    READING = "reading"
    """Live tables, from the first request to the last snapshot; `plan` decides meanwhile about those that it has."""
    PLANNING = "planning"
    """Making a plan, but for what `plan` does while it reads."""
    SENDING = "sending"
    """Run calls in flight; summed over concurrent calls."""
    WAITING = "waiting"
    """Until the tables that were run are idle, including the last read of their cells."""
    WRITING = "writing"
    """The answer and the plan file."""


class Profile:
    """Adds up seconds by phase. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = clock()
        self._seconds = dict.fromkeys(Phase, 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Count the time of a `with` block."""
        began = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[phase] += self._clock() - began

    def timed(self, phase: Phase, do: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """Return `do`, its time counted."""

        def timed(*arguments: Arguments.args, **more: Arguments.kwargs) -> Result:
            with self.phase(phase):
                return do(*arguments, **more)

        return timed

    def document(self, command: str, reading: ReadCost, sizes: Mapping[str, int]) -> dict[str, Any]:
        """Return the profile as JSON: versions, seconds, the cost of reading, and the amount of work. No ids."""
        return {
            "format_version": FORMAT_VERSION,
            "tool_version": __version__,
            "python": platform.python_version(),
            "command": command,
            "seconds": round(self._clock() - self._began, 6),
            "phases": {phase.value: round(seconds, 6) for phase, seconds in self._seconds.items()},
            "reading": {
                key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(reading).items()
            },
            "sizes": dict(sizes),
        }


def sizes_of(plan: Plan) -> dict[str, int]:
    """Return the size of a plan: tables, their rows, the cells of their output columns, calls, due cells."""
    tables = {table.table_id: table for table in plan.tables}.values()
    return {
        "tables": len(tables),
        "rows": sum(table.rows for table in tables),
        "cells": sum(table.output_cells for table in tables),
        "calls": len(plan.calls),
        "due_cells": sum(call.cells for call in plan.calls),
    }
