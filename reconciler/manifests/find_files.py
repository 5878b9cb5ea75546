"""Finds the files with manifests, from the files and folders that a user names."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from reconciler.errors import SettingsError
from reconciler.manifests.open_file import refuse_special, refuse_stray_link
from reconciler.manifests.yaml_reader import MAX_BYTES
from reconciler.text.addresses import STREAM
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

PROJECT_FILES = ("reconciler.yaml", "reconciler.yml")
"""The names that a project file may have."""
INSTALLED = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
"""Folders that tools fill: the YAML in them is other people's."""
_JSON = ".json"
_SUFFIXES = (".yaml", ".yml", _JSON)
_VERSIONED = re.compile(rb"""["']?apiVersion["']?\s*:\s*["']?reconciler/""")


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files at `paths`, in order of their names, each once; a missing path is a SettingsError.

    A file is used whatever its name, and `-` is standard input; a folder is searched to any depth for `*.yaml`, `*.yml`
    and `*.json` in any letter case, without hidden files and folders and those where tools install other people's files
    (`venv`, `node_modules` and their like). Other JSON files often sit next to manifests, so a JSON file counts only if
    it is an object with an `apiVersion` that begins with `reconciler/`. Links are followed inside their git work tree,
    and a file reached by two paths counts once, so a loop of links ends. A pipe is read only if it is named, as a
    shell's `<(…)` is.
    """
    found: dict[str, Path] = {}
    entered: set[str] = set()
    for path in paths:
        try:
            if path == Path(STREAM):
                found.setdefault(STREAM, path)
                continue
            refuse_stray_link(path)
            if path.is_dir():
                for file in _search(path, entered):
                    found.setdefault(os.path.realpath(file), file)
            elif path.exists():
                found.setdefault(os.path.realpath(path), path)
            else:
                hint = (
                    "`reconciler import TABLE` writes a manifest, `reconciler init` a first project; "
                    "`reconciler -C DIR` works in another folder."
                )
                raise SettingsError(f"there is no file or folder {_shown(path)}", hint=hint, code=Code.NO_SUCH_PATH)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SettingsError(
                f"{_shown(path)} cannot be searched: {one_line(reason)}", code=Code.NO_SUCH_PATH
            ) from None
    return sorted(found.values())


def may_hold_manifests(path: PurePath) -> bool:
    """Return whether a file's name is one that a folder is searched for."""
    return path.suffix.lower() in _SUFFIXES


def _search(folder: Path, entered: set[str]) -> Iterator[Path]:
    """Yield the files below a folder that should be manifests."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real in entered:
            continue
        entered.add(real)
        for path in here.iterdir():
            if path.name.startswith(".") or path.name in INSTALLED:
                continue
            is_folder, is_link = path.is_dir(), path.is_symlink()
            if is_link and (is_folder or may_hold_manifests(path)):
                refuse_stray_link(path)
                refuse_special(path)
            if is_folder:
                if not (path / "pyvenv.cfg").exists():  # a Python environment of another name
                    waiting.append(path)
            elif may_hold_manifests(path) and (path.is_file() or is_link) and _is_ours(path):
                # A broken link is a missing manifest: include it, and reading it reports that.
                yield path


def _is_ours(path: Path) -> bool:
    """Return whether a file is meant for this program: a YAML file always, a JSON file by its content.

    A broken or unreadable file counts too, because reading it reports the problem. No more of a large file is examined
    than the reader would accept.
    """
    if path.suffix.lower() != _JSON or not path.is_file():
        return True
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError:
        return True
    if not _VERSIONED.search(data.replace(b"\0", b"")):  # without the NULs of UTF-16
        return False
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return True
    return isinstance(value, dict) and str(value.get("apiVersion")).startswith("reconciler/")


def _shown(path: Path) -> str:
    return f"`{one_line(path.as_posix(), limit=1000)}`"
