"""Project files as the program loads them."""

from pathlib import Path

from reconciler.manifests.yaml_reader import read_documents
from reconciler.settings.project_file import Project, project_of


def load_project(path: Path, api_url: str | None = None) -> Project:
    """Load a project file. Raises ManifestError with every problem in it."""
    return project_of(read_documents(path), path.as_posix(), api_url)
