"""`reconciler validate`."""

import json
from collections.abc import Sequence

import click

from reconciler import cli
from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.plan_outcome import keep_problems, problems
from reconciler.documents.validation_file import validation_document
from reconciler.errors import ManifestError, SettingsError
from reconciler.model.report import ExitCode
from reconciler.operations.validate import validate
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import counted


@click.command("validate")
@options.paths
@click.option(
    "--format",
    "form",
    type=click.Choice(options.VALIDATE_FORMATS),
    default="text",
    help="How stdout is written: for people, as JSON, as annotations, or as a report for a CI's pages.",
)
@problems
@click.pass_context
@exits
def command(context: click.Context, /, paths: tuple[str, ...], form: str, problems: str | None) -> int:
    """Check manifests and the project file, offline.

    Needs no token and no network. Reports every problem of every file at once, with its location and its code, which
    `reconciler explain CODE` explains.
    """
    console = Console(context.obj)
    try:
        settings, of_project = console.settings_and_problems()
        found = validate(settings, paths, of_project)
    except SettingsError as error:
        keep_problems(problems, error)
        if form != "json":
            raise
        console.answer(_json([error]))
        return ExitCode.ERROR
    if form == "json":
        console.answer(_json(found.problems))
    if found.problems:
        keep_problems(problems, ManifestError(found.problems))
        if form == "json" or cli.ci_output.answer_problems(console, form, found.problems, found.files):
            return ExitCode.ERROR
        raise ManifestError(found.problems)
    runs = sum(len(manifest.runs) for manifest in found.manifests)
    summary = f"Valid: {counted(len(found.manifests), 'manifest')}, {counted(runs, 'run')}."
    if form == "text":
        console.answer(summary)
    elif form != "json":
        cli.ci_output.answer_valid(console, form, summary, found.files)
    return ExitCode.OK


def _json(problems: Sequence[Diagnostic | SettingsError]) -> str:
    return json.dumps(validation_document(problems), indent=2, ensure_ascii=True)
