"""Where a ledger's file may be: not in memory, nor where its locks cannot be trusted. Loads no SQLAlchemy."""

import os
import re
from contextlib import suppress
from pathlib import Path, PurePosixPath

from reconciler.errors import SettingsError
from reconciler.text.addresses import LEDGER_HINT as HINT
from reconciler.text.codes import Code

NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs"),
        *("nfs4", "ocfs2", "smb", "smb2", "smb3", "smbfs"),
        *("fuse.ceph", "fuse.davfs", "fuse.davfs2", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs"),
        *("fuse.smbnetfs", "fuse.sshfs", "fuse.blobfuse", "fuse.blobfuse2", "fuse.mount-s3", "fuse.goofys"),
    }
)
"""Types in /proc/mounts whose locks or shared memory SQLite must not trust."""


def file_at(text: str) -> Path:
    """Return the absolute path of a ledger that is named as a file. Raises SettingsError."""
    if not text or "\0" in text:
        raise SettingsError("the ledger's path is empty or holds a NUL character", hint=HINT, code=Code.UNUSABLE_LEDGER)
    if text == ":memory:" or text.startswith("file:"):
        raise SettingsError(
            f"a ledger cannot be kept at {text!r}: it must be a file that outlives the program",
            hint=HINT,
            code=Code.UNUSABLE_LEDGER,
        )
    path = Path(text).expanduser().absolute()
    with suppress(OSError):  # a `Ledger` says what is wrong
        _refuse_folder(path, text)
    return path


def _refuse_folder(path: Path, text: str) -> None:
    if path.is_dir():
        raise SettingsError(
            f"the ledger's path is a folder: {text}",
            hint=f"Name a file in it: {text}/ledger.db",
            code=Code.UNUSABLE_LEDGER,
        )


def network_file_system(path: Path, mounts: str) -> str | None:
    """Return the type of the network file system that `path` is on, or None; `mounts` is the text of /proc/mounts."""
    best, kind = -1, ""
    target = PurePosixPath(path)
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = PurePosixPath(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), fields[1]))
        # Of two mounts on one point the later one hides the earlier.
        if target.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind if kind in NETWORK_FILE_SYSTEMS else None


def refuse_network_file_system(path: Path, shown: str, mounts: str) -> None:
    """Raise SettingsError if a ledger's file is on a network file system."""
    kind = network_file_system(Path(os.path.realpath(path)), mounts)  # `resolve` fails where a link leads to itself
    if kind is not None:
        raise SettingsError(
            f"the ledger {shown} is on a network file system ({kind}), where SQLite's locks cannot be trusted",
            hint="Keep the file on a local disk, or share a ledger with --ledger postgresql://…",
            code=Code.UNUSABLE_LEDGER,
        )


def mounted() -> str:
    """Return the text of /proc/mounts; empty if the system has none."""
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
