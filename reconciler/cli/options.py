"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

Decorated = Callable[..., Any]

paths = click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path())


def targets(command: Decorated) -> Decorated:
    """Add `--target` and `--exclude`."""
    command = click.option(
        "--exclude", multiple=True, metavar="SEL", help="Leave these runs out: a manifest, name/run or label=value."
    )(command)
    return click.option(
        "--target", multiple=True, metavar="SEL", help="Only these runs: a manifest, name/run or label=value."
    )(command)


def limits(command: Decorated) -> Decorated:
    """Add `--max-credits` and `--max-cells`."""
    command = click.option("--max-cells", metavar="N", help="Refuse a plan of more cells.")(command)
    return click.option("--max-credits", metavar="N", help="Refuse a plan that costs more credits.")(command)


detailed_exitcode = click.option(
    "--detailed-exitcode", is_flag=True, help="Exit 2 instead of 0 where there are calls (plan) or some were sent (apply)."
)
