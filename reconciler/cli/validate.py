"""`reconciler validate`."""

import click

from reconciler.amounts import counted
from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.loading import load_manifests
from reconciler.report import ExitCode
from reconciler.settings import manifest_paths


@click.command("validate")
@options.paths
@click.pass_context
@exits
def command(context: click.Context, /, paths: tuple[str, ...]) -> int:
    """Check manifests and the project file, offline.

    Needs no token and no network. Every problem of every file is reported at once, with its place.
    """
    console = Console(context.obj)
    settings = console.settings()
    manifests = load_manifests(manifest_paths(settings, paths))
    runs = sum(len(manifest.runs) for manifest in manifests)
    console.answer(f"Valid: {counted(len(manifests), 'manifest')}, {counted(runs, 'run')}.")
    return ExitCode.OK
