"""The two streams: answers on stdout, everything else on stderr; and how colour and a terminal affect them."""

import errno
import json
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TextIO

import click

from reconciler.errors import ErroredPlan, ManifestError, ReconcilerError
from reconciler.model.report import ExitCode
from reconciler.render.alignment import cut, wrapped
from reconciler.render.colour import Colour, Paint, coloured, plain, shows_colour
from reconciler.render.plan_parts import problems_text
from reconciler.settings.ci import is_ci
from reconciler.settings.settings import Flags, Settings, load_settings, settings_and_problems
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic
from reconciler.text.numbers import counted
from reconciler.text.sanitize import one_line

Parameters = ParamSpec("Parameters")


_COMMAND = re.compile(r"^(\s*)(::)", re.MULTILINE)
"""A workflow command stands at the beginning of a line, blanks aside; an old one, `##[`, anywhere in it."""


ERASED = "\r\x1b[K"
"""Takes the line at the cursor off a terminal."""
NARROWEST = 20


@dataclass(frozen=True, slots=True)
class Console:
    """Output and settings, as the global flags ask for them."""

    flags: Mapping[str, Any]
    _lost: list[str] = field(default_factory=list)
    """Why stdout can no longer be written; empty while it can."""
    _drawn: list[str] = field(default_factory=list)
    """The line of progress that stands on the terminal; empty if there is none."""

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
    def has_bar(self) -> bool:
        """True if progress is drawn on the terminal, over itself."""
        wanted = not self.flags["quiet"] and self.flags["log_format"] == "text"
        return wanted and self.is_terminal and os.environ.get("TERM") != "dumb"

    @property
    def paint(self) -> Paint:
        """Colour for stdout; none if it is not shown, or switched off."""
        return self._paint(sys.stdout)

    def _paint(self, stream: TextIO | None) -> Paint:
        if self.flags["no_color"]:
            return plain
        is_shown = shows_colour(os.environ, is_terminal=_is_terminal(stream), is_file=_is_file(stream))
        return coloured if is_shown else plain

    @property
    def width(self) -> int | None:
        """The places in a line of stdout; None if that is not a terminal."""
        return _width(sys.stdout)

    def fit(self, text: str) -> str:
        """Return text for people with its lines broken at the width of stdout, if that is a terminal."""
        return wrapped(text, self.width)

    def answer(self, text: str) -> None:
        """Write the answer to stdout."""
        with _reader_may_leave():
            self.show(text)

    def show(self, text: str) -> None:
        """Write to stdout what must be seen before the command goes on; BrokenPipeError if the reader went away."""
        self._erase()
        _echo(inert(text))

    def command(self, text: str) -> None:
        """Write to stdout what a CI's log takes for its own commands."""
        self._erase()
        with _reader_may_leave():
            click.echo(text)

    def tell(self, text: str) -> bool:
        """Write the answer of a command that has acted; on stderr, after a single note, if stdout cannot be written.

        Raises nothing, because the exit code must reflect what was done. Returns whether stdout was written.
        """
        if not self._lost:
            self._erase()
            failure = _failure_of(lambda: _echo(inert(text))) if sys.stdout is not None else "stdout is closed"
            if failure is None:
                return True
            self._lost.append(failure)
            forget_stdout()
            self.error(f"stdout cannot be written, so the answer follows here: {failure}")
        self.say(text)
        return False

    def say(self, text: str, *, newline: bool = True) -> None:
        """Write to stderr. If that fails, go on: there is nowhere left to report it."""
        self._erase()
        with suppress(OSError, ValueError):
            _echo(inert(text), nl=newline, err=True)

    def draw(self, line: str) -> None:
        """Show a line of progress in place of the last one; it goes away when anything else is written.

        It is cut to the width of the terminal, because what has wrapped cannot be drawn over; `^C`, which a terminal
        writes at the cursor, fits beside it.
        """
        self._erase()
        if line:
            with suppress(OSError, ValueError):
                width = _width(sys.stderr)
                click.echo(line if width is None else cut(line, width - len("^C") - 1), nl=False, err=True)
                self._drawn.append(line)

    def _erase(self) -> None:
        if self._drawn:
            self._drawn.clear()
            with suppress(OSError, ValueError):
                click.echo(ERASED, nl=False, err=True, color=True)

    def stream(self, pieces: Iterable[str]) -> None:
        """Write an answer to stdout piece by piece; the last one ends the line."""
        with _reader_may_leave():
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

    def usage(self, text: str) -> None:
        """Write to stderr what is wrong with the command line."""
        self.say(wrapped(text.rstrip("\n"), _width(sys.stderr)))

    def error(self, message: str, hint: str = "", **fields: Any) -> None:
        """Write what went wrong and what to do next."""
        self._log("error", message, {**fields, "hint": hint} if hint else fields)

    def _log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        self.say(self.line(level, message, fields))

    def line(self, level: str, message: str, fields: Mapping[str, Any]) -> str:
        """Return the text of a message on stderr, without the final newline."""
        if self.flags["log_format"] == "json":
            return json.dumps({"time": utc_now(), "level": level, "message": message, **fields})
        prefix = self._paint(sys.stderr)("reconciler:", Colour.BAD) + " " if level == "error" else ""
        prefix += f"{fields['code']} " if fields.get("code") else ""
        hint = str(fields.get("hint") or "").replace("\n", "\n  ")
        text = prefix + message + (f"\n  {hint}" if hint else "")
        return wrapped(text, _width(sys.stderr))

    def problems(self, error: ManifestError | ErroredPlan) -> None:
        """Write problems with their locations to stderr, in the form that editors and CI logs link."""
        if self.flags["log_format"] == "json":
            for problem in error.problems:
                self.error(problem.message, problem.hint, code=problem.code, location=str(problem.location))
            return
        files = len({problem.location.path for problem in error.problems})
        sums = f"{counted(len(error.problems), 'problem')} in {counted(files, 'file')}."
        width = _width(sys.stderr)
        text = problems_text(error.problems, width, self._paint(sys.stderr))
        self.say(wrapped(f"{text}\n{sums}", width))


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


