"""Answers to a command or an option that does not exist: a close name, or ours for what other tools call otherwise."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import click

from reconciler.text.phrases import close_to, quote

_COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(("check", "fmt", "lint", "test"), "reconciler validate"),
    **dict.fromkeys(("diff", "preview", "dry-run"), "reconciler plan"),
    **dict.fromkeys(("deploy", "run", "send", "sync", "up"), "reconciler apply"),
    **dict.fromkeys(("get", "list", "ls", "refresh", "tables"), "reconciler status"),
    **dict.fromkeys(("describe", "why"), "reconciler explain MANIFEST"),
    **dict.fromkeys(("history", "log", "logs", "state"), "reconciler ledger list"),
    **dict.fromkeys(("force-unlock", "unlock"), "reconciler ledger release TABLE"),
    **dict.fromkeys(("auth", "config", "info", "login"), "reconciler doctor"),
    "autocomplete": "reconciler completion bash",
    "help": "reconciler --help",
    "new": "reconciler init",
    "output": "reconciler show FILE",
    "version": "reconciler --version",
}
"""Words of terraform, kubectl, gh and ruff, and what comes to mind → the command line here."""

_UNDOABLE = frozenset({"cancel", "delete", "destroy", "rollback", "stop", "undo"})

_SAVED = "`--format` says how the answer is written, and `> FILE` saves it"
OPTIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("--auto-approve", "--force", "--approve", "-y"), ("--yes",)),
    **dict.fromkeys(("--dry-run", "--check", "--diff"), ("`reconciler plan` shows what an apply would send",)),
    **dict.fromkeys(("--output", "--output-format", "-o"), ("use `--format`, or `--out FILE`", _SAVED)),
    **dict.fromkeys(("--selector", "--label", "--only", "-l"), ("use `--target label=value`",)),
    **dict.fromkeys(("--filename", "--file", "-f"), ("name files and folders without an option",)),
    **dict.fromkeys(("--chdir", "--cwd", "--directory"), ("use `-C DIR`",)),
    **dict.fromkeys(("--config", "-c"), ("--project",)),
    **dict.fromkeys(("--state", "--backend"), ("--ledger",)),
    **dict.fromkeys(("--color", "--colour"), ("colour is on where it shows; the variable FORCE_COLOR demands it",)),
    "--columns": ("a run's columns stand in its manifest, and `--target NAME/RUN` chooses runs", "--column"),
    "--debug": ("--verbose",),
    "--exit-code": ("--detailed-exitcode",),
    "--json": ("use `--format json`",),
    "--lock-timeout": ("--lease-timeout",),
    "--out": (_SAVED,),
    "--silent": ("--quiet",),
    "--token": ("the token comes from the variable EXTRUCT_API_TOKEN, since others can read a command line",),
    "-V": ("--version",),
}
"""Their options → ours, or a sentence; the first that names nothing but options of the command is said."""


_NAMED = re.compile(r"(?<=`)--[a-z-]+")
"""An option that a sentence recommends."""


def unknown_command(name: str, known: Iterable[str], context: click.Context) -> click.UsageError:
    """Return the error for a command that does not exist."""
    path = context.command_path
    is_first = context.parent is None
    close = close_to(name, known)
    if is_first and name in _UNDOABLE:
        said = "; nothing that was bought can be taken back. `reconciler apply` stops at Ctrl-C."
    elif is_first and name in _COMMANDS:
        said = f"; did you mean `{_COMMANDS[name]}`?"
    elif close:
        said = f"; did you mean `{path} {close}`?"
    else:
        said = f"; `{path} --help` lists those there are"
    return click.UsageError(f"there is no command {quote(f'{path} {name}')}{said}", context)


def unknown_option(error: click.NoSuchOption, arguments: Sequence[str]) -> click.UsageError:
    """Return the error for an option that does not exist, in the command line `arguments`."""
    name = _as_written(error.option_name, arguments)
    known = [] if error.ctx is None else _options_of(error.ctx)
    word = name.lstrip("-")
    said = _answer(name, known) or _answer(f"--{word}", known)
    if not said and (close := close_to(word, (each.lstrip("-") for each in (*known, *OPTIONS)))):
        said = _answer(f"--{close}", known)
    said = said or f"`{'' if error.ctx is None else error.ctx.command_path} --help` lists those there are"
    return click.UsageError(f"there is no option {quote(name)}; {said}", error.ctx)


def _answer(name: str, known: Collection[str]) -> str:
    """Return what to say to an option of that name, if it is one or stands for something that the command has."""
    if name in known:
        return f"did you mean `{name}`?"
    for ours in OPTIONS.get(name, ()):
        said = f"did you mean `{ours}`?" if ours.startswith("--") else ours
        if set(_NAMED.findall(said)) <= set(known):
            return said
    return ""


def _as_written(name: str, arguments: Sequence[str]) -> str:
    """Return the option as a person wrote it: of `-target=x` click names no more than `-t`."""
    if name.startswith("--"):
        return name
    words = (word.partition("=")[0] for word in arguments if word.startswith(name) and not word.startswith("--"))
    return next(words, name)


def _options_of(context: click.Context) -> list[str]:
    """Return the long options that a command has."""
    return [name for each in context.command.params for name in (*each.opts, *each.secondary_opts) if name[:2] == "--"]
