"""`reconciler schema`."""

import click

from reconciler.cli.console import Console, exits
from reconciler.manifests import json_schema
from reconciler.model.report import ExitCode

NAMES = json_schema.names()


@click.command(
    "schema",
    help="Print a JSON Schema (draft-07), for editors and for checks of your own.\n\n"
    f"NAME is {', '.join(NAMES[:-1])} or {NAMES[-1]}.",
)
@click.argument("name", metavar="NAME", type=click.Choice(NAMES))
@click.pass_context
@exits
def command(context: click.Context, /, name: str) -> int:
    """Print a JSON Schema (draft-07)."""
    Console(context.obj).answer(json_schema.text(name).rstrip("\n"))
    return ExitCode.OK
