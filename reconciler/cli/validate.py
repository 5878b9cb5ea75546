"""`reconciler validate`."""

import click

from reconciler.cli import options
from reconciler.cli.ci_output import VALIDATE_FORMATS, answer_problems, answer_valid
from reconciler.cli.console import Console, exits
from reconciler.cli.plan_outcome import keep_problems, problems
from reconciler.errors import ManifestError
from reconciler.model.report import ExitCode
from reconciler.operations.validate import Validation, validate
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
@problems
@click.pass_context
@exits
def command(context: click.Context, /, paths: tuple[str, ...], form: str, problems: str | None) -> int:
    """Check manifests and the project file, offline.

    Needs no token and no network. Reports every problem of every file at once, with its location.
    """
    console = Console(context.obj)
    try:
        found = validate(console.settings(), paths)
    except ManifestError as error:  # of the project file
        found = Validation(problems=error.problems)
    if found.problems:
        keep_problems(problems, ManifestError(found.problems))
        if answer_problems(console, form, found.problems, found.files):
            return ExitCode.ERROR
        raise ManifestError(found.problems)
    runs = sum(len(manifest.runs) for manifest in found.manifests)
    summary = f"Valid: {counted(len(found.manifests), 'manifest')}, {counted(runs, 'run')}."
    if not answer_valid(console, form, summary, found.files):
        console.answer(summary)
    return ExitCode.OK
