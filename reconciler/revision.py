"""The project as it is elsewhere: at a git commit, or in a folder. The user's own files are only ever read.

A commit's files come as raw blobs (`git ls-tree`, `git cat-file`) into a folder that is gone afterwards: no checkout,
no filter, no attribute of the tree and no hook has a say in what they hold.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.clean import clean
from reconciler.commit import Commit, find_commit
from reconciler.discovery import find_files
from reconciler.errors import ManifestError, SettingsError
from reconciler.loading import load_manifests
from reconciler.manifest import Manifest, Named, Run
from reconciler.place import Place, Problem
from reconciler.project import DEFAULT_PROJECT, Project, project_of
from reconciler.settings import PROJECT_FILE, Settings, manifest_paths
from reconciler.sources import MAX_BYTES, parse


@dataclass(frozen=True, slots=True)
class Revision:
    """What a project says at another place or time."""

    name: str
    """As the user named it, safe to print."""
    project: Project | None
    """None where there is no project file."""
    value: object
    """The project file as it was written; None where there is none."""
    manifests: tuple[Manifest, ...]
    """Their places name files as they would be named here."""
    problems: tuple[Problem, ...] = ()
    """Why nobody can tell the manifests; there are none then."""

    @property
    def tables(self) -> frozenset[str]:
        """Ids of the tables they name."""
        return frozenset(manifest.table_id for manifest in self.manifests)


def read_revision(where: str, settings: Settings, named: Sequence[str]) -> Revision:
    """Read the project file and the manifests at a git ref, or in a folder that is laid out like the project.

    `named` are the paths of the command line. Raises SettingsError for what is neither a ref nor a folder, and
    ManifestError for a project file that is wrong; manifests that are wrong are told in the result.
    """
    with _open(where, settings, named) as tree:
        project, value = _project(tree)
        there = replace(settings, project=project or DEFAULT_PROJECT, root=tree.root)
        problems = [*tree.fetch(manifest_paths(there, tree.named))]
        manifests: tuple[Manifest, ...] = ()
        try:
            files = find_files([path for path in manifest_paths(there, tree.named) if path.exists()])
            manifests = load_manifests(files) if any(map(_may_be_manifest, files)) else ()
        except ManifestError as error:
            problems += [tree.renamed(problem) for problem in error.problems]
        except SettingsError as error:
            if files_missing := error.hint.startswith("`reconciler init`"):
                pass
            else:
                problems.append(Problem(Place(clean(where), 1, 1), error.message))
            del files_missing
        if problems:
            return Revision(clean(where), project, value, (), tuple(problems))
        return Revision(clean(where), project, value, tuple(tree.manifest(each) for each in manifests))
