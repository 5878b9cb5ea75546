"""`reconciler doctor`."""

import json
import os

import click

from reconciler.cli.console import Console, exits
from reconciler.documents.checkup_file import checkup_document
from reconciler.model.report import ExitCode
from reconciler.operations.doctor import examine
from reconciler.render.checkup_text import checkup_text


@click.command("doctor")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How stdout is written.")
@click.pass_context
@exits
def command(context: click.Context, /, form: str) -> int:
    """Say what is wrong with the setup, and how to mend it.

    Looks at the project, the origin of each setting, the network, the token and its organization, the balance, the API,
    the ledger, the clocks, git and the CI. Writes nothing, buys nothing and shows no secret. Exits 1 if anything is
    wrong.
    """
    console = Console(context.obj)
    found = examine(console.setting_flags(), os.environ)
    if form == "json":
        console.answer(json.dumps(checkup_document(found), indent=2, ensure_ascii=True))
    else:
        console.answer(console.fit(checkup_text(found, console.paint, console.width)))
    return ExitCode.ERROR if found.wrong else ExitCode.OK
