"""The command group: names, one-line helps, and the module to load once a command is called.

Nothing but click is imported here, so that `--version` and completion stay fast.
"""

import copy
import gc
import importlib
from contextlib import chdir
from io import StringIO
from keyword import iskeyword
from typing import Any

import click

from reconciler.version import __version__

COMMANDS = {
    "init": "Scaffold a project that works at once against the simulator.",
    "import": "Write a manifest for each chosen live table.",
    "validate": "Check manifests and the project file, offline.",
    "plan": "Show which run calls are due, and send nothing.",
    "apply": "Send the run calls that are due, each at most once.",
    "submit": "Hand a saved plan to workers on many machines.",
    "worker": "Carry out what was submitted.",
    "follow": "Follow a submitted apply to its receipt.",
    "applies": "List, show and stop submitted applies.",
    "wait": "Wait until the tables are idle and every accepted call is settled.",
    "status": "Show how the live tables compare with the manifests.",
    "explain": "Say why each cell is due or not.",
    "drift": "List why cells are not as the manifests want them, one cause per line.",
    "forecast": "Show what schedules will buy, by day, manifest and label.",
    "approved-plan": "Find the plan that was approved for a push.",
    "comment": "Post a plan or a receipt where the change is reviewed.",
    "show": "Show a saved plan, report or snapshot.",
    "snapshot": "Save what planning needs from the live tables.",
    "ledger": "Show what was spent, when and by whom.",
    "doctor": "Say what is wrong with the setup, and how to mend it.",
    "completion": "Print the completion script of a shell.",
    "schema": "Print a JSON Schema.",
    "simulator": "Serve a local stand-in of the API.",
    "demo": "Run the whole loop against the simulator, without an account.",
}
"""Command name, which is also its module in this package (`import_` for a word of Python) → its line in the help."""

USAGE_ERROR = 64
LARGEST = 999_999_999
"""The largest number that an option accepts: more seconds than any clock or timer can wait."""
YOUNG_OBJECTS = 100_000
"""New objects between two runs of Python's garbage collector, more than a small plan makes. With its default of 700, a
tenth of a large plan's time went into walking the same tables again and again, none of which is garbage."""
CANCELLED = 130
"""The exit code that shells expect of a command ended by Ctrl-C."""


class Group(click.Group):
    """Answers a command that does not exist with one that is close."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name, and the rest of them."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and name not in self.list_commands(ctx):
            suggestions = importlib.import_module("reconciler.cli.suggestions")
            raise suggestions.unknown_command(name, self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


class Commands(Group):
    """Loads a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name.replace("-", "_")
        command = importlib.import_module(f"reconciler.cli.{module}").command
        assert isinstance(command, click.Command)
        _prepare(command, cmd_name)
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write how to start, and the variables and exit codes of all commands."""
        page = importlib.import_module("reconciler.cli.help_pages").PAGES[""]
        with formatter.indentation():
            formatter.write_paragraph()
            formatter.write_text(page.text())
        super().format_epilog(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete the names of commands without loading any."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        item = importlib.import_module("click.shell_completion").CompletionItem
        return [item(name, help=said) for name, said in COMMANDS.items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _enter(context: click.Context, _: click.Parameter, folder: str | None) -> None:
    """Work in a folder until the command line is done; a completion goes there once it looks for something."""
    if folder is None:
        return
    if context.resilient_parsing:
        context.ensure_object(dict)["start"] = folder
        return
    try:
        context.with_resource(chdir(folder))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise click.BadParameter(reason or "not a folder", param_hint="-C") from None


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Treat a global option after the command like one before it."""
    assert option.name is not None
    if context.get_parameter_source(option.name) is not click.core.ParameterSource.DEFAULT:
        context.ensure_object(dict)[option.name] = value  # a completion has none yet


