"""The command line: one module per command; no other package prints.

Importing click takes longer than starting Python, so the plain `--help` is a file that a test compares with click's.
`ci_output`, with the renderers behind it, is loaded when a form is asked for that is not for people.
"""

import gc
import importlib
import os
import sys
from contextlib import suppress
from io import TextIOWrapper

TYPE_CHECKING = False  # as type checkers read it; `typing` itself is not worth its import here
if TYPE_CHECKING:
    from reconciler.cli import ci_output
else:

    def __getattr__(name: str) -> object:
        """Load it when it is first used."""
        if name != "ci_output":
            raise AttributeError(f"module 'reconciler.cli' has no attribute {name!r}")
        return importlib.import_module("reconciler.cli.ci_output")


__all__ = ["ci_output", "main"]


def main() -> None:
    """Run the command line of this process and exit with its exit code."""
    arguments = sys.argv[1:]
    if sys.stdout is None:
        # Closed by the caller: every write fails, as on a full disk, and no other file is opened in its place.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    if isinstance(sys.stdout, TextIOWrapper):
        # As stderr does: a character that the encoding lacks is escaped and causes no error.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _code_of(arguments)
    except BrokenPipeError:  # the reader of a help page has read enough
        code = 0
    except OSError as error:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"reconciler: stdout cannot be written: {error.strerror}\n")
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            # Python would try again when it exits, and exit with 120.
            with suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    gc.freeze()
    sys.exit(code)


def _code_of(arguments: list[str]) -> int:
    if arguments in (["--help"], ["-h"]):
        with open(f"{__path__[0]}/help.txt", encoding="utf-8") as help_text:  # noqa: PTH123 - pathlib costs as much
            sys.stdout.write(help_text.read())
        sys.stdout.flush()
        return 0
    # Modules stay to the end: looking through them for garbage, while they load and at the end, took a fifth of a plan.
    gc.disable()
    code: int = importlib.import_module("reconciler.cli.group").run(arguments, owns_process=True)
    return code
