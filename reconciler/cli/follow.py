"""`reconciler follow`."""

import time
from contextlib import ExitStack

import click

from reconciler import Session
from reconciler.cli import options
from reconciler.cli.apply import interruptible
from reconciler.cli.console import Console, exits
from reconciler.cli.pages import without_stdout
from reconciler.cli.receipt import Receipt, outlet
from reconciler.cli.session import open_session, say_where
from reconciler.fleet.fleet import Fleet
from reconciler.model.report import ExitCode
from reconciler.model.submitted import ApplyProgress, Phase
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

PATIENCE_SECONDS = 10.0
"""After which it is said that no worker is at work on an apply."""


@click.command("follow")
@click.argument("apply_id", metavar="APPLY")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Exit 8 if it still runs after this.")
@options.report_files
@click.option(
    "--format", "form", type=click.Choice(options.APPLY_FORMATS), default="text", help="How stdout is written."
)
@click.pass_context
@exits
def command(context: click.Context, /, apply_id: str, timeout: float | None, out: tuple[str, ...], form: str) -> int:
    """Follow a submitted apply to its receipt.

    Waits until it is over and gives the report and the exit code that `apply` would have given. Changes nothing, so it
    may be ended and started again: exit 8 says that the apply still runs.
    """
    console = Console(context.obj)
    out, form = without_stdout(out, form)
    with open_session(console) as session:
        say_where(console, session)
        return follow(console, session, apply_id, timeout, form, out)


def follow(
    console: Console,
    session: Session,
    apply_id: str,
    timeout: float | None = None,
    form: str = "text",
    outs: tuple[str, ...] = (),
) -> int:
    """Follow an apply, and write its receipt, also to the files `outs`; return the exit code."""
    shown = _Progress(console)
    with ExitStack() as opened:
        outlets = {path: opened.enter_context(outlet("--out", path, session.own_files())) for path in outs}
        with interruptible(console) as interrupt:
            try:
                report = Fleet(session).follow(
                    apply_id,
                    timeout_seconds=timeout,
                    on_progress=shown.take,
                    on_trouble=shown.tell_trouble,
                    interrupt=interrupt,
                )
            except KeyboardInterrupt:
                report = None
        if report is None:
            shown.tell_unattended()
            console.info(f"Apply {apply_id} still runs: follow it again.")
            return ExitCode.RUNNING
        code = report.exit_code()
        receipt = Receipt(console, report, code)
        if form == "text":
            receipt.tell_troubles()
        receipt.give(form, outlets)
    return code


class _Progress:
    """A line each time that more units have ended; and one if no worker comes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._over = -1
        self._unattended: ApplyProgress | None = None
        self._since = 0.0
        self._is_told = False
        self._trouble = ""

    def take(self, progress: ApplyProgress) -> None:
        self._trouble = ""
        if not progress.is_unattended:
            self._unattended = None
        elif self._unattended is None:
            self._unattended, self._since = progress, time.monotonic()
        elif time.monotonic() - self._since >= PATIENCE_SECONDS:
            self.tell_unattended()
        over = sum(count for phase, count in progress.units.items() if phase.is_over)
        total = sum(progress.units.values())
        if over != self._over:
            self._over = over
            waiting = progress.units.get(Phase.WAITING, 0)
            said = f"{over:,} of {counted(total, 'unit')} ended, {waiting:,} waiting"
            self._console.info(f"{said}.", event="progress", units=total, ended=over, waiting=waiting)

    def tell_trouble(self, trouble: str) -> None:
        """Say what keeps the ledger from being read, once for as long as it is the same."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._console.info(f"{trouble}; trying again", event="trouble")

    def tell_unattended(self) -> None:
        """Say once that no worker is at work on it, if none is."""
        if self._unattended is not None and not self._is_told:
            self._is_told = True
            workspace = one_line(self._unattended.apply.workspace)
            said = f"No worker is at work on it. If there is none: `reconciler worker --workspace {workspace}`."
            self._console.info(said, event="unattended")
