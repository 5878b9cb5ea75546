"""`reconciler drift`."""

import json

import click

from reconciler.cli import options
from reconciler.cli.console import Console, exits, utc_now
from reconciler.cli.session import open_session
from reconciler.documents.status_file import drift_document
from reconciler.errors import ManifestError
from reconciler.model.report import ExitCode
from reconciler.render.colour import plain
from reconciler.render.ended_text import ended_text
from reconciler.render.status_text import drift_text
from reconciler.text.sanitize import one_line


@click.command("drift")
@options.paths
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How stdout is written.")
@click.option(
    "--stale",
    is_flag=True,
    help="Also list answers that predate the present prompt, with the cost of buying them again.",
)
@options.targets
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    form: str,
    stale: bool,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
) -> int:
    """List the causes of due cells, one per line, and exit 2 if there are any; for cron.

    Sends only GET and writes nothing. Exits 0 if nothing is due or in doubt, 1 if that cannot be told. Answers that are
    stale, or not as their run expects, are listed and do not count: nothing buys them unasked.
    """
    console = Console(context.obj)
    with open_session(console) as session:
        found = session.drift(paths, target=target, exclude=exclude, stale=stale)
    plan = found.plan
    if form == "json":
        document = drift_document(plan, utc_now(), found.unmet)
        console.answer(json.dumps(document, indent=2, ensure_ascii=True))
    elif found.has_drifted or found.stale or found.unmet:
        console.answer(console.fit(drift_text(plan, found.unmet)))
    if found.ended:
        console.info(ended_text(found.ended, plain).rstrip("\n"))
    for table in plan.tables:
        if not table.is_finished:
            name = f" {one_line(table.name)}" if table.has_siblings else ""
            console.info(f"{table.manifest}: its table{name} is running; its due cells show once it is idle.")
    for waiting in plan.pending:
        console.info(f"{waiting.manifest}: waits for {one_line(waiting.waits_for)}, which does not exist yet.")
    if plan.errored:
        raise ManifestError(plan.diagnostics)
    return ExitCode.CHANGES if found.has_drifted else ExitCode.OK
