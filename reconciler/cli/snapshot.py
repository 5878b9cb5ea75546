"""`reconciler snapshot`."""

import click

from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.session import open_session
from reconciler.model.report import ExitCode
from reconciler.text.numbers import counted


@click.command("snapshot")
@options.paths
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False), required=True, help="Where to write it.")
@click.option("--unsigned", is_flag=True, help="Do not sign it. Default: signed with RECONCILER_SNAPSHOT_KEY.")
@click.pass_context
@exits
def command(context: click.Context, /, paths: tuple[str, ...], out: str, unsigned: bool) -> int:
    """Save what planning needs from the live tables.

    For plans without a token: `plan --live-snapshot FILE`. Holds ids, names, states, counts and digests of the tables
    that the manifests at PATH name, and the cells that the ledger knows as bought; no values and no prompts.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        taken = session.snapshot(out, paths, unsigned=unsigned)
    sizes = f"{counted(taken.tables, 'table')}, {counted(taken.size_bytes, 'byte')}"
    console.info(f"The snapshot is saved in {out}: {sizes}, {'signed' if taken.is_signed else 'not signed'}.")
    for table, error in sorted(taken.unreadable.items()):
        console.error(f"table {table}: {error.message}", error.hint)
    for problem in taken.unresolved:
        console.error(f"{problem.location}: {problem.code} {problem.message}", problem.hint)
    return ExitCode.ERROR if taken.unreadable or taken.unresolved else ExitCode.OK
