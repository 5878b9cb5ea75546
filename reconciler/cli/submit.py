"""`reconciler submit`."""

from typing import Any

import click

from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.follow import follow
from reconciler.cli.session import open_session, say_where
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
        try:
            apply_id = fleet.submit(file, paths, workspace=workspace, max_age_seconds=plan_max_age)
        except KeyboardInterrupt:
            hint = "`reconciler applies list` shows it if it was. Submitted again, it buys each cell once."
            console.error("interrupted; the plan may have been submitted", hint)
            return ExitCode.CANCELLED
        if not follows:
            console.tell(apply_id)
            return 0
        console.info(f"Submitted as {apply_id}.")
        return follow(console, session, apply_id)
