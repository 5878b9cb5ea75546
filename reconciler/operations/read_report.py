"""Reading the file of an apply's report, whoever reads it."""

from pathlib import Path
from typing import Any

from reconciler.documents import strict_json
from reconciler.documents.strict_json import AmbiguousJsonError
from reconciler.errors import SettingsError
from reconciler.manifests import json_schema
from reconciler.manifests.open_file import open_named
from reconciler.operations.named_file import named_file
from reconciler.text.codes import Code

LARGEST_FILE = 256 * 1024 * 1024
_READABLE = "Name a file that `reconciler apply --out FILE` wrote."


def read_report_document(path: Path) -> Any:
    """Return the JSON of a report file. Raises SettingsError if it cannot be read or is not understood."""
    with named_file(path, _READABLE), open_named(path) as file:
        data = file.read(LARGEST_FILE + 1)
    return report_content(data)


def report_content(data: bytes) -> Any:
    """Return the JSON of a report file's bytes, checked like `read_report_document`. Raises SettingsError."""
    if len(data) > LARGEST_FILE:
        raise _not_understood(f"it is larger than {LARGEST_FILE // 1024**2} MiB")
    try:
        content = strict_json.parse(data.decode("utf-8", "replace"))
    except ValueError as error:
        raise _not_understood(str(error) if isinstance(error, AmbiguousJsonError) else "it is not JSON") from None
    problems = json_schema.problems("report", content)
    if problems:
        raise _not_understood(problems[0].message)
    return content


def _not_understood(why: str) -> SettingsError:
    return SettingsError(f"the report file is not understood: {why}", hint=_READABLE, code=Code.UNUSABLE_FILE)
