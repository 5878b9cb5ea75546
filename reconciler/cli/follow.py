"""`reconciler follow`."""

from contextlib import ExitStack

import click

from reconciler import Session
from reconciler.cli.apply import interruptible
from reconciler.cli.ci_output import APPLY_FORMATS
from reconciler.cli.console import Console, exits
from reconciler.cli.receipt import Receipt, outlet
from reconciler.cli.session import open_session, say_where
from reconciler.fleet.fleet import Fleet
from reconciler.model.report import ExitCode
from reconciler.model.submitted import ApplyProgress, Phase
from reconciler.text.numbers import counted


@click.command("follow")
@click.argument("apply_id", metavar="APPLY")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Exit 8 if it still runs after this.")
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False), help="Save the report as JSON; - is stdout.")
@click.option("--format", "form", type=click.Choice(APPLY_FORMATS), default="text", help="How stdout is written.")
@click.pass_context
@exits
def command(context: click.Context, /, apply_id: str, timeout: float | None, out: str | None, form: str) -> int:
    """Wait until an apply that was submitted is over, and give its receipt and its exit code.

    Changes nothing, so it may be ended and started again: exit 8 says that the apply still runs.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        say_where(console, session)
        return follow(console, session, apply_id, timeout, form, out)


def follow(console: Console, session: Session, apply_id: str, timeout: float | None, form: str, out: str | None) -> int:
    """Follow an apply, and write its receipt; return the exit code."""
    shown = _Progress(console)
    with ExitStack() as opened:
        outlets = {"--out": opened.enter_context(outlet("--out", out, session.own_files()))} if out else {}
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
        Receipt(console, report, code).give(form, outlets, lambda _: {})
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
