"""`reconciler validate`."""

import click

from reconciler.cli import options
from reconciler.cli.ci_output import VALIDATE_FORMATS, answer_problems, answer_valid
from reconciler.cli.console import Console, exits
from reconciler.errors import ManifestError
from reconciler.manifests.find_files import find_files
from reconciler.manifests.loader import load_manifests
from reconciler.model.report import ExitCode
from reconciler.settings.settings import manifest_paths
from reconciler.text.numbers import counted


@click.command("validate")
@options.paths
@click.option(
    "--format",
    "form",
    type=click.Choice(VALIDATE_FORMATS),
    default="text",
    help="How stdout is written: for people, as annotations, or as a report for a CI's pages.",
)
@click.pass_context
@exits
def command(context: click.Context, /, paths: tuple[str, ...], form: str) -> int:
    """Check manifests and the project file, offline.

    Needs no token and no network. Every problem of every file is reported at once, with its place.
    """
    console = Console(context.obj)
    files: list[str] = []
    try:
        settings = console.settings()
        folders = manifest_paths(settings, paths)
        files = [path.as_posix() for path in find_files(folders)]
        manifests = load_manifests(folders, settings.project_file)
    except ManifestError as error:
        if answer_problems(console, form, error.problems, files):
            return ExitCode.ERROR
        raise
    runs = sum(len(manifest.runs) for manifest in manifests)
    summary = f"Valid: {counted(len(manifests), 'manifest')}, {counted(runs, 'run')}."
    if not answer_valid(console, form, summary, files):
        console.answer(summary)
    return ExitCode.OK
