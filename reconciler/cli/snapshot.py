"""`reconciler snapshot`."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.session import open_session
from reconciler.model.report import ExitCode
from reconciler.text.addresses import STREAM
from reconciler.text.numbers import counted


@click.command("snapshot")
@options.paths
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False), required=True, help="Where to write it; - is stdout."
)
@click.option("--unsigned", is_flag=True, help="Do not sign it. Default: signed with RECONCILER_SNAPSHOT_KEY.")
@click.pass_context
@exits
def command(context: click.Context, /, paths: tuple[str, ...], out: str, unsigned: bool) -> int:
    """Save what planning needs from the live tables.

    For plans without a token: `plan --live-snapshot FILE`. Holds ids, names, states, counts and digests of the tables
    that the manifests at PATH name, and the cells that the ledger knows as bought; no values and no prompts.
    """
    console = Console(context.obj)
    is_stdout = out == STREAM
    if is_stdout and sys.stdout.isatty():
        raise click.UsageError("a snapshot is not text that a terminal can show; name a file, or send it to a pipe")
    with open_session(console) as session, TemporaryDirectory() as folder:
        file = Path(folder, "live.snapshot") if is_stdout else Path(out)
        taken = session.snapshot(file, paths, unsigned=unsigned)
        if is_stdout:
            sys.stdout.buffer.write(file.read_bytes())
    sizes = f"{counted(taken.tables, 'table')}, {counted(taken.size_bytes, 'byte')}"
    where = "The snapshot is written" if is_stdout else f"The snapshot is saved in {out}"
    console.info(f"{where}: {sizes}, {'signed' if taken.is_signed else 'not signed'}.")
    for table, error in sorted(taken.unreadable.items()):
        console.error(f"table {table}: {error.message}", error.hint)
    for problem in taken.unresolved:
        console.error(f"{problem.location}: {problem.code} {problem.message}", problem.hint)
    return ExitCode.ERROR if taken.unreadable or taken.unresolved else ExitCode.OK
