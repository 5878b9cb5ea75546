"""Opening what others may have put in a file's place: a pipe is not waited for forever, and a link stays inside."""

import errno
import os
import select
import stat
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from reconciler.errors import SettingsError
from reconciler.text.addresses import STREAM
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

PIPE_SECONDS = 30.0
"""How long a pipe or terminal may take to its first byte; whoever writes to it may have to fetch it first."""
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


def open_named(path: str | Path) -> AbstractContextManager[BinaryIO]:
    """Open what a person named: a file as `open_file` does, or standard input, which stays open. Raises OSError."""
    if os.fspath(path) != STREAM:
        return open_file(path)
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return nullcontext(sys.stdin.buffer)


def shown_path(path: Path) -> str:
    """Return a path as messages name it."""
    return "<stdin>" if os.fspath(path) == STREAM else path.as_posix()


def open_file(path: str | Path) -> BinaryIO:
    """Open a file for reading bytes. Raises OSError, also for a pipe that nothing comes from within `PIPE_SECONDS`.

    How much is read is up to the caller: a device may never end.
    """
    descriptor = os.open(path, _FLAGS)  # not waiting, as opening a pipe without a writer would
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(kind) and sys.platform != "win32":
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if not poll.poll(PIPE_SECONDS * 1000):
                reason = f"nothing was written to this pipe or device within {PIPE_SECONDS:g} seconds"
                raise TimeoutError(errno.ETIMEDOUT, reason, os.fspath(path))
            os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def refuse_stray_link(path: Path) -> None:
    """Refuse a link that leads out of the git work tree that it stands in (the outermost one), or into its `.git`.

    What it leads to (`/proc/self/environ`, say, or git's own configuration) could be quoted in a message that
    others read. Raises SettingsError.
    """
    real, here = Path(os.path.realpath(path)), Path(os.path.normpath(path.absolute()))
    if real != here and _leads_out(real, here.parent):
        raise SettingsError(
            f"{_shown(path)} is a link that leads out of the work tree, so it is not followed",
            hint="Put the file itself there, or name the place that it leads to.",
            code=Code.NOT_FOLLOWED,
        )


def refuse_outside(path: Path, project: Path) -> None:
    """Refuse what a project file in the folder `project` names outside its git work tree, or in its `.git`.

    As with a link, whoever may change that file could have it quoted in a message. Raises SettingsError.
    """
    if _leads_out(Path(os.path.realpath(path)), Path(os.path.normpath(project.absolute()))):
        raise SettingsError(
            f"spec.manifests names {_shown(path)}, which lies outside the work tree of the project",
            hint="Put the manifests into the repository, or name them on the command line.",
            code=Code.NOT_FOLLOWED,
        )


def _leads_out(real: Path, folder: Path) -> bool:
    """Tell whether a path without links is not among the files of the outermost git work tree that holds a folder."""
    tops = [each for each in (folder, *folder.parents) if os.path.lexists(each / ".git")]
    inside = Path(os.path.realpath(tops[-1])) if tops else None
    return inside is not None and (not real.is_relative_to(inside) or ".git" in real.relative_to(inside).parts)


def refuse_special(path: Path) -> None:
    """Refuse a pipe, a device or a link to one. Raises SettingsError."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise SettingsError(
            f"{_shown(path)} is a pipe or a device, not a file", hint="Put a file there.", code=Code.NOT_FOLLOWED
        )


def _shown(path: Path) -> str:
    return f"`{one_line(path.as_posix(), limit=1000)}`"
