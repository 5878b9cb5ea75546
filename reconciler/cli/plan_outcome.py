"""Files for a CI: the outputs of a plan as `key=value` lines, the reason why there is no plan, the page of the job."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from reconciler.cli.options import Decorated
from reconciler.documents.problems_file import problems_json
from reconciler.errors import ReconcilerError
from reconciler.model.report import ExitCode
from reconciler.operations.atomic_file import write_whole

problems = click.option(
    "--problems", metavar="FILE", type=click.Path(dir_okay=False), help="If it is refused, save why, as JSON."
)


def outputs(command: Decorated) -> Decorated:
    """Add `--outputs` and `--problems`."""
    return click.option(
        "--outputs", metavar="FILE", type=click.Path(dir_okay=False), help="Append `has-plan=true`, `cells=N` and more."
    )(problems(command))


def keep_problems(file: str | None, error: ReconcilerError) -> None:
    """Write what went wrong, if it is asked for."""
    if file is not None:
        write_whole(Path(file), problems_json(error))


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """Tells the end of a plan to the files that were named for it."""

    outputs: str | None
    problems: str | None

    def made(self, document: Callable[[], Mapping[str, Any]], code: int, *, is_saved: bool) -> None:
        """Write the outputs of a plan that was made; its document is built only if there is a file for them."""
        if self.outputs is None:
            return
        content = document()
        totals = content["totals"]
        self._append(
            {
                "has-plan": "true" if is_saved else "false",
                "has-changes": "true" if content["calls"] else "false",
                "calls": str(totals["calls"]),
                "cells": str(totals["cells"]),
                "credits": "unknown" if totals["credits"] is None else str(totals["credits"]),
                "plan-id": content["plan_id"],
                "exit-code": str(int(code)),
            }
        )

    def failed(self, error: ReconcilerError) -> None:
        """Tell that there is none, and why."""
        keep_problems(self.problems, error)
        self._append({"has-plan": "false", "has-changes": "false", "exit-code": str(ExitCode.of(error))})

    def _append(self, lines: Mapping[str, str]) -> None:
        if self.outputs is not None:
            append_outputs(self.outputs, lines)


def append_outputs(file: str, lines: Mapping[str, str]) -> None:
    """Append `key=value` lines, as a CI reads a step's outputs."""
    with Path(file).open("a", encoding="utf-8") as opened:
        opened.writelines(f"{name}={value}\n" for name, value in lines.items())


def append_summary(markdown: str) -> None:
    """Append to the page of the CI's job, if it has one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(markdown + "\n\n")
