"""`reconciler snapshot`."""

import os
from datetime import datetime
from pathlib import Path

import click

from reconciler.cli import options
from reconciler.cli.atomic_file import write_whole
from reconciler.cli.connection import api_options, origin, reading_ledger
from reconciler.cli.console import Console, exits
from reconciler.client import Reader
from reconciler.documents.snapshot_file import MAX_FILE_BYTES, LiveSnapshot, decode, encode
from reconciler.errors import SettingsError
from reconciler.model.origin import Origin, Taken
from reconciler.model.report import ExitCode
from reconciler.operations import observe
from reconciler.operations.find_tables import Directory, index_of
from reconciler.settings.settings import read_snapshot_key
from reconciler.text.numbers import counted
from reconciler.version import __version__


@click.command("snapshot")
@options.paths
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False), required=True, help="Where to write it.")
@click.option("--unsigned", is_flag=True, help="Do not sign it. Default: signed with RECONCILER_SNAPSHOT_KEY.")
@click.pass_context
@exits
def command(context: click.Context, /, paths: tuple[str, ...], out: str, unsigned: bool) -> int:
    """Save what planning needs of the live tables.

    For plans where there is no token: `plan --live-snapshot FILE`. Holds ids, names, states, counts and digests of the
    tables that the manifests at PATH name, and which cells the ledger knows as bought; no value and no prompt.
    """
    console = Console(context.obj)
    settings = console.settings()
    key = None if unsigned else read_snapshot_key(os.environ)
    if key is None and not unsigned:
        hint = "Set RECONCILER_SNAPSHOT_KEY (`openssl rand -hex 32` makes one), or say --unsigned."
        raise SettingsError("there is no key to sign the snapshot with", hint=hint)
    wanted = observe.load(settings, paths, (), ())
    made = origin(settings)
    with Reader(api_options(settings)) as reader, reading_ledger(settings) as ledger:
        directory = Directory(reader)
        wanted = observe.resolve(wanted, directory)
        seen = observe.look(wanted, wanted.tables, reader, ledger, settings)
    index = index_of(wanted.written, wanted.tables, directory)
    data = encode(observe.keep(seen, made.created_at, __version__, made.base_url, index), key)
    write_whole(Path(out), data)
    sizes = f"{counted(len(seen.snapshots), 'table')}, {counted(len(data), 'byte')}"
    console.info(f"The snapshot is saved in {out}: {sizes}, {'not signed' if key is None else 'signed'}.")
    for table, error in sorted(seen.unreadable.items()):
        console.error(f"table {table}: {error.message}", error.hint)
    for problem in sorted(wanted.unresolved):
        console.error(f"{problem.place}: {problem.message}", problem.hint)
    return ExitCode.ERROR if seen.unreadable or wanted.unresolved else ExitCode.OK


def read_snapshot(path: Path) -> LiveSnapshot:
    """Read a file that `snapshot` wrote. Raises SettingsError for one that cannot be used, OSError."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    return decode(data, read_snapshot_key(os.environ))


def taken_of(kept: LiveSnapshot, made: Origin) -> Taken:
    """Say of a plan made now where it has the live tables from."""
    try:
        taken_at = datetime.fromisoformat(kept.taken_at)
    except ValueError:
        raise SettingsError("the snapshot does not say when it was taken") from None
    age = (datetime.fromisoformat(made.created_at) - taken_at).total_seconds()
    return Taken(kept.taken_at, max(0, int(age)), kept.digest, kept.verified)
