"""The result of `doctor` as JSON, versioned."""

from dataclasses import asdict
from typing import Any

from reconciler.model.checkup import Checkup
from reconciler.version import __version__

FORMAT_VERSION = "1.0"


def checkup_document(found: Checkup) -> dict[str, Any]:
    """Return the JSON content."""
    return {
        "format_version": FORMAT_VERSION,
        "tool_version": __version__,
        "healthy": not found.wrong,
        "checks": [asdict(check) for check in found.checks],
        "settings": [asdict(setting) for setting in found.settings],
        "routes": [asdict(route) for route in found.routes],
    }
