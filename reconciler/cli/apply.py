"""`reconciler apply`."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from reconciler import looking, planfile, reconcile, reportfile, schema, sending
from reconciler import saved as saved_plan
from reconciler.clean import clean
from reconciler.cli import options
from reconciler.cli.connection import api_options, origin
from reconciler.cli.console import Console, exits
from reconciler.cli.progress import Reading, Waiting
from reconciler.cli.review import APPLY_FORMATS, answer_report
from reconciler.cli.writing import write_profile, write_whole
from reconciler.client import Reader, SpendClient
from reconciler.errors import PlanError, SettingsError, StalePlan
from reconciler.guard import tightest
from reconciler.history import CallState
from reconciler.ledger import open_ledger
from reconciler.observed import TableStatus
from reconciler.outcome import CallResult, Ending, Ticket
from reconciler.plan import Call, Plan
from reconciler.profiling import Phase, Profile
from reconciler.provenance import actor
from reconciler.render.plan_text import addressed, plan_text
from reconciler.render.report_text import report_text, result_text
from reconciler.report import Report, bought_cells
from reconciler.revision import held_to
from reconciler.saved import SavedPlan
from reconciler.sending import Interrupt, Tools, Watcher
from reconciler.settings import Settings


@click.command("apply")
@options.paths
@click.option(
    "--plan", "file", metavar="FILE", type=click.Path(dir_okay=False), help="Apply a saved plan, which approves it."
)
@click.option(
    "--plan-max-age",
    type=options.Duration(),
    default="24h",
    show_default=True,
    help="Refuse a saved plan older than this.",
)
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@click.option("--wait/--no-wait", default=None, help="Wait until the tables are idle. Default: on a terminal.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait no longer than this.")
@click.option(
    "--lease-timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=0.0,
    help="Wait this long for another apply to finish with a table. Default: not at all.",
)
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False), help="Save the report as JSON.")
@click.option("--format", "form", type=click.Choice(APPLY_FORMATS), default="text", help="How stdout is written.")
@options.targets
@options.limits
@options.detailed_exitcode
@options.profile
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    file: str | None,
    plan_max_age: float,
    yes: bool,
    wait: bool | None,
    timeout: float | None,
    lease_timeout: float,
    out: str | None,
    form: str,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
    max_credits: str | None,
    max_cells: str | None,
    limits: str | None,
    limits_from: str | None,
    detailed_exitcode: bool,
    profile: str | None,
) -> int:
    """Send the run calls that are due, each at most once.

    Shows the plan and asks first. Applying twice sends nothing the second time; a call that may have been paid for is
    never sent again. With --plan, sends what is still due of what the file lists, and nothing else.
    """
    if file is not None and (target or exclude):
        raise click.UsageError("--plan brings its own selection; --target and --exclude do not go with it")
    console = Console(context.obj)
    settings = console.settings(max_credits=max_credits, max_cells=max_cells, limits=limits)
    settings = held_to(limits_from, settings, paths)
    saved = None if file is None else _read_plan(Path(file), plan_max_age)
    if saved is not None:
        target, exclude = saved.include, saved.exclude
        saved.check_origin(settings.api_url)
        if saved.taken_at is not None:
            console.info(
                f"The plan was made from a snapshot of {clean(saved.taken_at)}; the live tables are read again."
            )
    spent = Profile()
    with spent.phase(Phase.MANIFESTS):
        wanted = looking.load(settings, paths, target, exclude)
    if saved is not None:
        saved.check_manifests(wanted.digest)
    screen = _Screen(console, settings, saved, as_text=form == "text", yes=yes)
    api = api_options(settings)
    # Until the report is out: a signal that comes late must not cost what the apply has to say.
    with interruptible() as interrupt:
        with (
            Reading(console) as reading,
            Reader(api, on_progress=reading.take) as reader,
            open_ledger(settings.ledger, interrupted=lambda: bool(interrupt)) as ledger,
        ):
            who, told = actor(os.environ, origin(settings).git), screen.watcher()
            tools = Tools(settings, reader, SpendClient(api), ledger, who, told, interrupt, lease_timeout, spent)
            is_waiting = wait if wait is not None else console.is_terminal
            wait_for = screen.waiting(tools, timeout) if is_waiting else None
            report = reconcile.apply(wanted, tools, screen.approve, saved, wait_for)
            cost = reader.cost()
        if profile is not None:
            write_profile(profile, spent.document("apply", cost, {"calls": len(report.results)}))
        code = report.exit_code(detailed=detailed_exitcode)
        content = reportfile.document(report, code)
        saved_as = json.dumps(content, indent=2, ensure_ascii=True)
        if out is not None:
            write_whole(Path(out), saved_as + "\n")
        if form == "json":
            console.answer(saved_as)
        elif form == "markdown":
            answer_report(console, content)
        else:
            console.answer(report_text(report, console.paint))
    return code


def _read_plan(path: Path, max_age_seconds: float) -> SavedPlan:
    """Read a plan file. Raises StalePlan for one that is not understood, OSError."""
    content = saved_plan.parse(path.read_text(encoding="utf-8", errors="replace"))
    problems = schema.problems("plan", content)
    if problems:
        raise StalePlan(
            f"the plan file is not understood: {problems[0].message}",
            hint="It was edited, or made by another version. Make a new plan and have that one approved.",
        )
    return saved_plan.read(content, datetime.now(UTC), max_age_seconds)


class _Screen:
    """The apply's side towards the person: the plan and the question, each call's line, the bar while waiting."""

    def __init__(
        self, console: Console, settings: Settings, saved: SavedPlan | None, *, as_text: bool, yes: bool
    ) -> None:
        self._console = console
        self._settings = settings
        self._saved = saved
        self._as_text = as_text
        self._yes = yes
        self._width = 0
        self._bar: Waiting | None = None

    def approve(self, plan: Plan) -> str:
        """Show the plan and have it approved; return its id. Raises PlanError, SettingsError or click.Abort."""
        self._width = max((len(addressed(call)) for call in plan.calls), default=0)
        allowed = tightest(self._settings.limits, self._settings.floor)
        text = plan_text(plan, allowed, (), self._console.paint, is_preview=False)
        if self._as_text:
            self._console.answer(text + "\n")
        if self._saved is not None:
            return self._saved.plan_id
        if plan.calls and not self._yes:
            if not (sys.stdin.isatty() and self._console.is_terminal):
                raise SettingsError("there is no terminal to ask on", hint="Look at `reconciler plan`, then use --yes.")
            if not self._as_text:
                click.echo(text + "\n", err=True)
            if not click.confirm("Send these calls?", err=True):
                raise PlanError("the plan was not approved; nothing was sent")
        plan_id: str = planfile.document(plan, origin(self._settings))["plan_id"]
        return plan_id

    def watcher(self) -> Watcher:
        """Return what the apply tells its progress to."""
        return Watcher(self._result, self._poll, self._unrecorded, self._trouble)

    def waiting(self, tools: Tools, timeout: float | None) -> Callable[[Report], Report]:
        """Return what waits for a wave, with a bar or plain lines; all waves together have `timeout` seconds."""
        waited = 0.0

        def wait(report: Report) -> Report:
            nonlocal waited
            began = time.monotonic()
            awaited = [result for result in report.in_state(CallState.ACCEPTED) if result.settlement is None]
            cells = sum(map(bought_cells, awaited))
            with Waiting(self._console, cells) as self._bar:
                found = sending.wait(report, tools, None if timeout is None else max(0.0, timeout - waited))
            waited += time.monotonic() - began
            return found

        return wait

    def _result(self, result: CallResult) -> None:
        if self._as_text:
            self._console.answer(result_text(result, self._width, self._console.paint))

    def _poll(self, statuses: Mapping[str, TableStatus]) -> None:
        if self._bar is not None:
            self._bar.poll(statuses)

    def _unrecorded(self, call: Call, ticket: Ticket, ending: Ending) -> None:
        record = {
            "call": call.id,
            "attempt": ticket.attempt,
            "address": call.address,
            "table_id": call.table_id,
            "cells": call.cells,
            **asdict(ending),
        }
        self._console.error(
            f"the ledger did not keep this outcome; keep it yourself: {json.dumps(record)}",
            "Once the ledger can be written, end the doubt with `reconciler ledger resolve`.",
        )

    def _trouble(self, message: str) -> None:
        self._console.info(message)


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Turn the first SIGINT or SIGTERM into a polite stop; a second one stops at once."""
    interrupt = Interrupt()

    def polite(_signal: int, _frame: FrameType | None) -> None:
        if interrupt:
            raise KeyboardInterrupt
        interrupt.set()
        click.echo("\nreconciler: stopping once the call in flight has ended", err=True)

    before = {number: signal.signal(number, polite) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
