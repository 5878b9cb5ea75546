"""`reconciler explain`."""

import json
import re

import click

from reconciler.cli.console import Console, exits
from reconciler.cli.options import completed_by
from reconciler.cli.progress import Reading
from reconciler.cli.session import open_session, say_where
from reconciler.documents.explanation_file import code_document, explanation_document
from reconciler.errors import SettingsError
from reconciler.model.report import ExitCode
from reconciler.render.code_text import code_text
from reconciler.render.explain_text import explain_text
from reconciler.text.codes import Code

_CODE = re.compile(r"E[0-9]{3}")
"""No manifest has such a name: those are in lower case."""


@click.command("explain")
@click.argument("selector", metavar="MANIFEST[/RUN]|CODE", shell_complete=completed_by("runs"))
@click.option("--column", metavar="C", shell_complete=completed_by("columns"),
              help="Only this column, by key or id.")  # fmt: skip
@click.option("--row", metavar="R", help="Only this row, by id.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How stdout is written.")
@click.pass_context
@exits
def command(context: click.Context, /, selector: str, column: str | None, row: str | None, form: str) -> int:
    """Say why each cell is due or not.

    By run, column and reason: how many cells, what they wait for, the ledger's calls that covered them, and what would
    change the verdict. Sends only GET and writes nothing. With the CODE of a problem, such as E101: what it means and
    how to mend it, which needs neither project nor network.
    """
    console = Console(context.obj)
    if _CODE.fullmatch(selector):
        if column is not None or row is not None:
            raise click.UsageError("--column and --row go with a manifest, not with a code")
        text = _told(selector, form)
        console.answer(text if form == "json" else console.fit(text))
        return ExitCode.OK
    reading = Reading(console)
    try:
        with open_session(console, on_progress=reading.take) as session, reading:
            say_where(console, session)
            found = session.explain(selector, column=column, row=row)
    except SettingsError as error:
        if _CODE.fullmatch(selector.upper()):
            raise SettingsError(
                error.message, hint=f"`reconciler explain {selector.upper()}` tells a code.", code=error.code
            ) from None
        raise
    if form == "json":
        console.answer(json.dumps(explanation_document(found), indent=2, ensure_ascii=True))
    else:
        console.answer(console.fit(explain_text(found, console.paint)))
    return ExitCode.OK


def _told(text: str, form: str) -> str:
    """Return what a code means. Raises SettingsError for one that is not there."""
    code = next((each for each in Code if each == text), None)
    if code is None:
        hint = f"A message begins with its code; there are codes from {min(Code)} to {max(Code)}."
        raise SettingsError(f"there is no code {text}", hint=hint, code=Code.NOTHING_SELECTED)
    return json.dumps(code_document(code), indent=2, ensure_ascii=True) if form == "json" else code_text(code)
