"""`reconciler schema`."""

import click

from reconciler import schema
from reconciler.cli.console import Console, exits
from reconciler.report import ExitCode


@click.command("schema")
@click.argument("name", type=click.Choice(list(schema.names())))
@click.pass_context
@exits
def command(context: click.Context, /, name: str) -> int:
    """Print a JSON Schema (draft-07), for editors and for checks of your own."""
    Console(context.obj).answer(schema.text(name).rstrip("\n"))
    return ExitCode.OK