def _is_file(stream: TextIO | None) -> bool:
    """Return True for a file on disk, and for what has no descriptor, as in a test."""
    try:
        return stream is None or stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return True


def _width(stream: TextIO | None) -> int | None:
    """Return how many places a line of a terminal has; None if the stream is none, or does not say."""
    if stream is None or not stream.isatty():
        return None
    named = os.environ.get("COLUMNS", "")
    with suppress(OSError, ValueError):
        places = int(named) if named.isdecimal() and named.isascii() else os.get_terminal_size(stream.fileno()).columns
        return max(places, NARROWEST) if places else None
    return None


def _echo(text: str, *, nl: bool = True, err: bool = False) -> None:
    """Write text whose colour is meant: where there should be none, there is none."""
    click.echo(text, nl=nl, err=err, color=True)


def _failure_of(write: Callable[[], object]) -> str | None:
    """Write; return what went wrong, in words."""
    try:
        write()
    except OSError as error:
        return reason(error)
    except ValueError as error:  # a file object that was closed, or an encoding that lacks a character
        return type(error).__name__
    return None


def reason(error: OSError) -> str:
    """Return why it cannot be written; a descriptor that is bad is stdout's, since files are named by their path."""
    return "stdout is closed" if error.errno == errno.EBADF else error.strerror or type(error).__name__


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Let a reader of stdout stop early, as `head` does: the command ends with its own exit code."""
    try:
        yield
    except BrokenPipeError:
        forget_stdout()


def forget_stdout() -> None:
    """Discard what is still buffered for stdout: it would fail again when the interpreter exits, with exit code 120."""
    with suppress(OSError, ValueError, AttributeError):  # it has no descriptor, or there is none
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


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
            if isinstance(error, ErroredPlan):
                console.problems(error)
            console.error(error.message, error.hint, **({"code": error.code} if error.code else {}))
            code = ExitCode.of(error)
        except OSError as error:
            if error.filename is None:
                forget_stdout()  # a full disk, say
            what = one_line(str(error.filename)) if error.filename else "the answer cannot be written"
            hint = "Name a file that may be read or written, in an existing folder." if error.filename else ""
            console.error(f"{what}: {reason(error)}", hint, code=Code.UNUSABLE_FILE)
            code = ExitCode.ERROR
        raise click.exceptions.Exit(int(code))

    return ended
