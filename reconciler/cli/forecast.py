"""`reconciler forecast`."""

import json

import click

from reconciler.cli import options
from reconciler.cli.console import Console, exits
from reconciler.cli.pages import assets
from reconciler.cli.progress import Reading
from reconciler.cli.session import open_session, say_where
from reconciler.documents.forecast_file import forecast_document
from reconciler.errors import ManifestError
from reconciler.model.forecast import MONTH_DAYS
from reconciler.model.report import ExitCode
from reconciler.render.forecast_text import forecast_text
from reconciler.render.page.forecast_page import forecast_page
from reconciler.text.sanitize import one_line

MOST_DAYS = 366


@click.command("forecast")
@options.paths
@click.option("--days", metavar="N", type=click.IntRange(1, MOST_DAYS), default=MONTH_DAYS, show_default=True,
              help="How many times 24 hours from now.")  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "html"]), default="text", help="How stdout is written."
)
@options.targets
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    days: int,
    form: str,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
) -> int:
    """Show what schedules will buy, by day, manifest and label.

    Schedules are runs with a `refresh`. Counts each cell when it falls due, by its age in the ledger. Sends only GET
    and writes nothing.
    """
    console = Console(context.obj)
    reading = Reading(console)
    with open_session(console, on_progress=reading.take) as session, reading:
        say_where(console, session)
        found = session.forecast(paths, days=days, target=target, exclude=exclude)
    content = forecast_document(found.forecast, found.plan.diagnostics)
    if form == "json":
        console.answer(json.dumps(content, indent=2, ensure_ascii=True))
    elif form == "html":
        console.stream([forecast_page(content, assets())])
    else:
        console.answer(console.fit(forecast_text(content, console.width)))
    for waiting in found.plan.pending:
        console.info(f"{waiting.manifest}: waits for {one_line(waiting.waits_for)}, which does not exist yet.")
    if found.plan.errored:
        raise ManifestError(found.plan.diagnostics)
    return ExitCode.OK
