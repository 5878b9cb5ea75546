"""The files of one git commit, as raw blobs: git checks out, filters and runs nothing, and ignores attributes."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reconciler.errors import SettingsError
from reconciler.manifests.find_files import may_hold_manifests
from reconciler.manifests.yaml_reader import MAX_BYTES
from reconciler.settings.git import ask_git, refusal, run_git, work_tree
from reconciler.text.codes import Code
from reconciler.text.phrases import quote
from reconciler.text.sanitize import one_line

MAX_FILES = 100_000
"""The most files that are taken from one commit."""

_SHA = re.compile(rb"([0-9a-f]{40}([0-9a-f]{24})?)\n")
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_ENTRY = re.compile(rb"([0-7]{6}) [a-z]+ ([0-9a-f]+) +([0-9]+|-)\t(.+)", re.DOTALL)
_LINK, _MODULE = "120000", "160000"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit."""

    path: str
    """From the top of the repository, with slashes."""
    mode: str
    """In git's notation: `100644`, or `120000` for a link."""
    id: str
    size: int

    @property
    def is_link(self) -> bool:
        """A symbolic link; its target may be anywhere, so it is never followed."""
        return self.mode == _LINK


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the repository that holds a folder."""

    id: str
    top: Path
    """The root of the work tree."""
    blobs: Mapping[str, Blob]
    """All its files and links, by path."""

    def below(self, paths: Iterable[str]) -> list[Blob]:
        """Return the YAML and JSON files below `paths`, the files at them, and links on the way to them."""
        wanted = {os.path.normpath(path) for path in paths}
        found = []
        for path, blob in self.blobs.items():
            pure = PurePosixPath(path)
            is_named = path in wanted
            is_below = "." in wanted or any(str(parent) in wanted for parent in pure.parents)
            if is_named or (is_below and (may_hold_manifests(pure) or (blob.is_link and not pure.suffix))):
                found.append(blob)
        if len(found) > MAX_FILES:
            raise SettingsError(
                f"commit {self.id[:12]} has more than {MAX_FILES:,} files in the folders of manifests", code=Code.GIT
            )
        return found

    def read(self, blobs: Sequence[Blob]) -> dict[str, bytes]:
        """Return the contents of files, by path; one that is too large for any reader is cut just past that size."""
        wanted = [blob for blob in blobs if blob.size <= MAX_BYTES]
        said = ask_git(self.top, "cat-file", "--batch", given="".join(f"{blob.id}\n" for blob in wanted).encode())
        contents = {blob.path: b" " * (MAX_BYTES + 1) for blob in blobs if blob.size > MAX_BYTES}
        at = 0
        for blob in wanted:
            header = said.index(b"\n", at)
            if said[at:header] != f"{blob.id} blob {blob.size}".encode():
                raise SettingsError(
                    f"git returned something else for {one_line(blob.path)} at {self.id[:12]}", code=Code.GIT
                )
            contents[blob.path] = said[header + 1 : header + 1 + blob.size]
            at = header + blob.size + 2
        return contents


def unknown_commit(ref: str, folder: Path) -> SettingsError:
    """Return the error for a name that is neither a folder's nor that of a commit which `find_commit` finds."""
    top = work_tree(folder)
    if top is None:
        message = f"{quote(ref)} is not a folder, and there is no git repository here that could know a commit"
        return SettingsError(message, hint="Name a folder, or work in a clone of the repository.", code=Code.GIT)
    if not ref.strip("0"):  # as a CI writes what was before a branch's first push
        return SettingsError(
            f"{quote(ref)} stands for no commit: before this push there was no such branch",
            hint="Plan the branch itself, have that plan approved, and apply it.",
            code=Code.GIT,
        )
    shallow = ask_git(top, "rev-parse", "--is-shallow-repository") == b"true\n"
    hint = "In CI, fetch it first: `git fetch --depth=1 origin BRANCH`, then name `FETCH_HEAD` or its id."
    if not shallow and _SHA.fullmatch(f"{ref}\n".encode()):  # as a CI writes what was before a forced push
        hint = (
            "No branch has it any more after a forced push: plan the branch itself, have that plan approved, and "
            "apply it. Otherwise fetch it first: `git fetch origin ID`."
        )
    return SettingsError(
        f"{quote(ref)} is neither a folder nor a commit that git knows here"
        + (", in a clone without its history (a shallow one)" if shallow else ""),
        hint=hint,
        code=Code.GIT,
    )


def find_commit(ref: str, folder: Path) -> Commit | None:
    """Return the commit that `ref` names in the repository that holds `folder`; None if git knows none.

    Raises SettingsError if the ref looks like an option or is ambiguous, and if git fails.
    """
    if not ref or ref.startswith("-") or _UNSAFE.search(ref):
        raise SettingsError(
            f"`{one_line(ref)}` is not a valid name for a commit",
            hint="Name a branch, a tag or a commit.",
            code=Code.GIT,
        )
    top = work_tree(folder)
    if top is None:
        return None
    shown = ask_git(top, "rev-parse", "--show-toplevel")
    said = run_git(
        top, "-c", "core.warnAmbiguousRefs=true", "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}"
    )
    if b"Needed a single revision" in said.stderr:
        return None
    if said.returncode:
        raise refusal(top, said)
    if b"ambiguous" in said.stderr:
        raise SettingsError(
            f"`{one_line(ref)}` names more than one commit",
            hint="Write refs/heads/… or the commit's id.",
            code=Code.GIT,
        )
    sha = _SHA.fullmatch(said.stdout)
    if sha is None:
        return None
    commit = sha[1].decode()
    blobs = {}
    for entry in ask_git(top, "ls-tree", "-r", "-l", "-z", "--full-tree", commit).split(b"\0"):
        match = _ENTRY.fullmatch(entry)
        if match is not None and match[1].decode() != _MODULE:
            path = os.fsdecode(match[4])
            blobs[path] = Blob(path, match[1].decode(), match[2].decode(), int(match[3]))
    return Commit(commit, Path(os.fsdecode(shown.rstrip(b"\n"))), blobs)
