"""Whether a push concerns anything that is run. It is asked when nothing approved is found for the push."""

from reconciler.errors import ManifestError, SettingsError
from reconciler.manifests.compare import compare, compare_projects
from reconciler.manifests.yaml_reader import read_documents
from reconciler.operations.validate import Validation, validate
from reconciler.settings.revision import read_revision
from reconciler.settings.settings import Settings
from reconciler.text.codes import Code


def has_changed(settings: Settings, since: str) -> bool:
    """Tell whether the project file or a manifest differs from a commit's; True if one of them cannot be read.

    A manifest that was removed runs nothing, so it does not count, and it may have been the last one.
    """
    try:
        before, here = read_revision(since, settings, []), _here(settings)
        documents = [] if settings.project_file is None else read_documents(settings.project_file)
    except (ManifestError, SettingsError):
        return True
    if before.problems or here.problems:
        return True
    names = {manifest.name for manifest in here.manifests}
    kept = [manifest for manifest in before.manifests if manifest.name in names]
    changes = compare_projects(before.value, documents[0] if documents else None)
    return bool(changes or compare(kept, here.manifests))


def _here(settings: Settings) -> Validation:
    try:
        return validate(settings, [])
    except SettingsError as error:
        if error.code not in (Code.NO_SUCH_PATH, Code.NO_MANIFEST):
            raise
        return Validation()
