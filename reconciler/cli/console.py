"""The two streams: answers on stdout, everything else on stderr; and how colour and a terminal affect them."""

import json
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TextIO

import click

from reconciler.errors import ManifestError, ReconcilerError
from reconciler.model.report import ExitCode
from reconciler.render.colour import Colour, Paint, plain
from reconciler.render.plan_parts import problems_text
from reconciler.settings.ci import is_ci
from reconciler.settings.settings import Flags, Settings, load_settings, settings_and_problems
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

Parameters = ParamSpec("Parameters")


_COMMAND = re.compile(r"^(\s*)(::)", re.MULTILINE)
"""A workflow command stands at the beginning of a line, blanks aside; an old one, `##[`, anywhere in it."""


@dataclass(frozen=True, slots=True)
class Console:
    """Output and settings, as the global flags ask for them."""

    flags: Mapping[str, Any]
    _lost: list[str] = field(default_factory=list)
    """Why stdout can no longer be written; empty while it can."""

    def settings(self, **limits: str | None) -> Settings:
        """Return the settings from flags, environment, project file and defaults."""
        return load_settings(self.setting_flags(**limits), os.environ)

    def settings_and_problems(self) -> tuple[Settings, tuple[Diagnostic, ...]]:
        """Return the settings, and what is wrong with the project file; then only its `manifests` are used."""
        return settings_and_problems(self.setting_flags(), os.environ)

    def setting_flags(self, **limits: str | None) -> Flags:
        """Return what the command line says about settings."""
        named = {name: self.flags[name] for name in ("project", "api_url", "ledger", "ca_bundle")}
        return Flags(**named, **limits)

    @property
    def owns_process(self) -> bool:
        """True in the program itself, not if a test or another program runs a command line within its own process."""
        return bool(self.flags.get("owns_process"))

    @property
    def is_terminal(self) -> bool:
        """True if both streams are terminals and this is not a CI."""
        return _is_terminal(sys.stdout) and _is_terminal(sys.stderr) and not is_ci(os.environ)

    @property
    def paint(self) -> Paint:
        """Colour on a terminal; none elsewhere, or if it is switched off."""
        wanted = _is_terminal(sys.stdout) and not self.flags["no_color"] and not os.environ.get("NO_COLOR")
        return _terminal_paint if wanted and os.environ.get("TERM") != "dumb" else plain

    def answer(self, text: str) -> None:
        """Write the answer to stdout."""
        click.echo(inert(text))

    def command(self, text: str) -> None:
        """Write to stdout what a CI's log takes for its own commands."""
        click.echo(text)

    def tell(self, text: str) -> bool:
        """Write the answer of a command that has acted; on stderr, after a single note, if stdout cannot be written.

        Raises nothing, because the exit code must reflect what was done. Returns whether stdout was written.
        """
        if not self._lost:
            failure = _failure_of(lambda: click.echo(inert(text))) if sys.stdout is not None else "it is closed"
            if failure is None:
                return True
            self._lost.append(failure)
            forget_stdout()
            self.error(f"stdout cannot be written, so the answer follows here: {failure}")
        self.say(text)
        return False

    def say(self, text: str, *, newline: bool = True) -> None:
        """Write to stderr. If that fails, go on: there is nowhere left to report it."""
        with suppress(OSError, ValueError):
            click.echo(inert(text), nl=newline, err=True)

    def stream(self, pieces: Iterable[str]) -> None:
        """Write an answer to stdout piece by piece; the last one ends the line."""
        for piece in pieces:
            click.echo(piece, nl=False)

    def info(self, message: str, **fields: Any) -> None:
        """Write what is going on, unless `--quiet`."""
        if not self.flags["quiet"]:
            self._log("info", message, fields)

    def debug(self, message: str, **fields: Any) -> None:
        """Write details, with `--verbose`."""
        if self.flags["verbose"]:
            self._log("debug", message, fields)

    def error(self, message: str, hint: str = "", **fields: Any) -> None:
        """Write what went wrong and what to do next."""
        self._log("error", message, {**fields, "hint": hint} if hint else fields)

    def _log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        self.say(self.line(level, message, fields))

    def line(self, level: str, message: str, fields: Mapping[str, Any]) -> str:
        """Return the text of a message on stderr, without the final newline."""
        if self.flags["log_format"] == "json":
            return json.dumps({"time": utc_now(), "level": level, "message": message, **fields})
        prefix = "reconciler: " if level == "error" else ""
        prefix += f"{fields['code']} " if fields.get("code") else ""
        return prefix + message + (f"\n  {fields['hint']}" if fields.get("hint") else "")

    def problems(self, error: ManifestError) -> None:
        """Write problems with their locations to stderr, in the form that editors and CI logs link."""
        if self.flags["log_format"] == "json":
            for problem in error.problems:
                self.error(problem.message, problem.hint, code=problem.code, location=str(problem.location))
            return
        files = len({problem.location.path for problem in error.problems})
        sums = f"{counted(len(error.problems), 'problem')} in {counted(files, 'file')}."
        width = shutil.get_terminal_size().columns if _is_terminal(sys.stderr) and not is_ci(os.environ) else None
        self.say(f"{problems_text(error.problems, width)}\n{sums}")


