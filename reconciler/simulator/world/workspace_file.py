"""Loads a workspace from a YAML file, and reports every problem with its location."""

from pathlib import Path
from typing import Any

import msgspec

from reconciler.errors import ManifestError
from reconciler.manifests import json_schema
from reconciler.manifests.yaml_reader import read_documents
from reconciler.simulator.world.workspace import Workspace
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location


def load(path: Path) -> Workspace:
    """Return the workspace of a YAML file; a ManifestError carries every problem found in it."""
    documents = read_documents(path)
    if not documents:
        raise ManifestError([Diagnostic(Location(path.as_posix(), 1, 1), Code.EMPTY_FILE, "the file is empty")])
    first, *others = documents
    found = [
        Diagnostic(other.location(()), Code.SEVERAL_DOCUMENTS, "a workspace file must hold exactly one document")
        for other in others
    ]
    found += [
        Diagnostic(first.location(each.at, key=each.at_key), each.code, each.message, each.hint)
        for each in json_schema.problems("workspace", first.value)
    ]
    if found:
        raise ManifestError(found)
    value: Any = first.value
    try:
        workspace = msgspec.convert(value, Workspace)
    except msgspec.ValidationError as error:
        # The schema checks everything that these types check; this is a safeguard in case only one of them is changed.
        raise ManifestError([Diagnostic(first.location(()), Code.IMPOSSIBLE_WORKSPACE, str(error))]) from None
    found = [Diagnostic(first.location(at), Code.IMPOSSIBLE_WORKSPACE, message) for at, message in workspace.problems()]
    if found:
        raise ManifestError(found)
    return workspace
