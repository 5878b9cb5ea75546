"""Files that a caller names: one that cannot be read or written is an error with a next step, like any other."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from reconciler.errors import SettingsError
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

WRITABLE = "Name a writable file in an existing folder."


@contextmanager
def named_file(path: str | PathLike[str], hint: str) -> Iterator[None]:
    """Raise SettingsError with the hint, in place of an OSError, if a file cannot be read or written.

    A reader that went away is not the file's fault: BrokenPipeError is passed on.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(f"{one_line(str(path))}: {reason}", hint=hint, code=Code.UNUSABLE_FILE) from error
