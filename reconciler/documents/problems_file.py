"""Why there is no plan, as JSON for the job that comments it: problems of manifests, an error, or plans passed over."""

import json
from collections.abc import Iterable
from itertools import islice
from typing import Any

from reconciler.errors import ManifestError, ReconcilerError

FORMAT_VERSION = "1.0"
MOST_REASONS = 100
"""Anyone who may push can leave any number of plans; the newest are told."""
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
    return _text(found)


def passed_over_json(message: str, hint: str, reasons: Iterable[tuple[str, str]]) -> str:
    """Return the file's text for a missing approval; a reason is the maker of a plan that was passed over, and why."""
    found = [{"location": "", "message": message, "hint": hint}]
    found += [{"location": made_by, "message": why, "hint": ""} for made_by, why in islice(reasons, MOST_REASONS)]
    return _text(found)


def _text(found: list[dict[str, str]]) -> str:
    return json.dumps({"format_version": FORMAT_VERSION, "problems": found}, indent=2) + "\n"


def read_problems(data: bytes) -> list[dict[str, str]]:
    """Return each problem's texts, `code` empty if it has none; nothing for a file that is not understood."""
    try:
        listed: Any = json.loads(data)["problems"] if len(data) <= LARGEST else []
        return [{key: str(each[key]) for key in _TEXTS} | {"code": str(each.get("code", ""))} for each in listed]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
