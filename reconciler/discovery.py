"""Which files hold manifests: the paths a user names, folders searched."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from reconciler.clean import clean
from reconciler.errors import SettingsError

PROJECT_FILES = ("reconciler.yaml", "reconciler.yml")
"""What a project file may be called."""
SUFFIXES = (".yaml", ".yml")


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files at `paths`, in order of their names, each once; a missing path is a SettingsError.

    A file is taken whatever its name; a folder is searched to any depth for `*.yaml` and `*.yml`, without hidden files
    and folders. Links are followed, and what two paths lead to counts once, so a loop of links ends.
    """
    found: dict[str, Path] = {}
    entered: set[str] = set()
    for path in paths:
        try:
            if path.is_dir():
                for file in _search(path, entered):
                    found.setdefault(os.path.realpath(file), file)
            elif path.exists():
                found.setdefault(os.path.realpath(path), path)
            else:
                hint = "`reconciler -C DIR` works in another folder; `reconciler init` writes a first project."
                raise SettingsError(f"there is no file or folder {_shown(path)}", hint=hint)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SettingsError(f"{_shown(path)} cannot be searched: {clean(reason)}") from None
    return sorted(found.values())


def _search(folder: Path, entered: set[str]) -> Iterator[Path]:
    """Yield the YAML files below a folder."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real in entered:
            continue
        entered.add(real)
        for path in here.iterdir():
            if path.name.startswith("."):
                continue
            if path.is_dir():
                waiting.append(path)
            elif path.suffix in SUFFIXES and (path.is_file() or path.is_symlink()):
                # A broken link is a manifest that somebody misses: it is taken, and reading it says so.
                yield path


def _shown(path: Path) -> str:
    return f"`{clean(path.as_posix(), limit=1000)}`"
