"""`reconciler follow`."""

from contextlib import ExitStack

import click

from reconciler import Session
from reconciler.cli import options
from reconciler.cli.apply import interruptible
from reconciler.cli.ci_output import APPLY_FORMATS
from reconciler.cli.console import Console, exits
from reconciler.cli.pages import without_stdout
from reconciler.cli.receipt import Receipt, outlet
from reconciler.cli.session import open_session, say_where
from reconciler.fleet.fleet import Fleet
from reconciler.model.report import ExitCode
from reconciler.model.submitted import ApplyProgress, Phase
from reconciler.text.numbers import counted


@click.command("follow")
@click.argument("apply_id", metavar="APPLY")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Exit 8 if it still runs after this.")
@options.report_files
@click.option("--format", "form", type=click.Choice(APPLY_FORMATS), default="text", help="How stdout is written.")
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
                    apply_id, timeout_seconds=timeout, on_progress=shown.take, interrupt=interrupt
                )
            except KeyboardInterrupt:
                report = None
        if report is None:
            console.info(f"Apply {apply_id} still runs: follow it again.")
            return ExitCode.RUNNING
        code = report.exit_code()
        Receipt(console, report, code).give(form, outlets)
    return code


class _Progress:
    """A line each time that more units have ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._over = -1

    def take(self, progress: ApplyProgress) -> None:
        over = sum(count for phase, count in progress.units.items() if phase.is_over)
        total = sum(progress.units.values())
        if over != self._over:
            self._over = over
            waiting = progress.units.get(Phase.WAITING, 0)
            said = f"{over:,} of {counted(total, 'unit')} ended, {waiting:,} waiting"
            self._console.info(f"{said}.", event="progress", units=total, ended=over, waiting=waiting)
