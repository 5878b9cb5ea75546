"""`reconciler plan`."""

import json
from pathlib import Path

import click

from reconciler import planfile, reconcile
from reconciler.cli import options
from reconciler.cli.connection import api_options, origin
from reconciler.cli.console import Console, exits
from reconciler.cli.review import PLAN_FORMATS, answer_plan, answer_problems
from reconciler.cli.writing import write_whole
from reconciler.client import Reader
from reconciler.errors import ManifestError
from reconciler.guard import violations
from reconciler.ledger import open_ledger
from reconciler.render.plan_text import plan_text
from reconciler.report import ExitCode


@click.command("plan")
@options.paths
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False), help="Save the plan as JSON.")
@click.option("--format", "form", type=click.Choice(PLAN_FORMATS), default="text", help="How stdout is written.")
@options.targets
@options.limits
@options.detailed_exitcode
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    out: str | None,
    form: str,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
    max_credits: str | None,
    max_cells: str | None,
    detailed_exitcode: bool,
) -> int:
    """Show which run calls are due, and send nothing.

    Reads the manifests at PATH, the live tables they name and the ledger. Sends nothing but GET.
    """
    console = Console(context.obj)
    settings = console.settings(max_credits=max_credits, max_cells=max_cells)
    try:
        wanted = reconcile.load(settings, paths, target, exclude)
    except ManifestError as error:
        if answer_problems(console, form, error.problems):
            return ExitCode.ERROR
        raise
    with Reader(api_options(settings)) as reader, open_ledger(settings.ledger) as ledger:
        seen = reconcile.look(wanted, wanted.tables, reader, ledger, settings)
    plan = reconcile.plan(wanted, seen, settings)
    violated = violations(plan, settings.limits)
    content = planfile.document(plan, origin(settings), violated)
    if out is not None:
        write_whole(Path(out), json.dumps(content, indent=2, ensure_ascii=True) + "\n")
        console.info(f"The plan is saved in {out}.")
    if form == "json":
        console.answer(json.dumps(content, indent=2, ensure_ascii=True))
    elif not answer_plan(console, form, content, out):
        console.answer(plan_text(plan, settings.limits, violated, console.paint))
    if plan.errored:
        return ExitCode.ERROR
    if violated:
        return ExitCode.LIMIT
    return ExitCode.CHANGES if detailed_exitcode and plan.calls else ExitCode.OK
