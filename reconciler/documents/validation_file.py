"""The problems that `validate` found → JSON, versioned."""

from collections.abc import Iterable
from typing import Any

from reconciler.errors import SettingsError
from reconciler.text.location import Diagnostic
from reconciler.text.phrases import path_text

FORMAT_VERSION = "1.0"


def validation_document(problems: Iterable[Diagnostic | SettingsError]) -> dict[str, Any]:
    """Return the JSON content. A problem of a setting has no place: its path is empty, line and column are null."""
    found = [_problem(each) for each in problems]
    return {"format_version": FORMAT_VERSION, "valid": not found, "problems": found}


def _problem(of: Diagnostic | SettingsError) -> dict[str, Any]:
    place = of.location if isinstance(of, Diagnostic) else None
    return {
        "code": of.code.value,
        "severity": "error",
        "path": place.path if place else "",
        "line": place.line if place else None,
        "column": place.column if place else None,
        "field": path_text(place.at, "") if place else "",
        "message": of.message,
        "hint": of.hint,
    }