def _bounded(_: click.Context, __: click.Parameter, value: Any) -> Any:
    """Refuse floats that are not amounts: `nan` is neither below nor above any limit."""
    if isinstance(value, float) and not abs(value) <= LARGEST:
        raise click.BadParameter(f"{value} is not a number up to {LARGEST:,}")
    return value


def _prepare(command: click.Command, path: str) -> None:
    """Let a command and its subcommands accept the global options too: people put them at the end of the line.

    Also bound each of their numbers, and complete their help.
    """
    for name, each in command.commands.items() if isinstance(command, click.Group) else ():
        _prepare(each, f"{path} {name}")
    page = importlib.import_module("reconciler.cli.help_pages").PAGES.get(path)
    if page is not None:
        command.epilog = f"{page.text()}\n\nThe options of `reconciler --help` may stand before or after the command."
    for parameter in command.params:
        if isinstance(parameter.type, click.types.FloatParamType):
            parameter.callback = parameter.callback or _bounded
    taken = {name for parameter in command.params for name in parameter.opts}
    for option in group.params:
        if isinstance(option, click.Option) and option.name != "version" and not taken.intersection(option.opts):
            late = copy.copy(option)
            late.hidden = True
            if late.expose_value:
                late.expose_value = False
                late.callback = _keep
            command.params.append(late)


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `reconciler demo`. Settings come from flags, environment, reconciler.yaml and defaults. "
    "The options above may also follow the command.",
)
@click.option("-C", "start", metavar="DIR", is_eager=True, expose_value=False, callback=_enter,
              help="Run as if started in DIR.")  # fmt: skip
@click.option("--project", metavar="FILE", help="Project file. Default: the nearest reconciler.yaml, here or above.")
@click.option("--api-url", metavar="URL", help="Base URL of the API. Default: https://api.extruct.ai.")
@click.option(
    "--ledger", metavar="URL", help="Ledger file or PostgreSQL URL. Default: .reconciler/ledger.db in the project."
)
@click.option(
    "--ca-bundle",
    metavar="FILE",
    help="Certificate authorities to trust instead of the system's: a PEM file or a folder. "
    "Default: SSL_CERT_FILE and its like.",
)
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Show manifests with nothing due, where each setting is from, and the cost of reading.",
)
@click.option("-q", "--quiet", is_flag=True, help="Write only errors to stderr.")
@click.option("--no-color", is_flag=True, help="No colour; like the environment variable NO_COLOR.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How stderr is written.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def group(context: click.Context, /, **flags: Any) -> None:
    """Paid AI table runs as code: manifests say which cells should be run, a plan lists the calls, apply sends each
    at most once.
    """
    context.obj = {**flags, **(context.obj or {})}
    if context.obj.get("owns_process"):
        gc.freeze()  # the command's modules are loaded
        gc.set_threshold(YOUNG_OBJECTS)
        gc.enable()


def run(arguments: list[str], *, owns_process: bool = False) -> int:
    """Run the command line and return its exit code; 64 if the line itself is wrong.

    `owns_process`: the process ends with this command, so signals may stay ignored once it has spent.
    """
    obj = {"owns_process": owns_process}
    try:
        code = group.main(arguments, prog_name="reconciler", standalone_mode=False, obj=obj)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE_ERROR
    except click.NoSuchOption as error:
        return _refused(importlib.import_module("reconciler.cli.suggestions").unknown_option(error, arguments), obj)
    except click.ClickException as error:
        return _refused(error, obj)
    except (click.Abort, KeyboardInterrupt):
        click.echo("reconciler: interrupted", err=True)
        return CANCELLED
    except SystemExit:  # click's own, where the reader of a help page went away
        return 0
    return code if isinstance(code, int) else 0


def _refused(error: click.ClickException, flags: dict[str, Any]) -> int:
    """Say what is wrong with the command line, in lines that fit a terminal; return the exit code."""
    text = StringIO()
    error.show(text)
    importlib.import_module("reconciler.cli.console").Console(flags).usage(text.getvalue())
    return USAGE_ERROR
