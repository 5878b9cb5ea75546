"""`reconciler submit`."""

from collections.abc import Sequence
from typing import Any

import click

from reconciler.cli import options
from reconciler.cli.apply import interruptible
from reconciler.cli.console import Console, exits
from reconciler.cli.follow import follow
from reconciler.cli.session import open_session, say_where
from reconciler.errors import LedgerError
from reconciler.fleet.fleet import DEFAULT_WORKSPACE, Fleet
from reconciler.model.report import ExitCode


@click.command("submit")
@options.paths
@click.option(
    "--plan",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    required=True,
    help="The saved plan to carry out.",
)
@click.option(
    "--plan-max-age",
    type=options.Duration(),
    default="24h",
    show_default=True,
    help="Refuse a saved plan older than this.",
)
@click.option(
    "--workspace", metavar="NAME", default=DEFAULT_WORKSPACE, show_default=True, help="Whose workers carry it out."
)
@click.option("--follow", "follows", is_flag=True, help="Also follow it to its receipt.")
@options.limits
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    file: str,
    plan_max_age: float,
    workspace: str,
    follows: bool,
    **limits: Any,
) -> int:
    """Hand a saved plan to workers on many machines.

    Prints the apply's id. Checks all that an apply checks before it reads the live tables, and needs no token: the
    workers have it. With --follow, ends with the receipt.
    """
    console = Console(context.obj)
    with open_session(console, paths=paths, **limits) as session:
        say_where(console, session)
        fleet = Fleet(session)
        committing: list[str] = []
        with interruptible(console):
            try:
                apply_id = fleet.submit(
                    file, paths, workspace=workspace, max_age_seconds=plan_max_age, on_commit=committing.append
                )
                if not follows:
                    console.tell(apply_id)
                    return ExitCode.OK
                console.info(f"Submitted as {apply_id}.")
            except (KeyboardInterrupt, LedgerError) as error:
                return _cut_off(console, fleet, committing, error, follows=follows)
        return follow(console, session, apply_id)


def _cut_off(
    console: Console, fleet: Fleet, committing: Sequence[str], error: BaseException, *, follows: bool
) -> ExitCode:
    """Say whether a plan was submitted although that was interrupted, or the ledger failed; return the exit code.

    Raises the ledger's error if it was not.
    """
    why = error.message if isinstance(error, LedgerError) else "interrupted"
    for apply_id in committing:  # one, if there was anything to commit
        try:
            was_submitted = fleet.was_submitted(apply_id)
        except (KeyboardInterrupt, LedgerError):
            hint = f"`reconciler applies show {apply_id}` says whether it was. Submitted again, it buys each cell once."
            console.error(f"{why}; the plan may have been submitted, as {apply_id}", hint)
            return ExitCode.IN_DOUBT
        if was_submitted:
            console.tell(apply_id)
            hint = f"`reconciler follow {apply_id}` gives its receipt, `reconciler applies stop {apply_id}` stops it."
            console.error(f"{why}, but the plan was submitted before", hint)
            return ExitCode.RUNNING if follows else ExitCode.OK
    if isinstance(error, LedgerError):
        raise error
    console.error("interrupted; nothing was submitted")
    return ExitCode.CANCELLED
