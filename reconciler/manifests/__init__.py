"""Reads YAML files into manifests, strictly and with all problems at once, and writes manifests for live tables.

The module of calendars is loaded when there is one: it reads time zones, and most projects have none.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.manifests import calendar
else:

    def __getattr__(name: str) -> object:
        """Load it when it is first used."""
        if name != "calendar":
            raise AttributeError(f"module 'reconciler.manifests' has no attribute {name!r}")
        return __import__("reconciler.manifests.calendar", fromlist=[name])


__all__ = ["calendar"]
