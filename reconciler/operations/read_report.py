"""Reading the file of an apply's report, whoever reads it."""

import json
from pathlib import Path
from typing import Any

from reconciler.errors import SettingsError
from reconciler.manifests import json_schema
from reconciler.manifests.open_file import open_named
from reconciler.operations.named_file import named_file
from reconciler.text.codes import Code

LARGEST_FILE = 256 * 1024 * 1024


def read_report_document(path: Path) -> Any:
    """Return the JSON of a report file. Raises SettingsError if it cannot be read or is not understood."""
    with named_file(path, "Name a file that `reconciler apply --out FILE` wrote."), open_named(path) as file:
        data = file.read(LARGEST_FILE + 1)
    return report_content(data)


def report_content(data: bytes) -> Any:
    """Return the JSON of a report file's bytes, checked like `read_report_document`. Raises SettingsError."""
    if len(data) > LARGEST_FILE:
        raise SettingsError(f"the report file is larger than {LARGEST_FILE:,} bytes", code=Code.UNUSABLE_FILE)
    try:
        content = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise SettingsError("the report file is not understood: it is not JSON", code=Code.UNUSABLE_FILE) from None
    problems = json_schema.problems("report", content)
    if problems:
        raise SettingsError(f"the report file is not understood: {problems[0].message}", code=Code.UNUSABLE_FILE)
    return content
