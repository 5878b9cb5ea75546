"""`reconciler completion`, and the values that a shell completes: names in manifests, in the ledger, in a snapshot.

Someone waits at each Tab: nothing is asked over a network, and whatever goes wrong completes nothing.
"""

import os
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, chdir

import click
from click.shell_completion import CompletionItem, get_completion_class

from reconciler.cli.console import Console, exits
from reconciler.errors import ReconcilerError
from reconciler.model.report import ExitCode
from reconciler.operations.completion import Names, calls, names
from reconciler.settings.settings import Flags

SHELLS = ("bash", "zsh", "fish")
_SAFE = re.compile(r"[\w.:/@+=,-]+")
"""A word that no shell takes for anything else: a name in a manifest is another's text."""


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
@exits
def command(context: click.Context, /, shell: str) -> int:
    """Print the completion script of a shell.

    Completes commands, options and files, and manifests, runs, labels, columns and the ledger's calls: from the
    project's manifests, its newest `*.snapshot` and a ledger that is a file, without a network.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root()
    script = kind(root.command, {}, "reconciler", "_RECONCILER_COMPLETE").source()
    Console(context.obj).answer(script.strip("\n"))
    return ExitCode.OK


def selectors(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete `--target` and `--exclude`; after a comma, the next one."""
    before, comma, last = incomplete.rpartition(",")
    found = _names(context)
    return _items([*found.manifests, *found.runs, *found.labels], last, f"{before}{comma}")


def runs(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete `MANIFEST[/RUN]`."""
    found = _names(context)
    return _items([*found.manifests, *found.runs], incomplete)


def labels(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete `KEY=VALUE`."""
    return _items(_names(context).labels, incomplete)


def columns(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the keys of columns."""
    return _items(_names(context).columns, incomplete)


def tables(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the ids of tables."""
    return _items(_names(context).tables, incomplete)


def call_ids(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the ids of the newest calls."""
    try:
        with _place(context):
            found = calls(_flags(context), incomplete)
    except (ReconcilerError, OSError):
        return []
    return [CompletionItem(call, help=said) for call, said in found.items()]


def _names(context: click.Context) -> Names:
    try:
        with _place(context):
            # Click stops at an option without its value, before it takes the arguments for what they are.
            paths = context.params.get("paths") or [word for word in context.args if os.path.lexists(word)]
            return names(_flags(context), paths)
    except (ReconcilerError, OSError):
        return Names()


def _place(context: click.Context) -> AbstractContextManager[None]:
    """Work in the folder of `-C` for a while."""
    return chdir((context.obj or {}).get("start", "."))


def _flags(context: click.Context) -> Flags:
    """Return the global options, before the command or after it."""
    given = {**context.find_root().params, **(context.obj or {})}
    return Flags(project=given.get("project"), ledger=given.get("ledger"))


def _items(words: Iterable[str], incomplete: str, before: str = "") -> list[CompletionItem]:
    fitting = (word for word in dict.fromkeys(words) if word.startswith(incomplete) and _SAFE.fullmatch(word))
    return [CompletionItem(f"{before}{word}") for word in fitting]
