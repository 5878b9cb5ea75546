"""Why there is no plan, as JSON for the job that comments it: the problems of manifests, or one error."""

import json
from typing import Any

from reconciler.errors import ManifestError, ReconcilerError

FORMAT_VERSION = "1.0"
LARGEST = 4 * 1024**2
"""Bytes of a file that is read."""
_TEXTS = ("location", "message", "hint")


def problems_json(error: ReconcilerError) -> str:
    """Return the file's text."""
    found = [{"code": error.code or "", "location": "", "message": error.message, "hint": error.hint}]
    if isinstance(error, ManifestError):
        found = [
            {"code": each.code, "location": str(each.location), "message": each.message, "hint": each.hint}
            for each in error.problems
        ]
    return json.dumps({"format_version": FORMAT_VERSION, "problems": found}, indent=2) + "\n"


def read_problems(data: bytes) -> list[dict[str, str]]:
    """Return each problem's texts, `code` empty if it has none; nothing for a file that is not understood."""
    try:
        listed: Any = json.loads(data)["problems"] if len(data) <= LARGEST else []
        return [{key: str(each[key]) for key in _TEXTS} | {"code": str(each.get("code", ""))} for each in listed]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
