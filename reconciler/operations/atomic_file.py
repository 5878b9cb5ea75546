"""Files that are written completely or not at all, and pipes and devices, which cannot be."""

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from reconciler.errors import SettingsError
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

PRIVATE = 0o600
"""The mode of new files: plans and reports name tables and what was spent on them."""
SHARED = 0o666
"""The mode of new files meant to be committed, less the bits of the process's umask."""
_NO_REPLACING = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY})
"""The folder is not writable although the file is, or the file is a mount point."""


class Outlet:
    """The destination of a file. Opened before there is anything to write, so an unwritable path costs nothing.

    A link is followed. An existing file keeps its mode, and is replaced as a whole if its folder allows that. Pipes and
    devices, and a file that stdout or stderr already goes to, are opened at once and written in place.
    """

    def __init__(self, path: str | Path, mode: int = PRIVATE) -> None:
        """`mode` applies to a new file. Raises OSError if the file cannot be written."""
        self._path = Path(path)
        self._mode = mode
        self._file: BinaryIO | None = None
        there = self._there()
        if there is None:
            scratch, file = self._beside()
            file.close()
            scratch.unlink()
        elif not stat.S_ISREG(there.st_mode):
            self._file = self._path.open("wb")
        elif (own := _standard_stream(there)) is not None:
            self._file = os.fdopen(os.dup(own), "wb")
        else:
            self._path.open("r+b").close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def write(self, content: str | bytes | Iterable[str]) -> None:
        """Write the content, whole or in pieces. Raises OSError."""
        if self._file is not None:
            _fill(self._file, content)
            return
        there = self._there()
        try:
            scratch, file = self._beside()
        except OSError as error:
            if there is None or error.errno not in _NO_REPLACING:
                raise
            _fill(self._path.open("wb"), content)
            return
        try:
            if there is not None:
                _inherit(file, there)
            _fill(file, content)
            try:
                scratch.replace(os.path.realpath(self._path))
            except OSError as error:
                if there is None or error.errno not in _NO_REPLACING:
                    raise
                _fill(self._path.open("wb"), scratch.read_bytes())
        finally:
            scratch.unlink(missing_ok=True)

    def _there(self) -> os.stat_result | None:
        try:
            return self._path.stat()
        except FileNotFoundError:
            return None

    def _beside(self) -> tuple[Path, BinaryIO]:
        """Create an empty file in the folder of the destination."""
        meant = Path(os.path.realpath(self._path))
        scratch = meant.with_name(f".{meant.name[:200]}.{secrets.token_hex(4)}")
        try:
            return scratch, _open_new(scratch, self._mode)
        except OSError as error:
            error.filename = str(self._path)
            raise


def _open_new(path: Path, mode: int) -> BinaryIO:
    """Open a file that must not exist yet. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    return os.fdopen(descriptor, "wb")


def _inherit(file: BinaryIO, there: os.stat_result) -> None:
    """Give a file the owner and mode of the one it will replace, if the system can; Windows cannot."""
    if hasattr(os, "fchown"):
        with suppress(PermissionError):
            os.fchown(file.fileno(), there.st_uid, there.st_gid)
    if hasattr(os, "fchmod"):
        os.fchmod(file.fileno(), stat.S_IMODE(there.st_mode))


def write_whole(path: Path, content: str | bytes | Iterable[str], mode: int = PRIVATE) -> None:
    """Write a file, its content whole or in pieces, so that a reader sees all of it or nothing. Raises OSError."""
    with Outlet(path, mode) as outlet:
        outlet.write(content)


def write_durably(path: Path, lines: Iterable[str], mode: int = PRIVATE) -> None:
    """Write a new file line by line, whole and on the disk on return. Raises FileExistsError, OSError.

    Until it is whole there is none: a process that is killed leaves its scratch file.
    """
    if path.exists() or path.is_symlink():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    scratch = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
    try:
        with _open_new(scratch, mode) as file:
            for line in lines:
                file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        _rename_new(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _rename_new(scratch: Path, path: Path) -> None:
    """Give a file its name, unless another has it: of two at once one is refused. Raises FileExistsError, OSError."""
    try:
        path.hardlink_to(scratch)
    except FileExistsError:
        raise
    except OSError:  # some file systems have no links
        _open_new(path, PRIVATE).close()
        scratch.replace(path)


def profile_text(profile: Mapping[str, Any]) -> str:
    """Return a profile as the text of a file."""
    return json.dumps(profile, indent=2) + "\n"


def _fill(file: BinaryIO, content: str | bytes | Iterable[str]) -> None:
    """Write the content and close the file."""
    with file:
        for piece in [content] if isinstance(content, str | bytes) else content:
            file.write(piece if isinstance(piece, bytes) else piece.encode())


def _standard_stream(there: os.stat_result) -> int | None:
    """Return the number of the stream that already goes to this file, e.g. for /dev/stdout; None if none does."""
    for number in (1, 2):
        with suppress(OSError):
            if os.path.samestat(there, os.fstat(number)):
                return number
    return None


def refuse_own_files(option: str, path: str, kept: Iterable[Path]) -> None:
    """Raise SettingsError if the file of an option is one that the project itself needs."""
    if os.path.realpath(path) in map(os.path.realpath, kept):
        message = f"{option} names a file of the project, so nothing was read or sent: {one_line(path)}"
        raise SettingsError(message, hint="Name another file.", code=Code.UNUSABLE_FILE)
