"""Whether a push concerns the project at all. It is asked when nothing approved is found for the push."""

from reconciler.errors import ManifestError, SettingsError
from reconciler.manifests.compare import compare, compare_projects
from reconciler.manifests.yaml_reader import read_documents
from reconciler.operations.validate import validate
from reconciler.settings.revision import read_revision
from reconciler.settings.settings import Settings


def has_changed(settings: Settings, since: str) -> bool:
    """Tell whether the project file or a manifest differs from a commit's; True if one of them cannot be read."""
    try:
        before, here = read_revision(since, settings, []), validate(settings, [])
        documents = [] if settings.project_file is None else read_documents(settings.project_file)
    except (ManifestError, SettingsError):
        return True
    if before.problems or here.problems:
        return True
    changes = compare_projects(before.value, documents[0] if documents else None)
    return bool(changes or compare(before.manifests, here.manifests))
