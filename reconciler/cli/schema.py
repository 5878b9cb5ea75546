"""`reconciler schema`."""

import click

from reconciler.cli.console import Console, exits
from reconciler.manifests import json_schema
from reconciler.model.report import ExitCode


@click.command("schema")
@click.argument("name", type=click.Choice(list(json_schema.names())))
@click.pass_context
@exits
def command(context: click.Context, /, name: str) -> int:
    """Print a JSON Schema (draft-07), for editors and for checks of your own."""
    Console(context.obj).answer(json_schema.text(name).rstrip("\n"))
    return ExitCode.OK
