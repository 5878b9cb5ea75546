"""`reconciler status`."""

import json
import time

import click

from reconciler import Status
from reconciler.cli import options
from reconciler.cli.console import Console, exits, utc_now
from reconciler.cli.pages import assets
from reconciler.cli.session import open_session, say_where
from reconciler.documents.status_file import status_document
from reconciler.model.report import ExitCode
from reconciler.render.page.status_page import status_page
from reconciler.render.status_text import status_text

EVERY_SECONDS = 5.0
FASTEST_SECONDS = 1.0
"""An endless watch reads the API no more often than this."""


@click.command("status")
@options.paths
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text",
              help="How stdout is written; with --watch, one JSON object per line.")  # fmt: skip
@click.option("--watch", metavar="[SECONDS]", type=click.FloatRange(min=0), is_flag=False, flag_value=EVERY_SECONDS,
              help=f"Repeat every {EVERY_SECONDS:g} s, or as given, until Ctrl-C.")  # fmt: skip
@click.option("--count", metavar="N", type=click.IntRange(min=1), help="With --watch: repeat N times.")
@options.targets
@click.pass_context
@exits
def command(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    form: str,
    watch: float | None,
    count: int | None,
    target: tuple[str, ...],
    exclude: tuple[str, ...],
) -> int:
    """Show how the live tables compare with the manifests.

    For each run: how many cells are done, failed, empty or running, and how many are due, blocked or in doubt. Sends
    only GET and writes nothing.
    """
    if count is not None and watch is None:
        raise click.UsageError("--count needs --watch")
    if form == "html" and watch is not None:
        raise click.UsageError("--watch needs --format text or json: a page is not repeated")
    console = Console(context.obj)
    code = ExitCode.OK
    with open_session(console) as session:
        say_where(console, session)
        targets = session.load(paths, target=target, exclude=exclude)
        looks = 1 if watch is None else count
        try:
            while True:
                text, code = _shown(console, session.status(targets), form=form, is_watch=watch is not None)
                if watch is not None and console.is_terminal and form == "text":
                    click.clear()
                console.answer(text)
                looks = None if looks is None else looks - 1
                if looks == 0:
                    return code
                time.sleep(max(watch or 0.0, FASTEST_SECONDS if looks is None else 0.0))
        except KeyboardInterrupt:
            if watch is None:
                raise
    return code


def _shown(console: Console, found: Status, *, form: str, is_watch: bool) -> tuple[str, ExitCode]:
    """Return the output for one status, and the exit code."""
    now = utc_now()
    code = ExitCode.ERROR if found.diagnostics else ExitCode.OK
    document = status_document(found, now)
    if form == "html":
        return status_page(document, assets()).rstrip("\n"), code
    if form == "json":
        return json.dumps(document, indent=None if is_watch else 2, ensure_ascii=True), code
    text = console.fit(status_text(found, console.paint, console.width))
    return (f"{now}\n\n{text}\n" if is_watch else text), code
