"""The two streams: answers on stdout, everything else on stderr, and what colour and a terminal may do to them."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import click

from reconciler.amounts import counted
from reconciler.clean import clean
from reconciler.errors import Leased, LimitExceeded, ManifestError, ReconcilerError, StalePlan
from reconciler.provenance import is_ci
from reconciler.render.paint import Colour, Paint, plain
from reconciler.render.plan_text import problems_text
from reconciler.report import ExitCode
from reconciler.settings import Flags, Settings, load_settings

Parameters = ParamSpec("Parameters")

EXIT_CODES = {StalePlan: ExitCode.STALE, LimitExceeded: ExitCode.LIMIT, Leased: ExitCode.LEASED}
"""Error class → exit code; every other ReconcilerError is 1."""


@dataclass(frozen=True, slots=True)
class Console:
    """What the global flags say about speaking and settings."""

    flags: Mapping[str, Any]

    def settings(self, **limits: str | None) -> Settings:
        """Settle flags, environment, project file and defaults."""
        flags = Flags(self.flags["project"], self.flags["api_url"], self.flags["ledger"], **limits)
        return load_settings(flags, os.environ)

    @property
    def is_terminal(self) -> bool:
        """True where a person watches both streams and no CI says otherwise."""
        return sys.stdout.isatty() and sys.stderr.isatty() and not is_ci(os.environ)

    @property
    def paint(self) -> Paint:
        """Colour on a terminal, none elsewhere or where it is not wanted."""
        wanted = sys.stdout.isatty() and not self.flags["no_color"] and not os.environ.get("NO_COLOR")
        return _terminal_paint if wanted and os.environ.get("TERM") != "dumb" else plain

    def answer(self, text: str) -> None:
        """Write the answer to stdout."""
        click.echo(text)

    def stream(self, pieces: Iterable[str]) -> None:
        """Write an answer to stdout piece by piece; the last one ends the line."""
        for piece in pieces:
            click.echo(piece, nl=False)

    def info(self, message: str, **fields: Any) -> None:
        """Say what is going on, unless `--quiet`."""
        if not self.flags["quiet"]:
            self._log("info", message, fields)

    def debug(self, message: str, **fields: Any) -> None:
        """Say more, with `--verbose`."""
        if self.flags["verbose"]:
            self._log("debug", message, fields)

    def error(self, message: str, hint: str = "", **fields: Any) -> None:
        """Say what went wrong and what to do next."""
        self._log("error", message, {**fields, "hint": hint} if hint else fields)

    def _log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        if self.flags["log_format"] == "json":
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            click.echo(json.dumps({"time": now, "level": level, "message": message, **fields}), err=True)
            return
        prefix = "reconciler: " if level == "error" else ""
        click.echo(prefix + message, err=True)
        if fields.get("hint"):
            click.echo(f"  {fields['hint']}", err=True)

    def problems(self, error: ManifestError) -> None:
        """Write located problems to stderr, in the form editors and CI logs link."""
        if self.flags["log_format"] == "json":
            for problem in error.problems:
                self.error(problem.message, problem.hint, place=str(problem.place))
            return
        click.echo(problems_text(error.problems), err=True)
        files = len({problem.place.path for problem in error.problems})
        click.echo(f"{counted(len(error.problems), 'problem')} in {counted(files, 'file')}.", err=True)


def _terminal_paint(text: str, colour: Colour) -> str:
    return click.style(text, bold=True) if colour is Colour.STRONG else click.style(text, fg=colour.value)


def exits(command: Callable[Parameters, int]) -> Callable[Parameters, NoReturn]:
    """Make a command end with the exit code it returns, or with its error said and the code that belongs to it."""

    @wraps(command)
    def ended(*arguments: Parameters.args, **options: Parameters.kwargs) -> NoReturn:
        console = Console(click.get_current_context().obj)
        try:
            code = command(*arguments, **options)
            sys.stdout.flush()
        except ManifestError as error:
            console.problems(error)
            code = ExitCode.ERROR
        except ReconcilerError as error:
            console.error(error.message, error.hint)
            code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), ExitCode.ERROR)
        except BrokenPipeError:
            # The reader went away: `reconciler plan | head`. Keep Python from complaining about it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = ExitCode.ERROR
        except OSError as error:
            console.error(f"{clean(str(error.filename or 'a file'))}: {error.strerror or type(error).__name__}")
            code = ExitCode.ERROR
        raise click.exceptions.Exit(int(code))

    return ended
