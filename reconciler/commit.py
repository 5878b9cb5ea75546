"""The files of one git commit, as raw blobs: nothing is checked out, filtered or run, and no attribute is obeyed."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.clean import clean
from reconciler.discovery import SUFFIXES
from reconciler.errors import SettingsError
from reconciler.sources import MAX_BYTES

GIT_SECONDS = 60.0
MAX_FILES = 100_000
"""YAML files taken from one commit at most."""

_SHA = re.compile(rb"([0-9a-f]{40}([0-9a-f]{24})?)\n?")
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_ENTRY = re.compile(rb"([0-7]{6}) [a-z]+ ([0-9a-f]+) +([0-9]+|-)\t(.+)", re.DOTALL)
_LINK, _FILES = "120000", ("100644", "100755", "100664")


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit."""

    path: str
    """From the top of the repository."""
    mode: str
    id: str
    size: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the repository that holds a folder."""

    id: str
    top: str
    """The folder of the work tree."""
    blobs: Mapping[str, Blob]
    """All its files and links, by path."""

    def below(self, paths: Iterable[str]) -> list[Blob]:
        """Return the YAML files and links at and below `paths`, and the files at them whatever their name.

        Where a link leads inside the repository, what it leads to comes too.
        """
        found: dict[str, Blob] = {}
        waiting = [os.path.normpath(path) for path in paths]
        seen = set(waiting)
        while waiting:
            wanted = waiting.pop()
            prefix = "" if wanted == "." else f"{wanted}/"
            for path, blob in self.blobs.items():
                if path == wanted or (path.startswith(prefix) and (path.endswith(SUFFIXES) or blob.mode == _LINK)):
                    found[path] = blob
                    target = self.target(blob) if blob.mode == _LINK else None
                    if target is not None and target not in seen:
                        seen.add(target)
                        waiting.append(target)
        if len(found) > MAX_FILES:
            raise SettingsError(f"commit {self.id[:12]} holds more than {MAX_FILES:,} YAML files below the manifests")
        return list(found.values())

    def target(self, link: Blob) -> str | None:
        """Return the path that a link leads to; None where it leaves the repository."""
        text = os.fsdecode(self.read([link])[link.id])
        path = os.path.normpath(os.path.join(os.path.dirname(link.path), text))  # noqa: PTH118, PTH120 - a git path
        return None if text.startswith("/") or path.startswith("..") else path
