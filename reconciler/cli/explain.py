"""`reconciler explain`."""

import json

import click

from reconciler.cli.console import Console, exits
from reconciler.cli.options import completed_by
from reconciler.cli.progress import Reading
from reconciler.cli.session import open_session, say_where
from reconciler.documents.explanation_file import explanation_document
from reconciler.model.report import ExitCode
from reconciler.render.explain_text import explain_text


@click.command("explain")
@click.argument("selector", metavar="MANIFEST[/RUN]", shell_complete=completed_by("runs"))
@click.option("--column", metavar="C", shell_complete=completed_by("columns"),
              help="Only this column, by key or id.")  # fmt: skip
@click.option("--row", metavar="R", help="Only this row, by id.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How stdout is written.")
@click.pass_context
@exits
def command(context: click.Context, /, selector: str, column: str | None, row: str | None, form: str) -> int:
    """Say why each cell is due or not.

    By run, column and reason: how many cells, what they wait for, the ledger's calls that covered them, and what would
    change the verdict. Sends only GET and writes nothing.
    """
    console = Console(context.obj)
    reading = Reading(console)
    with open_session(console, on_progress=reading.take) as session, reading:
        say_where(console, session)
        found = session.explain(selector, column=column, row=row)
    if form == "json":
        console.answer(json.dumps(explanation_document(found), indent=2, ensure_ascii=True))
    else:
        console.answer(explain_text(found, console.paint))
    return ExitCode.OK
