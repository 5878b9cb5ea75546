"""Check manifests offline. Imports neither the client nor the ledger, because editors and hooks wait for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.errors import ManifestError, SettingsError
from reconciler.manifests.find_files import find_files
from reconciler.manifests.loader import load_manifests
from reconciler.manifests.open_file import shown_path
from reconciler.model.manifest import Manifest
from reconciler.settings.settings import Settings, manifest_paths
from reconciler.text.location import Diagnostic


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of checking manifests."""

    files: tuple[str, ...] = ()
    """All files that were read, as messages name them."""
    manifests: tuple[Manifest, ...] = ()
    """All manifests; none if there is a problem."""
    problems: tuple[Diagnostic, ...] = ()
    """Every problem of every file, with its location."""


def validate(settings: Settings, named: Sequence[str], of_project: Sequence[Diagnostic] = ()) -> Validation:
    """Check the manifests at the given paths, or else the project's. Raises SettingsError if there are none.

    `of_project` are problems of the project file, which are reported together with those of the manifests.
    """
    files: tuple[str, ...] = ()
    try:
        folders = manifest_paths(settings, named)
        files = tuple(map(shown_path, find_files(folders)))
        manifests = load_manifests(folders, settings.project_file)
    except ManifestError as error:
        return Validation(files, problems=tuple(sorted({*of_project, *error.problems})))
    except SettingsError:
        if of_project:  # once it is mended, it may well name others
            return Validation(files, problems=tuple(of_project))
        raise
    return Validation(files, problems=tuple(of_project)) if of_project else Validation(files, manifests)
