"""A workspace from a YAML file: every problem with its place."""

from pathlib import Path
from typing import Any

import msgspec

from reconciler import schema
from reconciler.errors import ManifestError
from reconciler.place import Place, Problem
from reconciler.simulator.workspace import Workspace
from reconciler.sources import read_documents


def load(path: Path) -> Workspace:
    """Return the workspace of a YAML file; a ManifestError carries every problem found in it."""
    documents = read_documents(path)
    if not documents:
        raise ManifestError([Problem(Place(path.as_posix(), 1, 1), "the file is empty")])
    first, *others = documents
    found = [Problem(other.place(()), "a workspace file holds one document") for other in others]
    found += [
        Problem(first.place(each.at, key=each.at_key), each.message, each.hint)
        for each in schema.problems("workspace", first.value)
    ]
    if found:
        raise ManifestError(found)
    value: Any = first.value
    try:
        workspace = msgspec.convert(value, Workspace)
    except msgspec.ValidationError as error:
        # The schema says everything that these types say; this is for the day when one of them is changed alone.
        raise ManifestError([Problem(first.place(()), str(error))]) from None
    found = [Problem(first.place(at), message) for at, message in workspace.problems()]
    if found:
        raise ManifestError(found)
    return workspace