def inert(text: str) -> str:
    """Return text for people in which no line is a command of GitHub's log: a name in it may begin one."""
    if os.environ.get("GITHUB_ACTIONS") != "true" or not ("::" in text or "##[" in text):
        return text
    return _COMMAND.sub(r"\1· \2", text).replace("##[", "## [")


def utc_now() -> str:
    """Return the time, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _failure_of(write: Callable[[], object]) -> str | None:
    """Write; return what went wrong, in words."""
    try:
        write()
    except OSError as error:
        return error.strerror or type(error).__name__
    except ValueError as error:  # a file object that was closed, or an encoding that lacks a character
        return type(error).__name__
    return None


def forget_stdout() -> None:
    """Discard what is still buffered for stdout: it would fail again when the interpreter exits, with exit code 120."""
    with suppress(OSError, ValueError, AttributeError):  # it has no descriptor, or there is none
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _terminal_paint(text: str, colour: Colour) -> str:
    return click.style(text, bold=True) if colour is Colour.STRONG else click.style(text, fg=colour.value)


def let_go_of_readers() -> None:
    """Make writes to pipes non-blocking, so that none waits for a stopped reader; safe in a signal handler.

    A blocked write resumes once the handler returns, and then fails like a write to any other full output.
    """
    if not hasattr(os, "set_blocking"):  # Windows before Python 3.12
        return
    for descriptor in (1, 2):
        with suppress(OSError):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode) or stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.set_blocking(descriptor, False)


def exits(command: Callable[Parameters, int]) -> Callable[Parameters, NoReturn]:
    """Make a command exit with the code it returns, or else print its error and exit with the error's code."""

    @wraps(command)
    def ended(*arguments: Parameters.args, **options: Parameters.kwargs) -> NoReturn:
        console = Console(click.get_current_context().obj)
        try:
            code = command(*arguments, **options)
            if sys.stdout is not None:
                sys.stdout.flush()
        except ManifestError as error:
            console.problems(error)
            code = ExitCode.ERROR
        except ReconcilerError as error:
            console.error(error.message, error.hint, **({"code": error.code} if error.code else {}))
            code = ExitCode.of(error)
        except BrokenPipeError:
            # The reader went away: `reconciler plan | head`. Keep Python from complaining about it at exit.
            forget_stdout()
            code = ExitCode.ERROR
        except OSError as error:
            if error.filename is None:
                forget_stdout()  # a full disk, say
            hint = "Name a file that may be read or written, in an existing folder." if error.filename else ""
            console.error(
                f"{one_line(str(error.filename or 'a file'))}: {error.strerror or type(error).__name__}", hint
            )
            code = ExitCode.ERROR
        raise click.exceptions.Exit(int(code))

    return ended
